"""What people may say about a job and a worker: priority, owner, labels, a time limit, drain; and who said it."""

from cluster import wait_until

SMALL = {"samples": 8, "sequence_length": 64}


def test_a_drained_worker_lets_jobs_wait_and_says_so(cluster):
    cluster.start(workers=1)
    wait_until(lambda: cluster.besa("--json", "workers", "list").json().get("workers"), 30, "the worker")
    drained = cluster.besa("workers", "drain", "worker-1")
    assert drained.out == "workers/worker-1: drains, runs nothing\n", drained.out + drained.err

    job = cluster.submit(
        "out", "--priority", "5", "--owner", "ada", "--label", "team=nlp", "--label", "stage=test", **SMALL
    )
    shown = cluster.job(job)
    assert shown["priority"] == 5
    assert shown["owner"] == "ada"
    assert shown["labels"] == {"team": "nlp", "stage": "test"}
    wait_until(lambda: cluster.job(job)["pending_reason"] == "the one connected worker drains", 30, "the reason")
    for text, found in (("owner = ada AND labels.team = nlp", 1), ("labels.team = vision", 0)):
        listed = cluster.besa("--json", "jobs", "list", "--filter", text).json()
        assert len(listed.get("jobs", [])) == found, text

    assert cluster.besa("workers", "undrain", "worker-1").code == 0
    ended = cluster.succeed(job)
    assert float(ended["result"]["device_seconds"]) > 0
    assert float(ended["result"].get("gpu_seconds", 0)) == 0

    entries = cluster.besa("--json", "audit").json()["entries"]
    assert [(entry["action"], entry["resource"]) for entry in entries] == [
        ("undrain", "workers/worker-1"),
        ("create", job),
        ("drain", "workers/worker-1"),
    ]
    assert all(entry["caller"].startswith("ipv4:127.0.0.1:") for entry in entries)


def test_a_job_that_is_not_done_in_its_time_fails_and_can_be_retried(cluster):
    cluster.start_coordinator()
    job = cluster.submit("late", "--time-limit", "1s", **SMALL)
    failed = cluster.finish(job)
    assert failed["error"]["reason"] == "FAILURE_REASON_DEADLINE"
    assert "within its time_limit of 1s: 0 of 6 blocks" in failed["error"]["message"]


def test_fields_that_do_not_fit_are_named(cluster):
    cluster.start_coordinator()
    for flags, message in (
        (("--priority", "101"), "priority: 101 is not valid; expected a whole number from -100 to 100"),
        (("--label", "Team=x"), "labels: Team is not valid"),
        (("--label", "team"), "--label: team is not valid; expected KEY=VALUE"),
    ):
        refused = cluster.prune("bad", *flags, **SMALL)
        assert refused.code != 0
        assert message in refused.err, refused.err
