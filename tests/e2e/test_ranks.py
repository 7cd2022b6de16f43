"""A worker of two ranks: blocks together or side by side; a rank that is killed or stops costs attempts, not the job."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster import Cluster, committed_once, deterministic_files, holder, wait_until

# Blocks that take seconds: what the coordinator knows of them is a heartbeat old. Fast, since on a CPU a group that looks
# ahead rather prunes its blocks together, one after the other.
JOB = {"samples": 256, "sequence_length": 128, "quality": "fast"}
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


# In the schedule `independent` each rank prunes a block of its own, in the other one all prune every block together.
SCHEDULES = ["independent", "sequential"]


@dataclass
class Undisturbed:
    """The job when nobody interferes: its name, and its bytes."""

    job: str
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def undisturbed(group):
    """By schedule."""
    jobs = {}
    for schedule in SCHEDULES:
        job = group.submit(f"undisturbed-{schedule}", schedule=schedule, **JOB)
        group.succeed(job, PATIENCE)
        jobs[schedule] = Undisturbed(job, deterministic_files(group.folder / f"undisturbed-{schedule}"))
    return jobs


def ranks(group) -> list[int]:
    """The processes of the ranks, in the order in which they were started."""
    pid = group.workers["group"].pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def in_training(task: dict) -> bool:
    """Whether the group prunes the block, with most of the training still to be done."""
    progress = task.get("progress", {})
    early = 0 < int(progress.get("step", 0)) <= int(progress.get("steps", 0)) / 2
    return holder(task) == "group" and progress.get("stage") == "train" and early


def freeze(group, job: str, frozen_ranks: list[int]) -> tuple[list[str], list[int]]:
    """Stops (SIGSTOP) ranks in the middle of the training; returns the blocks that the group has and the processes.

    What the coordinator knows of a block whose rank was stopped stays as it is from then on. Each rank has a block of its
    own, or all of them have one.
    """

    def caught(tasks: dict) -> list[str]:
        held = [block for block in BLOCKS if holder(tasks[block]) == "group"]
        of_ranks = [held[rank] for rank in frozen_ranks] if len(held) == 2 else held
        return held if of_ranks and all(in_training(tasks[block]) for block in of_ranks) else []

    def frozen():
        blocks = caught(group.tasks(job))
        if not blocks:
            return None
        processes = [ranks(group)[rank] for rank in frozen_ranks]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        if caught(group.tasks(job)) == blocks:
            return blocks, processes
        for process in processes:
            os.kill(process, signal.SIGCONT)
        return None

    return wait_until(frozen, PATIENCE, "blocks to be trained")


def assert_crashed_once(
    group, job: str, output: str, blocks: list[str], message: str, expected: dict[str, bytes]
) -> None:
    group.succeed(job, PATIENCE)
    tasks = group.tasks(job)
    committed_once(tasks)
    for block in blocks:
        attempts = tasks[block]["attempts"]
        assert [attempt["outcome"] for attempt in attempts] == ["ATTEMPT_OUTCOME_FAILED", "ATTEMPT_OUTCOME_COMMITTED"]
        assert attempts[0]["reason"] == "FAILURE_REASON_CRASHED", attempts[0]
        assert message in attempts[0]["message"]
    assert deterministic_files(group.folder / output) == expected


def test_a_group_is_one_worker(group):
    assert len(ranks(group)) == 2
    workers = group.besa("--json", "workers", "list").json()["workers"]
    assert [worker["device"]["id"] for worker in workers] == ["cpu,cpu"]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_blocks_come_out_as_those_of_one_rank(group, undisturbed, cluster, schedule):
    cluster.start(workers=1)
    job = cluster.submit("alone", schedule=schedule, **JOB)
    cluster.succeed(job, PATIENCE)
    alone, together = cluster.tasks(job), group.tasks(undisturbed[schedule].job)
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


def test_a_group_takes_as_many_blocks_at_once_as_it_has_ranks(group, undisturbed):
    tasks = group.tasks(undisturbed["independent"].job)
    committed_once(tasks)
    for first, second in zip(BLOCKS[::2], BLOCKS[1::2], strict=True):
        attempts = [tasks[block]["attempts"][0] for block in (first, second)]
        assert attempts[0]["start_time"] == attempts[1]["start_time"]
        for block in (first, second):
            assert "a block each, ranks 2" in tasks[block]["result"]["numerics"]
    assert "a block for each rank, since 2 blocks would take" in group.log("group")
    sequential = group.tasks(undisturbed["sequential"].job)
    assert "a block each" not in sequential[BLOCKS[0]]["result"]["numerics"]


def test_a_group_looks_ahead_as_one_worker_does(group, cluster):
    job = {"samples": 32, "sequence_length": 64, "loss": "lookahead"}
    together = group.succeed(group.submit("ahead", **job), PATIENCE)
    cluster.start(workers=1)
    alone = cluster.succeed(cluster.submit("ahead", **job), PATIENCE)
    for result in (together["result"], alone["result"]):
        assert "lookahead" in {stage["stage"] for stage in result["stages"]}
        assert result["sparsity"] == 0.5


@pytest.mark.parametrize(("schedule", "rank"), [("independent", 0), ("independent", 1), ("sequential", 1)])
def test_killed_rank(group, undisturbed, schedule, rank):
    output = f"killed-{schedule}-{rank}"
    job = group.submit(output, schedule=schedule, **JOB)
    blocks, processes = freeze(group, job, [0, 1])
    assert len(blocks) == (2 if schedule == "independent" else 1)
    os.kill(processes[rank], signal.SIGKILL)
    # At once, and not for its silence; every block that the group had is lost with it.
    message = f"rank {rank} was killed by signal 9"
    assert_crashed_once(group, job, output, blocks, message, undisturbed[schedule].files)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_stalled_rank(group, undisturbed, schedule):
    output = f"stalled-{schedule}"
    job = group.submit(output, schedule=schedule, **JOB)
    blocks, processes = freeze(group, job, [1])
    wait_until(lambda: "reason" in group.tasks(job)[blocks[-1]]["attempts"][0], PATIENCE, "the attempt to end")
    # The ranks are ended when the next task needs a group, which may be right away.
    wait_until(lambda: processes[0] not in ranks(group), PATIENCE, "the stalled rank to be ended")
    silence = f"rank 1 said nothing for {RANK_TIMEOUT}s"
    assert_crashed_once(group, job, output, blocks, silence, undisturbed[schedule].files)


def test_a_cancelled_job_stops_all_ranks_and_the_next_one_runs(group, undisturbed):
    job = group.submit("cancelled", **JOB)
    freeze(group, job, [1])
    group.besa("jobs", "cancel", job)
    assert group.finish(job, PATIENCE)["state"] == "JOB_STATE_CANCELLED"
    group.succeed(group.submit("after", **JOB), PATIENCE)
    assert deterministic_files(group.folder / "after") == undisturbed["independent"].files


def test_no_rank_outlives_its_worker(group):
    processes = ranks(group)
    group.kill_worker("group")
    wait_until(
        lambda: not any(Path(f"/proc/{process}/exe").exists() for process in processes), PATIENCE, "the ranks to end"
    )
