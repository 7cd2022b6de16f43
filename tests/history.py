"""What a job's history has to satisfy, whatever happened to the processes: a small model of leases and commits.

The history is what a watch of the job delivers from its first snapshot on: one message a change, numbered without gap,
in the order in which the changes were stored. From it follow the grants, the ends of attempts and the commits:

    one live lease a task · one commit a task, by an attempt that was live · nothing changes a committed task
    no grant and no commit once the job was cancelled or has failed · published after everything is committed
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

LEASED, COMMITTED = "TASK_STATE_LEASED", "TASK_STATE_COMMITTED"
RUNNABLE = {"JOB_STATE_PENDING", "JOB_STATE_PREPARING", "JOB_STATE_PRUNING", "JOB_STATE_EVALUATING"}
STOPPED = {"JOB_STATE_CANCELLING", "JOB_STATE_CANCELLED", "JOB_STATE_FAILED"}


class Violation(Exception):
    """The history breaks a promise."""


def read_lines(text: str) -> list[dict]:
    """Messages of `besa --json jobs watch`."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{") and '"version"' in line]


def outcome(attempt: dict) -> str:
    """ "" while the attempt runs."""
    value = attempt.get("outcome", "")
    return "" if value == "ATTEMPT_OUTCOME_UNSPECIFIED" else value


@dataclass
class Checker:
    """Feed it messages in order; it raises Violation at the first that does not fit."""

    version: int = 0
    job_state: str = "JOB_STATE_PENDING"
    tasks: dict[str, dict] = field(default_factory=dict)
    grants: int = 0
    commits: int = 0
    renewals: int = 0

    def feed(self, message: dict) -> None:
        if "progress" in message:
            return
        version = int(message["version"])
        if "snapshot" in message:
            if self.version and not message.get("reset"):
                raise Violation(f"a second snapshot at version {version}")
            if message.get("reset"):
                raise Violation(f"the watch was reset at version {version}: events are missing")
            self.job_state = message["snapshot"]["job"]["state"]
            for task in message["snapshot"].get("tasks", []):
                self._check_new(task)
                self.tasks[task["name"]] = task
        else:
            if version != self.version + 1:
                raise Violation(f"version {version} follows {self.version}")
            if "task" in message:
                self._task(message["task"])
            if "job" in message:
                self._job(message["job"])
        self.version = version

    def _check_new(self, task: dict) -> None:
        live = [attempt for attempt in task.get("attempts", []) if not outcome(attempt)]
        if len(live) != (1 if task["state"] == LEASED else 0):
            raise Violation(f"{task['name']}: {len(live)} live leases in state {task['state']}")

    def _task(self, task: dict) -> None:
        name = task["name"]
        before = self.tasks[name]
        if before["state"] == COMMITTED:
            raise Violation(f"{name} changed after its commit")
        self._check_new(task)
        old = before.get("attempts", [])
        new = task.get("attempts", [])
        if len(new) < len(old) or len(new) > len(old) + 1:
            raise Violation(f"{name}: {len(old)} attempts became {len(new)}")
        for was, attempt in zip(old, new, strict=False):
            self._attempt(name, was, attempt, is_last=attempt is new[-1])
        if len(new) > len(old):
            self._grant(task, new)
        if task["state"] == COMMITTED:
            self._commit(task, old, new)
        self.tasks[name] = task

    def _attempt(self, name: str, was: dict, attempt: dict, is_last: bool) -> None:
        if was["number"] != attempt["number"] or was["worker"] != attempt["worker"]:
            raise Violation(f"{name}: attempt {was['number']} turned into another")
        if outcome(was) == outcome(attempt):
            return
        if outcome(was) and not outcome(attempt):
            if outcome(was) != "ATTEMPT_OUTCOME_EXPIRED" or not is_last:
                raise Violation(f"{name}: attempt {was['number']} came back from {outcome(was)}")
            self.renewals += 1
        elif outcome(was) and (outcome(was) != "ATTEMPT_OUTCOME_EXPIRED" or not is_last):
            raise Violation(f"{name}: attempt {was['number']} ended twice, {outcome(was)} and {outcome(attempt)}")

    def _grant(self, task: dict, attempts: list[dict]) -> None:
        name = task["name"]
        self.grants += 1
        if self.job_state not in RUNNABLE:
            raise Violation(f"{name} was leased while the job was {self.job_state}")
        if len(attempts) > 1 and int(attempts[-1]["number"]) != int(attempts[-2]["number"]) + 1:
            raise Violation(f"{name}: attempt {attempts[-1]['number']} follows {attempts[-2]['number']}")
        if task["state"] != LEASED:
            raise Violation(f"{name} was leased and is {task['state']}")

    def _commit(self, task: dict, old: list[dict], new: list[dict]) -> None:
        name = task["name"]
        self.commits += 1
        if self.job_state in STOPPED:
            raise Violation(f"{name} was committed while the job was {self.job_state}")
        winner = [attempt for attempt in new if outcome(attempt) == "ATTEMPT_OUTCOME_COMMITTED"]
        if len(winner) != 1 or winner[0] is not new[-1]:
            raise Violation(f"{name}: committed, and {len(winner)} of its attempts are")
        number = winner[0]["number"]
        if int(task["result"]["attempt"]) != int(number):
            raise Violation(f"{name}: the result is attempt {task['result']['attempt']}'s, committed was {number}")
        held = [attempt for attempt in old if attempt["number"] == number]
        if not held or outcome(held[0]) not in ("", "ATTEMPT_OUTCOME_EXPIRED"):
            raise Violation(f"{name}: attempt {number} was committed without a lease")

    def _job(self, job: dict) -> None:
        state = job["state"]
        if state in ("JOB_STATE_PUBLISHING", "JOB_STATE_SUCCEEDED"):
            missing = [name for name, task in self.tasks.items() if task["state"] != COMMITTED]
            if missing:
                raise Violation(f"{state} before {missing[0]} was committed")
        if self.job_state == "JOB_STATE_SUCCEEDED" and state != self.job_state:
            raise Violation(f"a job that had succeeded became {state}")
        if self.job_state in ("JOB_STATE_CANCELLING", "JOB_STATE_CANCELLED") and state in RUNNABLE:
            raise Violation(f"a cancelled job became {state}")
        self.job_state = state


def check(messages: list[dict]) -> Checker:
    """Raises Violation, or returns what the history came to."""
    checker = Checker()
    for message in messages:
        checker.feed(message)
    return checker
