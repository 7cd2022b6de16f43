"""kill -9 of any process in mid-block: the job ends with the same bytes, and nothing committed is computed again."""

import random
import time

import pytest

from cluster import committed_once, deterministic_files, wait_until

JOB = {"samples": 128, "sequence_length": 128}
BLOCKS = [f"prune-{block:05d}" for block in range(6)]
MOMENTS = 10


@pytest.fixture(scope="module")
def undisturbed(service):
    """The bytes of the job when nobody interferes."""
    service.succeed(service.submit("undisturbed", **JOB))
    return deterministic_files(service.folder / "undisturbed")


def stop_mid_block(service, job, chance):
    """Stops a worker in the middle of a block: the one that `chance` chose or one after it, a moment after it began."""
    chosen = chance.randrange(4)

    def begun():
        return service.tasks(job)[BLOCKS[chosen]]["state"] in {"TASK_STATE_LEASED", "TASK_STATE_COMMITTED"}

    wait_until(begun, 60, f"block {chosen} to begin")
    moment = time.monotonic() + 0.3 * chance.random()
    wait_until(lambda: time.monotonic() >= moment, 2, "the moment to come")
    return service.freeze_at(job, *BLOCKS[chosen:], *BLOCKS[:chosen])


def assert_same_bytes(service, job, output, expected):
    service.succeed(job)
    committed_once(service.tasks(job))
    assert deterministic_files(service.folder / output) == expected


@pytest.mark.parametrize("seed", range(MOMENTS))
def test_killed_worker(service, undisturbed, seed):
    chance = random.Random(seed)
    output = f"worker-{seed}"
    job = service.submit(output, **JOB)
    block, victim = stop_mid_block(service, job, chance)
    service.kill_worker(victim)
    # Half of the time the same worker comes back at once, half of the time its lease has to expire.
    if seed % 2 == 0:
        service.start_worker(victim)
        assert_same_bytes(service, job, output, undisturbed)
    else:
        assert_same_bytes(service, job, output, undisturbed)
        service.start_worker(victim)
    # The kill did land inside the block.
    outcomes = [attempt["outcome"] for attempt in service.tasks(job)[block]["attempts"]]
    assert outcomes == ["ATTEMPT_OUTCOME_EXPIRED", "ATTEMPT_OUTCOME_COMMITTED"]


@pytest.mark.parametrize("seed", range(MOMENTS))
def test_killed_coordinator(service, undisturbed, seed):
    chance = random.Random(1000 + seed)
    output = f"coordinator-{seed}"
    job = service.submit(output, **JOB)
    block, worker = stop_mid_block(service, job, chance)
    before = service.tasks(job)
    service.kill_coordinator()
    service.wake(worker)
    assert before[block]["state"] == "TASK_STATE_LEASED"
    committed = {name: task["attempts"] for name, task in before.items() if task["state"] == "TASK_STATE_COMMITTED"}
    service.start_coordinator()
    assert_same_bytes(service, job, output, undisturbed)
    # What was committed before the kill was neither lost nor done again.
    after = service.tasks(job)
    for name, attempts in committed.items():
        assert after[name]["attempts"] == attempts, name


def test_killed_while_publishing(service, undisturbed):
    """The coordinator dies at moments around the end of the job, where the output folder is being filled."""
    for seed in range(5):
        output = f"publishing-{seed}"
        job = service.submit(output, **JOB)
        wait_until(
            lambda name=job: int(service.job(name)["progress"]["blocks_committed"]) >= 5,
            60,
            "the last block to be near",
        )
        folder = service.folder / output
        wait_until(lambda where=folder: where.exists() and any(where.iterdir()), 60, "publishing to begin")
        service.kill_coordinator()
        service.start_coordinator()
        assert_same_bytes(service, job, output, undisturbed)
