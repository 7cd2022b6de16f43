"""The history checker accepts what may happen and catches every kind of planted violation."""

import copy

import pytest

from history import Violation, check

JOB = "jobs/j1"
TASK = f"{JOB}/tasks/prune-00000"
OTHER = f"{JOB}/tasks/prune-00001"
COMMITTED = "ATTEMPT_OUTCOME_COMMITTED"
EXPIRED = "ATTEMPT_OUTCOME_EXPIRED"


def attempt(number, outcome="", worker="workers/a"):
    return {"number": number, "worker": worker} | ({"outcome": outcome} if outcome else {})


def task(name, state, *attempts, result=None):
    shown = {"name": name, "state": f"TASK_STATE_{state}", "attempts": list(attempts)}
    return {"task": shown | ({"result": {"attempt": result}} if result else {})}


def job(state):
    return {"job": {"name": JOB, "state": f"JOB_STATE_{state}"}}


def history(*changes):
    """A snapshot of two waiting tasks, then the changes with their versions."""
    waiting = [task(name, "PENDING")["task"] for name in (TASK, OTHER)]
    first = {"version": "7", "snapshot": {"job": job("PRUNING")["job"], "tasks": waiting}}
    return [first, *(copy.deepcopy(change) | {"version": str(8 + i)} for i, change in enumerate(changes))]


GOOD = [
    task(TASK, "LEASED", attempt(1)),
    task(TASK, "PENDING", attempt(1, EXPIRED)),
    task(TASK, "LEASED", attempt(1)),  # it came back
    task(TASK, "PENDING", attempt(1, EXPIRED)),
    task(TASK, "LEASED", attempt(1, EXPIRED), attempt(2, worker="workers/b")),
    task(TASK, "COMMITTED", attempt(1, EXPIRED), attempt(2, COMMITTED, worker="workers/b"), result=2),
    task(OTHER, "LEASED", attempt(1)),
    task(OTHER, "PENDING", attempt(1, EXPIRED)),
    task(OTHER, "COMMITTED", attempt(1, COMMITTED), result=1),  # nobody had taken it
    job("PUBLISHING"),
    job("SUCCEEDED"),
]


def test_a_history_with_lost_and_renewed_leases_is_accepted():
    checked = check(history(*GOOD))
    assert (checked.grants, checked.commits, checked.renewals) == (3, 2, 1)


VIOLATIONS = {
    "two live leases": [task(TASK, "LEASED", attempt(1)), task(TASK, "LEASED", attempt(1), attempt(2))],
    "a lease without its state": [task(TASK, "PENDING", attempt(1))],
    "a second commit": [*GOOD[:6], GOOD[5]],
    "a grant after the commit": [
        *GOOD[:6],
        task(TASK, "LEASED", attempt(1, EXPIRED), attempt(2, COMMITTED), attempt(3)),
    ],
    "a commit without a lease": [task(TASK, "COMMITTED", attempt(1, COMMITTED), result=1)],
    "a commit by the attempt that lost": [
        *GOOD[:5],
        task(TASK, "COMMITTED", attempt(1, COMMITTED), attempt(2, EXPIRED, worker="workers/b"), result=1),
    ],
    "a commit under another's name": [*GOOD[:5], GOOD[5] | {"task": GOOD[5]["task"] | {"result": {"attempt": 1}}}],
    "a grant after cancel": [job("CANCELLING"), task(TASK, "LEASED", attempt(1))],
    "a commit after cancel": [
        task(TASK, "LEASED", attempt(1)),
        job("CANCELLING"),
        task(TASK, "COMMITTED", attempt(1, COMMITTED), result=1),
    ],
    "a cancelled job that goes on": [job("CANCELLED"), job("PRUNING")],
    "published too early": [*GOOD[:6], job("PUBLISHING")],
    "an attempt that ended twice": [
        task(TASK, "LEASED", attempt(1)),
        task(TASK, "PENDING", attempt(1, "ATTEMPT_OUTCOME_FAILED")),
        task(TASK, "PENDING", attempt(1, EXPIRED)),
    ],
    "an attempt back from the dead": [
        task(TASK, "LEASED", attempt(1)),
        task(TASK, "PENDING", attempt(1, "ATTEMPT_OUTCOME_FAILED")),
        task(TASK, "LEASED", attempt(1)),
    ],
    "a number left out": [
        task(TASK, "LEASED", attempt(1)),
        task(TASK, "PENDING", attempt(1, EXPIRED)),
        task(TASK, "LEASED", attempt(1, EXPIRED), attempt(3)),
    ],
    "an attempt forgotten": [task(TASK, "LEASED", attempt(1)), task(TASK, "PENDING")],
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_planted_violation_is_caught(name):
    with pytest.raises(Violation):
        check(history(*VIOLATIONS[name]))


def test_an_event_that_is_missing_or_comes_twice_is_caught():
    messages = history(*GOOD)
    for broken in (messages[:3] + messages[4:], messages[:3] + messages[2:], [messages[0], *messages]):
        with pytest.raises(Violation):
            check(broken)


def test_a_watch_that_had_to_be_reset_is_caught():
    messages = history(*GOOD)
    with pytest.raises(Violation):
        check([*messages[:3], messages[0] | {"reset": True, "version": "30"}])
