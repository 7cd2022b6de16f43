"""A checkpoint into an S3 server and out of it, by besa's store and by a standard client, in one run.

    python tests/bench/s3_throughput.py --gib 4 --build build --server .deps/bin/versitygw

Both copy the same files with the same number of parallel requests, one after the other, several times in turn; the best
of each counts. Prints the table of docs/benchmarks.md.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from s3_server import ACCESS_KEY, SECRET_KEY, S3Server

PART = 16 << 20
PARALLEL = 8


def make_files(folder: Path, gib: float, count: int) -> list[Path]:
    folder.mkdir(parents=True)
    piece = os.urandom(PART)
    files = []
    for number in range(count):
        path = folder / f"model-{number + 1:05d}-of-{count:05d}.safetensors"
        with open(path, "wb") as file:
            file.writelines(piece for _ in range(int(gib * (1 << 30) / count) // PART))
        files.append(path)
    return files


def client_of(server: S3Server):
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1",
        config=Config(max_pool_connections=2 * PARALLEL),
    )


TRANSFER = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=PARALLEL)


def boto3_in(server: S3Server, files: list[Path]) -> None:
    client = client_of(server)
    for path in files:
        client.upload_file(str(path), "models", f"boto3/{path.name}", Config=TRANSFER)


class Nowhere:
    """Takes bytes and drops them, as a device would: what is compared is the store."""

    def __init__(self):
        self.at = 0

    def seekable(self):
        return True

    def seek(self, offset, whence=0):
        self.at = offset if whence == 0 else self.at + offset
        return self.at

    def tell(self):
        return self.at

    def write(self, data):
        self.at += len(data)
        return len(data)


def boto3_out(server: S3Server, files: list[Path]) -> None:
    client = client_of(server)
    for path in files:
        client.download_fileobj("models", f"boto3/{path.name}", Nowhere(), Config=TRANSFER)


def besa(program: Path, direction: str):
    def run(server: S3Server, files: list[Path]) -> None:
        names = [path.name for path in files]
        subprocess.run(
            [program, direction, files[0].parent, "s3://models/besa", *names],
            env=os.environ | server.environment,
            check=True,
        )

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=4)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--folder", type=Path, help="where the files and the server's buckets go; a temporary folder")
    options = parser.parse_args()
    program = options.build / "storage" / "store_copy"
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        files = make_files(Path(folder) / "files", options.gib, options.files)
        size = sum(path.stat().st_size for path in files)
        with S3Server(Path(folder) / "s3") as server:
            server.bucket("models")
            print("| direction | client | GB/s | of the standard client |\n|---|---|---|---|")
            for direction, standard in (("in", boto3_in), ("out", boto3_out)):
                best: dict[str, float] = {}
                for _ in range(options.rounds):
                    for name, copy in (("boto3", standard), ("besa", besa(program, direction))):
                        begin = time.monotonic()
                        copy(server, files)
                        best[name] = max(best.get(name, 0), size / 1e9 / (time.monotonic() - begin))
                for name, speed in best.items():
                    print(f"| {direction} | {name} | {speed:.2f} | {speed / best['boto3']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
