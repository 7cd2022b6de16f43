"""kill -9 of workers, coordinators and database connections at seeded moments, job after job, until enough were killed."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from cluster import ENDED, wait_until
from fleet import Fleet, Supervisor
from postgres import Postgres


@dataclass
class Storm:
    fleet: Fleet
    model: object
    expected: dict[str, bytes]
    chance: random.Random
    # Of a PostgreSQL state: its connections are cut, too.
    server: Postgres | None = None
    database: str = ""
    kills: dict[str, int] = field(default_factory=lambda: {"worker": 0, "coordinator": 0, "connection": 0})
    jobs: int = 0
    grants: int = 0

    def total(self) -> int:
        return sum(self.kills.values())

    def run(self, kills: int) -> None:
        with Supervisor(self.fleet):
            while self.total() < kills:
                self._job(min(kills - self.total(), 8))

    def _job(self, most: int) -> None:
        output = f"storm-{self.jobs}"
        job = self.fleet.submit_watched(output, model=self.model)
        watch = self.fleet.watches[job.split("/")[1]]
        killed = 0
        while killed < most and watch.poll() is None:
            moment = time.monotonic() + self.chance.uniform(0.05, 0.7)
            wait_until(lambda at=moment: time.monotonic() >= at, 5, "the moment to come")
            if watch.poll() is None:
                killed += self._strike()
        history = self.fleet.check_succeeded(job, output, self.expected)
        self.jobs += 1
        self.grants += history.grants

    def _strike(self) -> int:
        kinds = ["worker", "worker", "coordinator"] + (["connection"] if self.server else [])
        kind = self.chance.choice(kinds)
        if kind == "connection":
            if self.server.cut_connections(self.database) == 0:
                return 0
        else:
            victims = self.fleet.workers if kind == "worker" else self.fleet.coordinators
            name = self.chance.choice(sorted(victims))
            if victims[name].poll() is not None:
                return 0
            victims[name].kill()
        self.kills[kind] += 1
        return 1

    def check_nothing_is_left(self) -> None:
        """Of the jobs all of which have succeeded not one file remains in the workspace."""
        self.fleet.revive()
        wait_until(lambda: not self.fleet.leftovers(), 60, "the workspace to be empty")
        listed = wait_until(self._list, 30, "a coordinator that answers")
        assert {job["state"] for job in listed} <= ENDED

    def _list(self):
        result = self.fleet.besa("--json", "jobs", "list")
        return result.json()["jobs"] if result.code == 0 else None
