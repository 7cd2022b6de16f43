"""A real job, scraped by a real Prometheus: every query of every panel finds something."""

import re
import subprocess
import sys
import time

import pytest

from cluster import ROOT, Cluster, wait_until
from monitored import DASHBOARDS, DEPLOY, Prometheus, dashboards, fill_in, panels
from scrape import metrics_address, scrape


class Run:
    """What is left of a job that ran while Prometheus looked on."""

    def __init__(self, cluster: Cluster, prometheus: Prometheus, begin: float, job: str):
        self.cluster = cluster
        self.prometheus = prometheus
        self.begin = begin
        self.job = job


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("show")
    with Cluster(folder / "service", lease_term="2s", heartbeat_interval="200ms") as cluster:
        cluster.start_coordinator("--metrics-listen", "127.0.0.1:0")
        for name in ("worker-1", "worker-2"):
            cluster.start_worker(name, "--metrics-listen", "127.0.0.1:0")
        workers = [metrics_address(cluster, name) for name in ("worker-1", "worker-2")]
        (folder / "prometheus").mkdir()
        prometheus = Prometheus(folder / "prometheus").start([metrics_address(cluster, "coordinator")], workers)
        try:
            wait_until(
                lambda: len(prometheus.api("query", query="up == 1")["result"]) == 4, 30, "a scrape of everything"
            )
            begin = time.time()
            job = cluster.submit(
                "out", *("--name", "nightly"), samples=64, sequence_length=128, evaluate=HELD_OUT, evaluate_windows=20
            )

            def training():
                return [
                    task["attempts"][-1]["worker"]
                    for name, task in cluster.tasks(job).items()
                    if name.startswith("prune") and task.get("progress", {}).get("stage") == "train"
                ]

            busy = wait_until(training, 60, "a block to be trained")
            cluster.kill_worker(busy[0].removeprefix("workers/"))
            cluster.succeed(job)
            time.sleep(4)  # two refreshes of the coordinator, and a scrape of each
            yield Run(cluster, prometheus, begin, job)
        finally:
            prometheus.stop()


HELD_OUT = ROOT / "tests" / "data" / "text" / "held_out.txt.xz"


def test_no_panel_is_empty(run):
    empty = []
    for board in dashboards():
        assert panels(board), board["title"]
        for panel in panels(board):
            for target in panel["targets"]:
                expression = fill_in(target["expr"], {"job": run.job, "instance": ".*"})
                found = run.prometheus.range(expression, run.begin)
                points = [point for series in found for point in series["values"] if point[1] != "NaN"]
                if not points:
                    empty.append((board["title"], panel["title"], expression))
    assert not empty, "\n".join(map(str, empty))


def test_the_rules_find_something(run):
    for name in ("besa:jobs", "besa:tasks", "besa:workers", "besa:worker_tokens:rate2m", "besa:rpc_seconds:p99_5m"):
        assert run.prometheus.range(name, run.begin), name
    groups = run.prometheus.api("rules")["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if rule["type"] == "alerting"]
    assert len(alerts) >= 14
    assert all(rule["health"] == "ok" for group in groups for rule in group["rules"])
    # The worker that was killed.
    assert run.prometheus.range('up{job="besa-worker"} == 0', run.begin)


def test_a_worker_that_was_killed_shows(run):
    found = run.prometheus.range("besa_lease_expiries_total", run.begin)
    assert max(float(value) for series in found for _, value in series["values"]) >= 1
    assert run.prometheus.range('besa_workers{state="LOST"} == 1', run.begin)
    # Its attempt is the first that expires, and shows as an increase all the same.
    expired = 'sum(increase(besa_attempts_ended_total{outcome="EXPIRED", reason="LOST"}[10s])) > 0'
    assert run.prometheus.range(expired, run.begin)


def test_names_help_and_labels_are_as_prometheus_wants_them(run):
    targets = run.prometheus.api("targets")["activeTargets"]
    alive = [target["labels"] for target in targets if target["health"] == "up"]
    for address in [labels["instance"] for labels in alive if labels["job"].startswith("besa-")]:
        text = scrape(address)
        checked = subprocess.run(
            ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        names = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
        assert all(name.startswith(("besa_", "process_")) for name in names), names


def test_every_process_has_few_series(run):
    """The worst case is in the unit tests named SeriesBudget."""
    targets = run.prometheus.api("targets")["activeTargets"]
    for target in targets:
        if target["health"] == "up" and target["labels"]["job"].startswith("besa-"):
            series = [line for line in scrape(target["labels"]["instance"]).splitlines() if not line.startswith("#")]
            assert 20 < len(series) < 2000, (target["labels"], len(series))


def test_the_share_of_the_gemm_floor_is_a_share(run):
    """A block of a small model takes more time than its arithmetic alone."""
    found = run.prometheus.range("besa_worker_gemm_floor_ratio", run.begin)
    values = {float(value) for series in found for _, value in series["values"]}
    assert values
    assert all(0 < value <= 1 for value in values), values


def test_every_alert_is_explained():
    operations = (ROOT / "docs" / "operations.md").read_text()
    alerts = re.findall(r"- alert: (\w+)", (DEPLOY / "rules" / "alerts.yml").read_text())
    tested = (DEPLOY / "tests.yml").read_text()
    for alert in alerts:
        assert f"`{alert}`" in operations, alert
        assert tested.count(alert) >= 2, f"{alert} needs a test that it fires and one that it does not"


def test_the_rules_pass_their_own_tests():
    for command in (["check", "config", "prometheus.yml"], ["test", "rules", "tests.yml"]):
        done = subprocess.run(["promtool", *command], cwd=DEPLOY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboards_are_what_their_code_says(tmp_path):
    subprocess.run([sys.executable, ROOT / "deploy" / "grafana" / "dashboards.py", tmp_path], check=True)
    made = {path.name: path.read_text() for path in tmp_path.glob("*.json")}
    kept = {path.name: path.read_text() for path in DASHBOARDS.glob("*.json")}
    assert made == kept, "run make dashboards"
