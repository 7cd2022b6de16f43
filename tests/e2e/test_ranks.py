"""A worker of two ranks: one lease, one result; a rank that is killed or stops costs an attempt, not the job."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster import Cluster, deterministic_files, holder, wait_until

JOB = {"samples": 128, "sequence_length": 128}
BLOCKS = [f"prune-{block:05d}" for block in range(6)]
RANK_TIMEOUT = 6


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    """A coordinator and one worker of two ranks."""
    with Cluster(tmp_path_factory.mktemp("ranks")) as cluster:
        cluster.start_coordinator()
        cluster.start_worker("group", "--ranks", "2", "--rank-timeout", str(RANK_TIMEOUT))
        wait_until(lambda: "registered" in cluster.log("group"), 60, "the group to form and to register")
        yield cluster


@dataclass
class Undisturbed:
    """The job when nobody interferes: its name, and its bytes."""

    job: str
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def undisturbed(group):
    job = group.submit("undisturbed", **JOB)
    group.succeed(job)
    return Undisturbed(job, deterministic_files(group.folder / "undisturbed"))


def ranks(group) -> list[int]:
    """The processes of the ranks, in the order in which they were started."""
    pid = group.workers["group"].pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def freeze_rank(group, job: str, rank: int) -> tuple[str, int]:
    """Stops (SIGSTOP) a rank in the middle of a block; returns the block and the process."""

    def frozen():
        for block in BLOCKS:
            if holder(group.tasks(job)[block]) != "group":
                continue
            process = ranks(group)[rank]
            os.kill(process, signal.SIGSTOP)
            # What one rank does not finish none does, but this one may have been through already.
            time.sleep(0.3)
            if holder(group.tasks(job)[block]) == "group":
                return block, process
            os.kill(process, signal.SIGCONT)
        return None

    return wait_until(frozen, 60, "a block to be pruned")


def assert_one_crash(group, job: str, output: str, block: str, expected: dict[str, bytes]) -> None:
    group.succeed(job)
    attempts = group.tasks(job)[block]["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["ATTEMPT_OUTCOME_FAILED", "ATTEMPT_OUTCOME_COMMITTED"]
    assert attempts[0]["reason"] == "FAILURE_REASON_CRASHED", attempts[0]
    assert "rank 1" in attempts[0]["message"] or "rank 0" in attempts[0]["message"]
    assert deterministic_files(group.folder / output) == expected


def test_a_group_is_one_worker(group):
    assert len(ranks(group)) == 2
    workers = group.besa("--json", "workers", "list").json()["workers"]
    assert [worker["device"]["id"] for worker in workers] == ["cpu,cpu"]


def test_blocks_come_out_as_those_of_one_rank(group, undisturbed, cluster):
    cluster.start(workers=1)
    job = cluster.submit("alone", **JOB)
    cluster.succeed(job)
    alone, together = cluster.tasks(job), group.tasks(undisturbed.job)
    for block in BLOCKS:
        one, two = alone[block]["result"]["block"], together[block]["result"]["block"]
        assert two["zeros"] == one["zeros"]
        assert len(two["loss"]) == len(one["loss"])
        # One count of weights that rounding flips sends the steps behind it another way, but to no other loss.
        steps = [abs(two / one - 1) for one, two in zip(one["loss"], two["loss"], strict=True)]
        print(f"{block}: losses within {max(steps):.2%}, on average {sum(steps) / len(steps):.2%}")
        assert sum(steps) / len(steps) < 0.02
        assert two["final_loss"] == pytest.approx(one["final_loss"], rel=0.02)
    assert "ranks 2" in together[BLOCKS[0]]["result"]["numerics"]


@pytest.mark.parametrize("rank", [0, 1])
def test_killed_rank(group, undisturbed, rank):
    output = f"killed-{rank}"
    job = group.submit(output, **JOB)
    block, process = freeze_rank(group, job, rank)
    before = time.monotonic()
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: len(group.tasks(job)[block]["attempts"]) == 2, 20, "the attempt to end and the next to begin")
    # Before it would count as silent.
    assert time.monotonic() - before < RANK_TIMEOUT
    assert_one_crash(group, job, output, block, undisturbed.files)


def test_stalled_rank(group, undisturbed):
    job = group.submit("stalled", **JOB)
    block, process = freeze_rank(group, job, 1)
    before = time.monotonic()
    wait_until(lambda: "reason" in group.tasks(job)[block]["attempts"][0], RANK_TIMEOUT + 10, "the attempt to end")
    assert time.monotonic() - before < RANK_TIMEOUT + 5
    # The ranks are ended when the next task needs a group, which may be right away.
    wait_until(lambda: process not in ranks(group), 10, "the stalled rank to be ended")
    assert_one_crash(group, job, "stalled", block, undisturbed.files)


def test_a_cancelled_job_stops_all_ranks_and_the_next_one_runs(group, undisturbed):
    job = group.submit("cancelled", **JOB)
    freeze_rank(group, job, 1)
    group.besa("jobs", "cancel", job)
    assert group.finish(job, 30)["state"] == "JOB_STATE_CANCELLED"
    group.succeed(group.submit("after", **JOB))
    assert deterministic_files(group.folder / "after") == undisturbed.files


def test_no_rank_outlives_its_worker(group):
    processes = ranks(group)
    group.kill_worker("group")
    wait_until(lambda: not any(Path(f"/proc/{process}/exe").exists() for process in processes), 10, "the ranks to end")
