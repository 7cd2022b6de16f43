"""Completion hooks: a real endpoint is told, signed, when a job has ended, at least once."""

import ssl
import subprocess
import time
from collections import deque

import pytest

from cluster import Cluster, wait_until
from hook_server import SECRET, HookServer, hook_flags
from scrape import metrics_address, scrape


@pytest.fixture
def endpoint():
    with HookServer() as server:
        yield server


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path, environment={"no_proxy": "*"}) as service:
        yield service


def hook(cluster, job):
    return cluster.job(job)["completion_hook"]


def reaches(cluster, job, state, seconds=30):
    """Waits until the delivery stands so; returns the hook."""

    def reached():
        found = hook(cluster, job)
        return found if found["state"] == f"COMPLETION_HOOK_STATE_{state}" else None

    return wait_until(reached, seconds, f"the hook to be {state}")


def ended(cluster, endpoint, output="out"):
    """A job that has ended, without any worker."""
    job = cluster.submit(output, "--completion-hook", endpoint.uri)
    assert cluster.besa("jobs", "cancel", job).code == 0
    return job


def test_a_job_that_succeeded_is_told_once_and_signed(cluster, endpoint, tmp_path):
    cluster.start_coordinator(*hook_flags(tmp_path, endpoint))
    cluster.start_worker("w1")
    job = cluster.submit("out", "--completion-hook", endpoint.uri + "/jobs?team=nlp", "--name", "nightly")
    assert hook(cluster, job)["state"] == "COMPLETION_HOOK_STATE_UNSPECIFIED"
    assert endpoint.deliveries == []
    cluster.succeed(job)
    told = reaches(cluster, job, "DELIVERED")
    assert (told["attempts"], told["last_error"]) == (1, "")

    [delivery] = endpoint.deliveries
    assert delivery.path == "/besa/jobs?team=nlp"
    assert delivery.headers["content-type"] == "application/json"
    assert delivery.headers["user-agent"].startswith("besa/")
    assert delivery.id == job.removeprefix("jobs/") + "-1"
    assert abs(int(delivery.headers["webhook-timestamp"]) - time.time()) < 60
    assert delivery.signed_with(SECRET)
    assert not delivery.signed_with("whsec_" + "A" * 32)
    message = delivery.message()
    assert message["type"] == "job.succeeded"
    shown = cluster.job(job)
    assert message["timestamp"] == shown["end_time"]
    # The job as the API shows it, but for how the delivery itself stands.
    for name in shown.keys() - {"completion_hook", "version"}:
        assert message["data"][name] == shown[name], name
    assert message["data"]["result"]["zeros"] > "0"
    text = cluster.besa("jobs", "get", job).out
    assert f"{endpoint.uri}/jobs?team=nlp, DELIVERED (1 attempt)" in text


def test_jobs_that_failed_and_were_cancelled_are_told_too(cluster, endpoint, tmp_path):
    cluster.start_coordinator(*hook_flags(tmp_path, endpoint))
    cancelled = ended(cluster, endpoint)
    reaches(cluster, cancelled, "DELIVERED")
    failed = cluster.submit("late", "--completion-hook", endpoint.uri, "--time-limit", "100ms")
    reaches(cluster, failed, "DELIVERED")
    messages = [delivery.message() for delivery in endpoint.deliveries]
    assert [(message["type"], message["data"]["name"]) for message in messages] == [
        ("job.cancelled", cancelled),
        ("job.failed", failed),
    ]
    assert messages[1]["data"]["error"]["reason"] == "FAILURE_REASON_DEADLINE"

    # A job that is retried ends again, and that is told under another id.
    assert cluster.besa("jobs", "retry", failed).code == 0
    wait_until(lambda: len(endpoint.deliveries) == 3, 30, "the second end")
    assert endpoint.deliveries[2].id == failed.removeprefix("jobs/") + "-2"


def test_an_endpoint_that_fails_is_called_again(cluster, endpoint, tmp_path):
    endpoint.answers = deque([500, 503])
    cluster.start_coordinator(*hook_flags(tmp_path, endpoint))
    job = ended(cluster, endpoint)
    wait_until(lambda: hook(cluster, job)["last_error"], 30, "the first failure")
    told = reaches(cluster, job, "DELIVERED")
    assert (told["attempts"], told["last_error"]) == (3, "")
    assert len({delivery.id for delivery in endpoint.deliveries}) == 1
    assert len({delivery.body for delivery in endpoint.deliveries}) == 1
    assert all(delivery.signed_with(SECRET) for delivery in endpoint.deliveries)
    moments = [int(delivery.headers["webhook-timestamp"]) for delivery in endpoint.deliveries]
    assert moments[0] < moments[1] < moments[2], "not at once, and signed anew"


def test_an_endpoint_that_is_away_is_called_when_it_is_back_also_by_a_coordinator_started_anew(
    cluster, endpoint, tmp_path
):
    endpoint.stop()
    cluster.start_coordinator(*hook_flags(tmp_path, endpoint))
    job = ended(cluster, endpoint)
    pending = wait_until(lambda: (found := hook(cluster, job))["last_error"] and found, 30, "the first failure")
    assert pending["state"] == "COMPLETION_HOOK_STATE_PENDING"
    assert f"port {endpoint.port}" in pending["last_error"]
    assert "PENDING (1 attempt): " in cluster.besa("jobs", "get", job).out
    # Between the final state and the delivery.
    cluster.kill_coordinator()
    endpoint.start()
    cluster.start_coordinator(*hook_flags(tmp_path, endpoint))
    reaches(cluster, job, "DELIVERED")
    [delivery] = endpoint.deliveries
    assert delivery.message()["data"]["name"] == job


