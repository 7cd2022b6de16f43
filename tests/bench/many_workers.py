"""One job by 1, 2 and 4 CPU workers of one thread: dense forwards repeated, and bytes that came from the store.

    python tests/bench/many_workers.py --build build

Counts work, not seconds. Model, texts and workspace lie on an S3 server behind a proxy that counts. Prints the table of
docs/benchmarks.md.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "s3"), str(TESTS / "e2e")]

JOB = {"samples": 128, "sequence_length": 128}


def run(folder: Path, model: Path, workers: int, cache: bool) -> tuple[int, int]:
    import boto3
    from fault_proxy import FaultProxy
    from test_many_workers import forwards

    from cluster import CALIBRATION, Cluster, wait_until
    from s3_server import ACCESS_KEY, SECRET_KEY, S3Server

    with S3Server(folder / "s3") as server, FaultProxy(server.port, share=0) as proxy:
        server.bucket("models")
        server.bucket("results")
        client = boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )
        for path in [*model.iterdir(), CALIBRATION]:
            client.upload_file(str(path), "models", f"model/{path.name}")
        service = Cluster(
            folder / "service",
            allow=["s3://models", "s3://results"],
            environment=server.environment | {"AWS_ENDPOINT_URL": proxy.endpoint},
            workspace_uri="s3://results/work",
        )
        with service as cluster:
            cluster.start_coordinator()
            for number in range(workers):
                cluster.start_worker(f"w{number}", *(("--cache", str(folder / "cache")) if cache else ()))
            wait_until(
                lambda: len(cluster.besa("--json", "workers", "list").json().get("workers", [])) == workers,
                60,
                "workers",
            )
            before = proxy.bytes_down["GET"]
            job = cluster.submit(
                "s3://results/out",
                model="s3://models/model",
                calibration=f"s3://models/model/{CALIBRATION.name}",
                **JOB,
            )
            cluster.succeed(job, 300)
            return forwards(cluster.tasks(job)), proxy.bytes_down["GET"] - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build"))
    options = parser.parse_args()
    os.environ["BESA_BUILD"] = str(options.build.resolve())
    from test_many_workers import BLOCKS, deepen

    with tempfile.TemporaryDirectory() as folder:
        model = deepen(Path(folder) / "model")
        weights = (model / "model.safetensors").stat().st_size
        print(f"{BLOCKS} blocks, {weights / 1e6:.1f} MB of weights\n")
        print("| workers | cache | dense forwards repeated | MB fetched |\n|---|---|---|---|")
        for workers in (1, 2, 4):
            for cache in (False, True):
                place = Path(folder) / f"{workers}-{cache}"
                place.mkdir()
                repeated, fetched = run(place, model, workers, cache)
                shared = "shared" if cache else "none"
                print(f"| {workers} | {shared} | {repeated} | {fetched / 1e6:.1f} |", flush=True)
                shutil.rmtree(place)


if __name__ == "__main__":
    main()
