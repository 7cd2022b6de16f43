"""A real S3 server over a folder: buckets are its subfolders, objects the files in them."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cluster import ROOT, wait_until

PROGRAM = Path(os.environ.get("BESA_S3_SERVER", ROOT / ".deps" / "bin" / "versitygw"))
WHY_NOT = "" if PROGRAM.exists() else f"no S3 server at {PROGRAM}; cmake/setup.sh builds it where there is Go"

ACCESS_KEY = "test-key"
SECRET_KEY = "test-secret"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class S3Server:
    """versitygw on 127.0.0.1; `folder` holds the buckets and the log."""

    folder: Path
    port: int = 0
    process: subprocess.Popen | None = None

    def __enter__(self) -> Self:
        self.port = free_port()
        self.start()
        return self

    def __exit__(self, *unused) -> None:
        self.kill()

    def bucket(self, name: str) -> Path:
        folder = self.folder / "buckets" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def start(self, *flags: str) -> None:
        """A second start is on the same port. `flags` are the server's own, such as --readonly."""
        (self.folder / "buckets").mkdir(parents=True, exist_ok=True)
        command = [str(PROGRAM), "--quiet", "--access", ACCESS_KEY, "--secret", SECRET_KEY]
        command += ["--port", f"127.0.0.1:{self.port}", *flags, "posix", str(self.folder / "buckets")]
        with open(self.folder / "s3-server.log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

        def listening():
            assert self.process.poll() is None, (self.folder / "s3-server.log").read_text(errors="replace")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_until(listening, 20, "the S3 server to listen")

    def kill(self) -> None:
        """kill -9."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What its users have in theirs."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def files(self, bucket: str) -> list[str]:
        """Every file and empty folder of a bucket as it lies on the disk, without the server's own."""
        root = self.bucket(bucket)
        found = []
        for path in root.rglob("*"):
            if path.relative_to(root).parts[0] == ".sgwtmp":
                continue
            if path.is_file():
                found.append(str(path.relative_to(root)))
            elif not any(path.iterdir()):
                found.append(f"{path.relative_to(root)}/")
        return sorted(found)