def test_a_coordinator_killed_in_mid_delivery_makes_it_again(cluster, endpoint, tmp_path):
    endpoint.answers = deque([0])
    cluster.start_coordinator(*hook_flags(tmp_path, endpoint))
    job = ended(cluster, endpoint)
    wait_until(lambda: endpoint.deliveries, 30, "the first call")
    cluster.kill_coordinator()
    cluster.start_coordinator(*hook_flags(tmp_path, endpoint))
    told = reaches(cluster, job, "DELIVERED")
    assert told["attempts"] == 2
    first, second = endpoint.deliveries
    assert first.id == second.id, "so that the endpoint knows"
    assert first.body == second.body


def test_an_endpoint_that_never_answers_is_given_up_after_a_while(cluster, endpoint, tmp_path):
    """And says why, in the job and in the metrics; other endpoints are told meanwhile."""
    endpoint.answers = deque([0] * 50)
    with HookServer() as other:
        cluster.start_coordinator(
            *hook_flags(tmp_path, endpoint, other), *("--hook-patience", "4s", "--metrics-listen", "127.0.0.1:0")
        )
        silent = ended(cluster, endpoint)
        wait_until(lambda: endpoint.deliveries, 30, "the first call")
        assert reaches(cluster, ended(cluster, other, "other"), "DELIVERED")["attempts"] == 1
    given_up = reaches(cluster, silent, "FAILED")
    assert given_up["attempts"] >= 2
    assert "timed out" in given_up["last_error"]
    assert "next_attempt_time" not in given_up
    text = scrape(metrics_address(cluster, "coordinator"))
    assert 'besa_completion_hook_attempts_total{outcome="undelivered"} 1' in text
    assert 'besa_completion_hook_attempts_total{outcome="delivered"} 1' in text


def test_an_endpoint_that_is_gone_is_given_up_at_once(cluster, endpoint, tmp_path):
    endpoint.answers = deque([410])
    cluster.start_coordinator(*hook_flags(tmp_path, endpoint))
    given_up = reaches(cluster, ended(cluster, endpoint), "FAILED")
    assert (given_up["attempts"], given_up["last_error"]) == (1, "the endpoint answered 410")


def test_a_redirect_is_not_followed(cluster, endpoint, tmp_path):
    with HookServer() as inner:
        endpoint.answers, endpoint.location = deque([307]), inner.uri
        cluster.start_coordinator(*hook_flags(tmp_path, endpoint))
        job = ended(cluster, endpoint)
        wait_until(lambda: inner.uri in hook(cluster, job)["last_error"], 30, "the redirect to be told")
        endpoint.location = ""
        reaches(cluster, job, "DELIVERED")
        assert inner.deliveries == []


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(cluster, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
        + ["-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with HookServer(tls=tls) as endpoint:
        cluster.start_coordinator(*hook_flags(tmp_path, endpoint))
        job = ended(cluster, endpoint)
        wait_until(lambda: "certificate" in hook(cluster, job)["last_error"], 30, "the refusal")
        assert endpoint.deliveries == []


def test_two_secrets_sign_while_receivers_change_from_one_to_the_other(cluster, endpoint, tmp_path):
    other = "whsec_" + "B" * 32
    cluster.start_coordinator(*hook_flags(tmp_path, endpoint, secrets=(SECRET, other)))
    reaches(cluster, ended(cluster, endpoint), "DELIVERED")
    [delivery] = endpoint.deliveries
    assert delivery.signed_with(SECRET)
    assert delivery.signed_with(other)


def test_what_is_not_allowed_is_refused_before_there_is_a_job(cluster, endpoint, tmp_path):
    cluster.start_coordinator(*hook_flags(tmp_path, endpoint))
    for uri, words in [
        ("http://169.254.169.254/latest/meta-data", ["is not allowed", endpoint.uri]),
        (f"http://127.0.0.1:{endpoint.port}/besant", ["is not allowed", endpoint.uri]),
        ("file:///etc/passwd", ["is not valid", "http:// or https://"]),
    ]:
        refused = cluster.prune("out", "--completion-hook", uri)
        assert refused.code == 2, refused
        for word in ["completion_hook.uri", uri, *words]:
            assert word in refused.err, refused.err
    assert cluster.besa("--json", "jobs", "list").json().get("jobs", []) == []


def test_without_permission_no_hook_is_taken(cluster):
    cluster.start_coordinator()
    refused = cluster.prune("out", "--completion-hook", "https://hooks.example.com/besa")
    assert refused.code == 2
    assert "--allow-hook" in refused.err


def test_a_coordinator_does_not_start_with_a_bad_secret(cluster, endpoint, tmp_path):
    with pytest.raises(AssertionError) as failure:
        cluster.start_coordinator(*hook_flags(tmp_path, endpoint, secrets=("hunter2",)))
    assert "--hook-secret-file" in str(failure.value)
    assert "hunter2" not in str(failure.value)
