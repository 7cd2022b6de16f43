"""Schedule `sequential`: one worker takes block after block, and whoever takes over goes on with the same bytes."""

import itertools
import random
import signal

import pytest

from cluster import committed_once, deterministic_files

BLOCKS = [f"prune-{block:05d}" for block in range(6)]

COMMON = {"schedule": "sequential", "samples": 64, "sequence_length": 128}
JOBS = {
    "default": COMMON,
    "paper": COMMON | {"preset": "paper"},
    "pruned-stream": COMMON | {"reference": "pruned-stream", "sparsity": 0.6},
    "recovery": COMMON | {"recovery_epochs": 2},
    "sparsegpt": COMMON | {"method": "sparsegpt", "samples": 128, "sequence_length": 256},
}


@pytest.fixture(scope="module")
def undisturbed(service):
    """By kind of job: the bytes when nobody interferes."""
    bytes_of = {}

    def run(kind):
        if kind not in bytes_of:
            job = service.submit(f"undisturbed-{kind}", **JOBS[kind])
            service.succeed(job)
            assert_one_author(service.tasks(job))
            bytes_of[kind] = deterministic_files(service.folder / f"undisturbed-{kind}")
        return bytes_of[kind]

    return run


def authors(tasks):
    return [tasks[block]["attempts"][-1]["worker"] for block in BLOCKS]


def assert_one_author(tasks):
    """Though another worker waited for work all the time."""
    assert len(set(authors(tasks))) == 1, authors(tasks)
    for before, after in itertools.pairwise(BLOCKS):
        assert len(tasks[after]["attempts"]) == 1
        assert tasks[before]["attempts"][-1]["end_time"] <= tasks[after]["attempts"][0]["start_time"]


def stop_at(service, job, first):
    """Stops whoever works on that block, or on one after it if it is done already; returns who."""
    return service.freeze_at(job, *BLOCKS[first:])[1]


def assert_same_bytes(service, job, output, expected):
    service.succeed(job)
    tasks = service.tasks(job)
    committed_once(tasks)
    assert deterministic_files(service.folder / output) == expected
    return tasks


def test_it_is_another_result_than_the_independent_one(service, undisturbed):
    sequential = undisturbed("default")
    service.succeed(service.submit("independent", **(COMMON | {"schedule": "independent"})))
    assert deterministic_files(service.folder / "independent") != sequential


@pytest.mark.parametrize("kind", JOBS)
def test_another_worker_takes_over(service, undisturbed, kind):
    expected = undisturbed(kind)
    job = service.submit(f"killed-{kind}", **JOBS[kind])
    victim = stop_at(service, job, random.Random(kind).choice([1, 2, 3]))
    service.kill_worker(victim)
    tasks = assert_same_bytes(service, job, f"killed-{kind}", expected)
    assert len(set(authors(tasks))) == 2, "the other one went on"
    service.start_worker(victim)


def test_the_same_worker_comes_back_without_its_activations(service, undisturbed):
    expected = undisturbed("default")
    job = service.submit("restarted", **JOBS["default"])
    victim = stop_at(service, job, 3)
    service.kill_worker(victim)
    service.start_worker(victim)
    assert_same_bytes(service, job, "restarted", expected)


def test_a_worker_that_is_told_to_stop_hands_the_job_over(service, undisturbed):
    expected = undisturbed("default")
    job = service.submit("drained", **JOBS["default"])
    leaving = stop_at(service, job, 2)
    service.workers[leaving].send_signal(signal.SIGTERM)
    service.wake(leaving)
    assert service.workers[leaving].wait(30) == 0
    tasks = assert_same_bytes(service, job, "drained", expected)
    assert len(set(authors(tasks))) == 2
    outcomes = {attempt["outcome"] for task in tasks.values() for attempt in task["attempts"]}
    assert outcomes <= {"ATTEMPT_OUTCOME_COMMITTED", "ATTEMPT_OUTCOME_RETURNED"}, "nothing had to expire"
    service.start_worker(leaving)


def test_a_killed_coordinator_loses_no_block(service, undisturbed):
    expected = undisturbed("default")
    job = service.submit("coordinator", **JOBS["default"])
    worker = stop_at(service, job, 2)
    service.kill_coordinator()
    service.wake(worker)
    service.start_coordinator()
    assert_same_bytes(service, job, "coordinator", expected)
