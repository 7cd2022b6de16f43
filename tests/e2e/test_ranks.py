"""A worker of two ranks: one lease, one result; a rank that is killed or stops costs an attempt, not the job."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster import Cluster, deterministic_files, holder, wait_until

# Blocks that take seconds: what the coordinator knows of them is a heartbeat old.
JOB = {"samples": 256, "sequence_length": 128}
BLOCKS = [f"prune-{block:05d}" for block in range(6)]
# The machine may be busy with other things: a rank that lives may be late to say so, and a lease to be renewed.
RANK_TIMEOUT = 15
LEASE_TERM = "15s"
PATIENCE = 240


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    """A coordinator and one worker of two ranks."""
    with Cluster(tmp_path_factory.mktemp("ranks"), lease_term=LEASE_TERM) as cluster:
        cluster.start_coordinator()
        cluster.start_worker("group", "--ranks", "2", "--rank-timeout", str(RANK_TIMEOUT))
        wait_until(lambda: "registered" in cluster.log("group"), PATIENCE, "the group to form and to register")
        yield cluster


@dataclass
class Undisturbed:
    """The job when nobody interferes: its name, and its bytes."""

    job: str
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def undisturbed(group):
    job = group.submit("undisturbed", **JOB)
    group.succeed(job, PATIENCE)
    return Undisturbed(job, deterministic_files(group.folder / "undisturbed"))


def ranks(group) -> list[int]:
    """The processes of the ranks, in the order in which they were started."""
    pid = group.workers["group"].pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def in_training(group, task: dict) -> bool:
    """Whether the group prunes the block, with most of the training still to be done."""
    progress = task.get("progress", {})
    early = 0 < int(progress.get("step", 0)) <= int(progress.get("steps", 0)) / 2
    return holder(task) == "group" and progress.get("stage") == "train" and early


def freeze_rank(group, job: str, rank: int) -> tuple[str, int]:
    """Stops (SIGSTOP) a rank in the middle of a block's training; returns the block and the process.

    No rank goes on without the others, so what the coordinator knows of the block stays as it is from then on.
    """

    def frozen():
        tasks = group.tasks(job)
        for block in BLOCKS:
            if not in_training(group, tasks[block]):
                continue
            process = ranks(group)[rank]
            os.kill(process, signal.SIGSTOP)
            if in_training(group, group.tasks(job)[block]):
                return block, process
            os.kill(process, signal.SIGCONT)
        return None

    return wait_until(frozen, PATIENCE, "a block to be pruned")


def assert_one_crash(group, job: str, output: str, block: str, message: str, expected: dict[str, bytes]) -> None:
    group.succeed(job, PATIENCE)
    attempts = group.tasks(job)[block]["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["ATTEMPT_OUTCOME_FAILED", "ATTEMPT_OUTCOME_COMMITTED"]
    assert attempts[0]["reason"] == "FAILURE_REASON_CRASHED", attempts[0]
    assert message in attempts[0]["message"]
    assert deterministic_files(group.folder / output) == expected


def test_a_group_is_one_worker(group):
    assert len(ranks(group)) == 2
    workers = group.besa("--json", "workers", "list").json()["workers"]
    assert [worker["device"]["id"] for worker in workers] == ["cpu,cpu"]


def test_blocks_come_out_as_those_of_one_rank(group, undisturbed, cluster):
    cluster.start(workers=1)
    job = cluster.submit("alone", **JOB)
    cluster.succeed(job, PATIENCE)
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
    os.kill(process, signal.SIGKILL)
    # At once, and not for its silence.
    assert_one_crash(group, job, output, block, f"rank {rank} was killed by signal 9", undisturbed.files)


def test_stalled_rank(group, undisturbed):
    job = group.submit("stalled", **JOB)
    block, process = freeze_rank(group, job, 1)
    wait_until(lambda: "reason" in group.tasks(job)[block]["attempts"][0], PATIENCE, "the attempt to end")
    # The ranks are ended when the next task needs a group, which may be right away.
    wait_until(lambda: process not in ranks(group), PATIENCE, "the stalled rank to be ended")
    silence = f"rank 1 said nothing for {RANK_TIMEOUT}s"
    assert_one_crash(group, job, "stalled", block, silence, undisturbed.files)


def test_a_cancelled_job_stops_all_ranks_and_the_next_one_runs(group, undisturbed):
    job = group.submit("cancelled", **JOB)
    freeze_rank(group, job, 1)
    group.besa("jobs", "cancel", job)
    assert group.finish(job, PATIENCE)["state"] == "JOB_STATE_CANCELLED"
    group.succeed(group.submit("after", **JOB), PATIENCE)
    assert deterministic_files(group.folder / "after") == undisturbed.files


def test_no_rank_outlives_its_worker(group):
    processes = ranks(group)
    group.kill_worker("group")
    wait_until(lambda: not any(Path(f"/proc/{process}/exe").exists() for process in processes), PATIENCE, "the ranks to end")
