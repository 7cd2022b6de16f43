"""A whole besa service on this machine for one test: real coordinator, real workers, real command line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "tests" / "data"
BUILD = Path(os.environ.get("BESA_BUILD", ROOT / "build"))
MODEL = DATA / "books-llama-3m"
CALIBRATION = DATA / "text" / "calibration.txt.xz"
HELD_OUT = DATA / "text" / "held_out.txt.xz"

ENDED = {"JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"}


class Timeout(Exception):
    """Something that had to happen did not, within the time allowed."""


def wait_until(condition, seconds: float, what: str):
    """Polls `condition` until it returns something true; returns that."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Timeout(f"waited {seconds} s for {what}")
        time.sleep(0.05)


@dataclass
class Result:
    """What a command of `besa` came to."""

    code: int
    out: str
    err: str

    def json(self) -> dict:
        return json.loads(self.out)

    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]


@dataclass
class Cluster:
    """Processes and folders of one service. `folder` holds state, workspace, outputs and logs."""

    folder: Path
    lease_term: str = "3s"
    heartbeat_interval: str = "500ms"
    allow: list[Path | str] = field(default_factory=list)
    # Added to the environment of the coordinator and the workers.
    environment: dict[str, str] = field(default_factory=dict)
    # The address of the workspace; a folder here if empty.
    workspace_uri: str = ""
    # Where the state is; a SQLite file here if empty.
    state: str = ""
    address: str = ""
    coordinator: subprocess.Popen | None = None
    workers: dict[str, subprocess.Popen] = field(default_factory=dict)

    def __enter__(self) -> Self:
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *unused) -> None:
        for process in [*self.workers.values(), self.coordinator]:
            if process and process.poll() is None:
                process.kill()
                process.wait()

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    def _prefixes(self) -> list[str]:
        arguments: list[str] = []
        for prefix in [self.folder, DATA, *self.allow]:
            arguments += ["--allow", str(prefix)]
        return arguments

    def _spawn(self, name: str, command: list[str]) -> subprocess.Popen:
        with open(self.folder / "logs" / f"{name}.log", "ab") as log:
            return subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=os.environ | self.environment,
            )

    def log(self, name: str) -> str:
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")

    def start_coordinator(self, *extra: str) -> None:
        """Starts the coordinator; a second call listens where the first did, as a restarted service would."""
        log = self.folder / "logs" / "coordinator.log"
        before = log.stat().st_size if log.exists() else 0
        self.coordinator = self._spawn(
            "coordinator",
            [
                str(BUILD / "server" / "besa-coordinator"),
                *("--listen", self.address or "127.0.0.1:0"),
                *("--state", self.state or str(self.folder / "state.sqlite")),
                *("--workspace", self.workspace_uri or str(self.workspace)),
                *("--lease-term", self.lease_term),
                *("--heartbeat-interval", self.heartbeat_interval),
                *self._prefixes(),
                *extra,
            ],
        )

        def listening():
            if self.coordinator.poll() is not None:
                raise AssertionError(self.log("coordinator"))
            return re.search(
                r"listening on ([0-9.:]+)",
                log.read_bytes()[before:].decode(errors="replace"),
            )

        self.address = wait_until(listening, 20, "the coordinator to listen").group(1)

    def start_worker(self, name: str, *extra: str, device: str = "cpu", threads: int = 1) -> subprocess.Popen:
        self.workers[name] = self._spawn(
            name,
            [
                str(BUILD / "worker" / "besa-worker"),
                *("--coordinator", self.address),
                *("--name", name),
                *("--device", device),
                *("--threads", str(threads)),
                *self._prefixes(),
                *extra,
            ],
        )
        return self.workers[name]

    def start(self, workers: int = 2) -> Cluster:
        self.start_coordinator()
        for number in range(1, workers + 1):
            self.start_worker(f"worker-{number}")
        return self

    def kill_worker(self, name: str) -> None:
        """kill -9."""
        self.workers[name].send_signal(signal.SIGKILL)
        self.workers[name].wait()

    def freeze_at(self, job: str, *tasks: str, seconds: float = 60) -> tuple[str, str]:
        """Stops (SIGSTOP) a worker in the middle of one of the tasks; returns task and worker.

        Blocks of small models take a fraction of a second: whoever finds one leased and then acts on its worker may come
        too late. What is stopped commits nothing until it is killed or woken.
        """

        def frozen():
            found = self.tasks(job)
            for task in tasks:
                worker = holder(found[task])
                if worker is None:
                    continue
                self.workers[worker].send_signal(signal.SIGSTOP)
                if holder(self.tasks(job)[task]) == worker:
                    return task, worker
                self.wake(worker)
            ended = [task for task in tasks if found[task]["state"] in {"TASK_STATE_COMMITTED", "TASK_STATE_FAILED"}]
            assert len(ended) < len(tasks), f"nobody was caught at {tasks}"
            return None

        return wait_until(frozen, seconds, f"somebody to work on {tasks}")

    def wake(self, worker: str) -> None:
        """Lets a worker go on that was stopped."""
        self.workers[worker].send_signal(signal.SIGCONT)

    def kill_coordinator(self) -> None:
        """kill -9."""
        self.coordinator.send_signal(signal.SIGKILL)
        self.coordinator.wait()

    def besa(self, *arguments: str, server: str | None = None, timeout: float = 120) -> Result:
        done = subprocess.run(
            [str(BUILD / "client" / "besa"), "--server", server or self.address, *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def prune(self, output: str | Path, *extra: str, **overrides) -> Result:
        """`besa prune` of the small model with few samples; keyword arguments replace the defaults (None: leave out).

        A relative output lies in the cluster's folder.
        """
        return self.besa("--json", "prune", *self.spec_flags(output, overrides), *extra)

    def estimate(self, output: str | Path, *extra: str, **overrides) -> dict:
        """What `besa estimate` says of the job that `prune` would submit with the same arguments."""
        result = self.besa("--json", "estimate", *self.spec_flags(output, overrides), *extra)
        assert result.code == 0, result.err
        return result.json()

    def spec_flags(self, output: str | Path, overrides: dict) -> list[str]:
        """The flags of `prune` and `estimate`; see `prune`."""
        options = {
            "model": MODEL,
            "output": output if str(output).startswith("s3://") else self.folder / output,
            "sparsity": 0.5,
            "calibration": CALIBRATION,
            "samples": 16,
            "sequence_length": 64,
        } | overrides
        flags: list[str] = []
        for name, value in options.items():
            if value is not None:
                flags += [f"--{name.replace('_', '-')}", str(value)]
        return flags

    def submit(self, output: str, *extra: str, **overrides) -> str:
        """Submits and returns the job's name."""
        result = self.prune(output, *extra, **overrides)
        assert result.code == 0, result.err
        return result.json()["name"]

    def job(self, name: str) -> dict:
        result = self.besa("--json", "jobs", "get", name)
        assert result.code == 0, result.err
        return result.json()

    def tasks(self, name: str) -> dict[str, dict]:
        """The job's tasks by their short name."""
        result = self.besa("--json", "jobs", "tasks", name)
        assert result.code == 0, result.err
        return {task["name"].rsplit("/", 1)[1]: task for task in result.json().get("tasks", [])}

    def finish(self, name: str, seconds: float = 120) -> dict:
        """Waits until the job has ended; returns it."""

        def ended():
            result = self.besa("--json", "jobs", "get", name)
            if result.code != 0:
                return None
            job = result.json()
            return job if job["state"] in ENDED else None

        return wait_until(ended, seconds, f"{name} to end")

    def succeed(self, name: str, seconds: float = 120) -> dict:
        job = self.finish(name, seconds)
        assert job["state"] == "JOB_STATE_SUCCEEDED", job.get("error")
        return job


def holder(task: dict) -> str | None:
    """Who works on the task at this moment."""
    if task["state"] != "TASK_STATE_LEASED":
        return None
    return task["attempts"][-1]["worker"].removeprefix("workers/")


def committed_once(tasks: dict[str, dict]) -> None:
    """No task was run again after its commit: the committed attempt is the last one, and the only one."""
    for name, task in tasks.items():
        outcomes = [attempt.get("outcome") for attempt in task.get("attempts", [])]
        assert outcomes.count("ATTEMPT_OUTCOME_COMMITTED") == 1, (name, outcomes)
        assert outcomes[-1] == "ATTEMPT_OUTCOME_COMMITTED", (name, outcomes)


# What is the same for every run of the same spec; besa_run.json and the report vary.
def deterministic_files(output: Path) -> dict[str, bytes]:
    names = [
        *output.glob("*.safetensors"),
        output / "model.safetensors.index.json",
        output / "besa_manifest.json",
    ]
    return {path.name: path.read_bytes() for path in sorted(names)}
