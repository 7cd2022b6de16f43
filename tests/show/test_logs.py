"""One trace id through all logs, and the logs of a job by one command."""

import json

from cluster import Cluster, wait_until

BLOCKS = [f"prune-{block:05d}" for block in range(6)]


def lines_about(cluster: Cluster, name: str, trace: str) -> list[dict]:
    found = []
    for line in cluster.log(name).splitlines():
        if line.startswith("{") and json.loads(line).get("trace") == trace:
            found.append(json.loads(line))
    return found


def test_a_job_can_be_followed_by_its_trace_id(cluster):
    cluster.start_coordinator("--log-format", "json")
    cluster.start_worker("w1", "--log-format", "json")
    job = cluster.submit("out")
    cluster.succeed(job)
    trace = cluster.job(job)["trace_id"]
    assert len(trace) == 32

    coordinator = lines_about(cluster, "coordinator", trace)
    messages = [line["message"] for line in coordinator]
    assert any("CreateJob OK" in message for message in messages)
    assert any("CommitTask OK" in message for message in messages)
    committed = [line for line in coordinator if line["message"] == "committed" and line.get("block") == "3"]
    assert len(committed) == 1
    assert committed[0]["job"] == job
    assert (committed[0]["task"], committed[0]["attempt"], committed[0]["worker"]) == ("prune-00003", "1", "workers/w1")
    assert any(line["message"].startswith("published") and line["job"] == job for line in coordinator)

    worker = [line for line in lines_about(cluster, "w1", trace) if line.get("block") == "3"]
    assert any("weights are zero" in line["message"] for line in worker)
    assert all(line["worker"] == "workers/w1" and line["attempt"] == "1" and line["job"] == job for line in worker)

    # Every attempt's lines are kept, those that went well too.
    logs = cluster.besa("jobs", "logs", job)
    assert logs.code == 0
    assert "prune-00003, attempt 1, workers/w1: COMMITTED" in logs.out
    assert "weights are zero" in logs.out
    assert cluster.besa("jobs", "logs", job, "--failed").out == "no attempt failed\n"


def test_the_attempt_that_went_wrong_comes_first(cluster):
    cluster.start_coordinator()
    cluster.start_worker("w1")
    job = cluster.submit("out", samples=192, sequence_length=128)

    def stopped():
        """A block whose worker is stopped and has told its first lines."""
        block, worker = cluster.freeze_at(job, *BLOCKS)
        if f"== {block}, attempt 1, workers/w1: runs\n" in cluster.besa("jobs", "logs", job).out:
            return block
        cluster.wake(worker)
        return None

    lost = wait_until(stopped, 60, "lines of a block that runs")
    cluster.kill_worker("w1")
    cluster.start_worker("w2")
    cluster.succeed(job)
    assert cluster.besa("jobs", "logs", job).out.startswith(f"== {lost}, attempt 1, workers/w1: EXPIRED")
