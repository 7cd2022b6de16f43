"""A service of several coordinators and workers, with somebody who starts what was killed, and jobs that are watched."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from cluster import BUILD, Cluster, committed_once, deterministic_files, wait_until
from history import check, read_lines
from postgres import free_port

# Blocks of a second or so, long enough for a kill to land inside.
JOB = {"samples": 96, "sequence_length": 128}


@dataclass
class Fleet(Cluster):
    """`address` names all coordinators, as gRPC takes lists of addresses; clients and workers move by themselves."""

    coordinator_count: int = 1
    # Flags of every coordinator.
    extra: tuple[str, ...] = ("--max-attempts", "1000", "--sweep-interval", "2s")
    # What stands before the command of a coordinator, such as faketime.
    prefix: tuple[str, ...] = ()
    coordinators: dict[str, subprocess.Popen] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    watches: dict[str, subprocess.Popen] = field(default_factory=dict)

    def __exit__(self, *unused) -> None:
        for process in [*self.coordinators.values(), *self.watches.values()]:
            if process.poll() is None:
                process.kill()
                process.wait()
        super().__exit__()

    def start_one_coordinator(self, name: str, wait: bool = True) -> None:
        """Starts it, again where it was."""
        port = self.ports.setdefault(name, free_port())
        self.address = "ipv4:" + ",".join(f"127.0.0.1:{each}" for each in self.ports.values())
        log = self.folder / "logs" / f"{name}.log"
        before = log.stat().st_size if log.exists() else 0
        self.coordinators[name] = self._spawn(
            name,
            [
                *self.prefix,
                str(BUILD / "server" / "besa-coordinator"),
                *("--listen", f"127.0.0.1:{port}"),
                *("--state", self.state or str(self.folder / "state.sqlite")),
                *("--workspace", str(self.workspace)),
                *("--lease-term", self.lease_term, "--heartbeat-interval", self.heartbeat_interval),
                *self._prefixes(),
                *self.extra,
            ],
        )
        if wait:
            wait_until(
                lambda: b"listening on" in log.read_bytes()[before:] or self.coordinators[name].poll(),
                20,
                f"{name} to listen",
            )
            assert self.coordinators[name].poll() is None, self.log(name)

    def start_fleet(self, workers: int) -> Fleet:
        for number in range(1, self.coordinator_count + 1):
            self.ports[f"coordinator-{number}"] = free_port()
        for name in list(self.ports):
            self.start_one_coordinator(name)
        for number in range(1, workers + 1):
            self.start_worker(f"worker-{number}")
        return self

    def kill(self, name: str) -> None:
        """kill -9 of a worker or a coordinator."""
        process = self.coordinators.get(name) or self.workers[name]
        process.kill()
        process.wait()

    def start_again(self, name: str) -> None:
        if name in self.coordinators:
            self.start_one_coordinator(name, wait=False)
        else:
            self.start_worker(name)

    def revive(self) -> None:
        """Starts whatever has ended."""
        for name, process in [*self.coordinators.items(), *self.workers.items()]:
            if process.poll() is not None:
                self.start_again(name)

    def watch(self, job: str) -> None:
        """Follows the job from now on, from coordinator to coordinator, into a file."""
        name = job.split("/")[1]
        with open(self.folder / "logs" / f"watch-{name}.json", "wb") as out:
            self.watches[name] = subprocess.Popen(
                [str(BUILD / "client" / "besa"), "--json", "--server", self.address, "jobs", "watch", job],
                stdout=out,
                stderr=subprocess.DEVNULL,
            )

    def history(self, job: str):
        """Waits for the watch of an ended job to end, and checks what it saw."""
        name = job.split("/")[1]
        self.watches[name].wait(timeout=60)
        return check(read_lines((self.folder / "logs" / f"watch-{name}.json").read_text()))

    def submit_watched(self, output: str, **overrides) -> str:
        # A coordinator may be away at this moment.
        def submitted():
            result = self.prune(output, **(JOB | overrides))
            assert "not valid" not in result.err, result.err
            return result.json()["name"] if result.code == 0 else None

        job = wait_until(submitted, 60, "a coordinator that takes the job")
        self.watch(job)
        return job

    def leftovers(self) -> list[Path]:
        return [path for path in self.workspace.rglob("*") if path.is_file()] if self.workspace.exists() else []

    def check_succeeded(self, job: str, output: str, expected: dict[str, bytes], seconds: float = 180):
        """The job ends with those bytes, its history is right, nothing is left over. Returns the checked history."""
        self.succeed(job, seconds)
        tasks = wait_until(lambda: self.tasks_or_none(job), 30, "a coordinator that answers")
        committed_once(tasks)
        assert deterministic_files(self.folder / output) == expected
        history = self.history(job)
        assert history.commits <= len(tasks)
        return history

    def tasks_or_none(self, job: str):
        try:
            return self.tasks(job)
        except AssertionError:
            return None


class Supervisor:
    """Starts what has ended after a moment, as systemd or Kubernetes would."""

    def __init__(self, fleet: Fleet, pause: float = 0.1):
        self._fleet, self._pause = fleet, pause
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *unused):
        self._stopping.set()
        self._thread.join()

    def _run(self):
        while not self._stopping.wait(self._pause):
            self._fleet.revive()


def undisturbed(folder: Path, model: Path, **overrides) -> dict[str, bytes]:
    """The bytes of the job when nobody interferes."""
    with Fleet(folder, allow=[model]) as fleet:
        fleet.start_fleet(workers=1)
        job = fleet.submit_watched("quiet", model=model, **overrides)
        fleet.succeed(job)
        fleet.history(job)
        return deterministic_files(folder / "quiet")


def state_of(fleet: Fleet, job: str, task: str) -> str:
    tasks = fleet.tasks_or_none(job)
    return tasks[task]["state"] if tasks else ""


def until_leased(fleet: Fleet, job: str, task: str) -> str:
    """Waits until the task is leased; returns the worker."""
    wait_until(lambda: state_of(fleet, job, task) == "TASK_STATE_LEASED", 60, f"{task} to be leased")
    return fleet.tasks(job)[task]["attempts"][-1]["worker"].removeprefix("workers/")


def log_has(fleet: Fleet, name: str, pattern: str) -> bool:
    return re.search(pattern, fleet.log(name)) is not None


def pass_moment(seconds: float) -> None:
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= end, seconds + 5, "the moment to come")
