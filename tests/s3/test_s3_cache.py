"""The workers' cache: weights come over the network once, also for the next job and after a kill at any moment."""

import boto3
import pytest
from fault_proxy import FaultProxy
from test_s3_faults import fill, in_folders, on  # noqa: F401
from test_s3_job import BLOCKS, JOB, ON_S3, described

from cluster import MODEL
from s3_server import ACCESS_KEY, SECRET_KEY, WHY_NOT, S3Server

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)

WEIGHTS = (MODEL / "model.safetensors").stat().st_size


NOT_EVALUATED = {"evaluate": None, "evaluate_windows": None, "evaluate_sequence_length": None}


def fetched(cluster, proxy, output):
    """Bytes that came down while a job ran."""
    before = proxy.bytes_down["GET"]
    cluster.succeed(cluster.submit(output, **(ON_S3 | JOB | NOT_EVALUATED)), 240)
    return proxy.bytes_down["GET"] - before


def test_weights_are_fetched_once(tmp_path):
    with S3Server(tmp_path / "s3") as server, FaultProxy(server.port, share=0) as proxy:
        fill(server)
        # Through S3, so that it has an entity tag, which files that were just put there have not.
        client = boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )
        client.upload_file(str(MODEL / "model.safetensors"), "models", "books-llama-3m/model.safetensors")
        environment = server.environment | {"AWS_ENDPOINT_URL": proxy.endpoint}
        with on(tmp_path / "service", environment) as cluster:
            cluster.start_coordinator()
            cluster.start_worker("plain-1")
            cluster.start_worker("plain-2")
            plain = fetched(cluster, proxy, "s3://results/plain")
            for process in cluster.workers.values():
                process.terminate()
                assert process.wait(30) == 0
            for name in ("cached-1", "cached-2"):
                cluster.start_worker(name, "--cache", str(tmp_path / "cache"), "--cache-limit", "1GiB")
            first = fetched(cluster, proxy, "s3://results/first")
            again = fetched(cluster, proxy, "s3://results/again")
        print(f"weights {WEIGHTS}, fetched: plain {plain}, first with a cache {first}, again {again}")
        assert first < plain
        assert again < first - 0.6 * WEIGHTS
        one, other = (described(server.bucket("results") / name) for name in ("plain", "again"))
        assert one == other


def test_a_kill_leaves_a_cache_that_works(tmp_path, in_folders):  # noqa: F811
    with S3Server(tmp_path / "s3") as server:
        fill(server)
        with on(tmp_path / "service", server.environment) as cluster:
            cluster.start_coordinator()
            # So small that files go while others come.
            flags = ("--cache", str(tmp_path / "cache"), "--cache-limit", "3MiB")
            cluster.start_worker("worker-1", *flags)
            job = cluster.submit("s3://results/out", **ON_S3, **JOB)
            for block in range(3):
                cluster.freeze_at(job, *BLOCKS[block:])
                cluster.kill_worker("worker-1")
                cluster.start_worker("worker-1", *flags)
            cluster.succeed(job, 240)
        assert described(server.bucket("results") / "out") == in_folders
        kept = list((tmp_path / "cache").iterdir())
        assert kept and sum(path.stat().st_size for path in kept if not path.name.startswith("tmp-")) <= 3 << 20
