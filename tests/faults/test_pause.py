"""A worker is stopped in mid-block (SIGSTOP, as a hypervisor or a debugger would) and wakes up after its lease ended."""

import signal

from cluster import wait_until
from fleet import Fleet, until_leased


def pause(fleet: Fleet, job: str, block: str) -> str:
    worker = until_leased(fleet, job, block)
    fleet.workers[worker].send_signal(signal.SIGSTOP)
    return worker


def wake(fleet: Fleet, worker: str) -> None:
    fleet.workers[worker].send_signal(signal.SIGCONT)


def test_another_has_committed_meanwhile_so_the_late_commit_is_refused(tmp_path, model, expected):
    with Fleet(tmp_path, allow=[model]) as fleet:
        fleet.start_fleet(workers=2)
        job = fleet.submit_watched("taken", model=model)
        worker = pause(fleet, job, "prune-00000")
        fleet.succeed(job)
        committed = fleet.tasks(job)["prune-00000"]["attempts"]
        wake(fleet, worker)
        wait_until(
            lambda: "the result is dropped" in fleet.log(worker) or "the lease was lost" in fleet.log(worker),
            60,
            "the worker that woke up to be told",
        )
        assert fleet.tasks(job)["prune-00000"]["attempts"] == committed
        fleet.check_succeeded(job, "taken", expected)
        # What it wrote after the workspace was gone goes, too.
        wait_until(lambda: not fleet.leftovers(), 30, "the workspace to be empty")


def test_nobody_took_the_block_so_the_worker_goes_on(tmp_path, model, expected):
    with Fleet(tmp_path, allow=[model]) as fleet:
        fleet.start_fleet(workers=1)
        job = fleet.submit_watched("renewed", model=model)
        worker = pause(fleet, job, "prune-00000")
        wait_until(lambda: fleet.tasks(job)["prune-00000"]["state"] == "TASK_STATE_PENDING", 30, "the lease to expire")
        wake(fleet, worker)
        history = fleet.check_succeeded(job, "renewed", expected)
        assert len(fleet.tasks(job)["prune-00000"]["attempts"]) == 1, "it was not computed twice"
        assert history.grants == len(fleet.tasks(job))
