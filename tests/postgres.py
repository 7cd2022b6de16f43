"""A real PostgreSQL server for tests: its own process, its own folder, a free port on the loopback interface."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

PROGRAMS = Path("/usr/lib/postgresql/15/bin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    """Started on entry, ended on exit. PostgreSQL refuses to run as root: then it runs as its own user."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen | None = None

    def _command(self, name: str, *arguments: str) -> list[str]:
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        return [*as_user, str(PROGRAMS / name), *arguments]

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            # The user has to get there: temporary folders are their owner's alone.
            for parent in self.folder.parents:
                if parent.stat().st_uid == 0 and parent != Path("/"):
                    parent.chmod(parent.stat().st_mode | 0o011)
        subprocess.run(
            self._command(
                "initdb", "--pgdata", str(self.data), "--username=besa", "--auth=trust", "--encoding=UTF8", "--no-sync"
            ),
            check=True,
            capture_output=True,
            env=os.environ | {"LC_ALL": "C.UTF-8"},
            cwd="/",
        )
        self.start()
        return self

    def __exit__(self, *unused) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                self._command(
                    *("postgres", "-D", str(self.data), "-p", str(self.port), "-k", str(self.folder)),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"),
                ),
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"LC_ALL": "C.UTF-8"},
                cwd="/",
            )
        deadline = time.monotonic() + 30
        while subprocess.run(
            [str(PROGRAMS / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        ).returncode:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError((self.folder / "log").read_text(errors="replace"))
            time.sleep(0.05)

    def url(self, database: str, port: int | None = None) -> str:
        return f"postgresql://besa@127.0.0.1:{port or self.port}/{database}"

    def run(self, sql: str, database: str = "postgres") -> str:
        return subprocess.run(
            [str(PROGRAMS / "psql"), "-Atqc", sql, self.url(database)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def new_database(self, name: str) -> str:
        """Makes an empty database; returns its URL."""
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def cut_connections(self, database: str) -> int:
        """Ends every session of the database at whatever it is doing; returns how many there were."""
        return int(
            self.run(
                "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity "
                f"WHERE datname = '{database}' AND pid <> pg_backend_pid()"
            )
        )
