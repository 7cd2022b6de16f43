"""Several coordinators on one database: one is killed in mid-job, one in mid-publish; everybody goes on by themselves."""

import time
from collections import deque
from contextlib import ExitStack

from cluster import Timeout, wait_until
from fleet import Fleet, log_has, state_of, until_leased
from hook_server import HookServer, hook_flags


def test_the_one_that_everybody_talks_to_is_killed_in_mid_job(tmp_path, postgres, model, expected):
    state = postgres.new_database("mid_job")
    with Fleet(tmp_path, allow=[model], state=state, coordinator_count=2) as fleet:
        fleet.start_fleet(workers=2)
        job = fleet.submit_watched("mid-job", model=model)
        until_leased(fleet, job, "prune-00000")
        # All of them connect to the first of the list while it lives.
        fleet.kill("coordinator-1")
        history = fleet.check_succeeded(job, "mid-job", expected)
        assert history.grants == len(fleet.tasks(job)), "the workers kept their leases"
        assert fleet.coordinators["coordinator-1"].poll() is not None, "nobody started it again"


def test_one_of_three_is_killed_in_mid_publish(tmp_path, postgres, model, expected):
    state = postgres.new_database("mid_publish")
    with Fleet(tmp_path, allow=[model], state=state, coordinator_count=3) as fleet:
        fleet.start_fleet(workers=2)
        for attempt in range(5):
            output = f"mid-publish-{attempt}"
            job = fleet.submit_watched(output, model=model)
            # It may be over between two looks.
            wait_until(
                lambda name=job: state_of(fleet, name, "prune-00001") in ("TASK_STATE_LEASED", "TASK_STATE_COMMITTED"),
                60,
                "the last block",
            )
            publisher = kill_publisher(fleet, job)
            caught = fleet.job(job)["state"] == "JOB_STATE_PUBLISHING"
            fleet.check_succeeded(job, output, expected)
            if caught:
                return
            fleet.start_one_coordinator(publisher)
        raise AssertionError("no publisher was killed in time")


def kill_publisher(fleet: Fleet, job: str) -> str:
    """Kills the coordinator that begins to publish the job, within about a millisecond; returns its name."""
    with ExitStack() as stack:
        logs = {
            name: stack.enter_context(open(fleet.folder / "logs" / f"{name}.log", "rb")) for name in fleet.coordinators
        }
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for name, log in logs.items():
                if f"publishing {job} ".encode() in log.read():
                    fleet.kill(name)
                    return name
            time.sleep(0.0005)
    raise Timeout("nobody published")


def test_one_that_calls_a_completion_hook_is_killed(tmp_path, postgres):
    """The other one makes the delivery, under the same id, when the claim has stood still for a term."""
    with HookServer(answers=deque([0])) as endpoint:
        state = postgres.new_database("mid_delivery")
        with Fleet(
            tmp_path,
            state=state,
            coordinator_count=2,
            environment={"no_proxy": "*"},
            # The call has a third of it.
            lease_term="9s",
            extra=tuple(hook_flags(tmp_path, endpoint)),
        ) as fleet:
            fleet.start_fleet(workers=0)
            job = fleet.submit("out", "--completion-hook", endpoint.uri)
            assert fleet.besa("jobs", "cancel", job).code == 0
            wait_until(lambda: endpoint.deliveries, 30, "the call")
            [caller] = [name for name in fleet.coordinators if log_has(fleet, name, "calling the completion hook")]
            fleet.kill(caller)

            def delivered():
                result = fleet.besa("--json", "jobs", "get", job)
                hook = result.json()["completion_hook"] if result.code == 0 else {}
                return hook if hook.get("state") == "COMPLETION_HOOK_STATE_DELIVERED" else None

            assert wait_until(delivered, 60, "the delivery")["attempts"] == 2
        first, second = endpoint.deliveries
        assert (first.id, first.body) == (second.id, second.body)


def test_one_that_was_started_later_takes_part(tmp_path, postgres, model, expected):
    """A worker that talks to one coordinator is woken by work that another one accepted."""
    state = postgres.new_database("takes_part")
    # A long poll waits for a third of a term: without the wake-up the task would lie there for twenty seconds.
    with Fleet(tmp_path, allow=[model], state=state, coordinator_count=2, lease_term="60s") as fleet:
        fleet.start_fleet(workers=0)
        first, second = (f"127.0.0.1:{port}" for port in fleet.ports.values())
        fleet.address = second
        fleet.start_worker("worker-1")
        wait_until(lambda: "workers" in fleet.besa("--json", "workers", "list").json(), 30, "the worker")
        fleet.address = first
        begin = time.monotonic()
        job = fleet.submit_watched("across", model=model)
        until_leased(fleet, job, "prepare")
        assert time.monotonic() - begin < 10
        fleet.check_succeeded(job, "across", expected)
