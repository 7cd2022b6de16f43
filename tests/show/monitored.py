"""A besa service that a real Prometheus scrapes, with the repository's own configuration and rules."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from cluster import ROOT, wait_until

DEPLOY = ROOT / "deploy" / "prometheus"
DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@dataclass
class Prometheus:
    """The server of the Debian package, on the deployed files, but for a scrape each second."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen | None = None

    def start(self, coordinators: list[str], workers: list[str]) -> Prometheus:
        shutil.copytree(DEPLOY, self.folder / "config")
        config = self.folder / "config" / "prometheus.yml"
        config.write_text(
            re.sub(r"(scrape_interval|evaluation_interval): 15s", r"\1: 1s", config.read_text()).replace(
                "localhost:9090", f"127.0.0.1:{self.port}"
            )
        )
        for name, targets in [("coordinators", coordinators), ("workers", workers)]:
            (self.folder / "config" / "targets" / f"{name}.json").write_text(json.dumps([{"targets": targets}]))
        with open(self.folder / "prometheus.log", "wb") as log:
            self.process = subprocess.Popen(
                [
                    shutil.which("prometheus"),
                    f"--config.file={config}",
                    f"--storage.tsdb.path={self.folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"no_proxy": "*"},
            )
        wait_until(self._ready, 30, "Prometheus to be ready")
        return self

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def _ready(self) -> bool:
        try:
            return self.get("/-/ready") is not None
        except OSError:
            return False

    def get(self, path: str, **parameters) -> str:
        url = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.read().decode()

    def api(self, path: str, **parameters):
        answer = json.loads(self.get(f"/api/v1/{path}", **parameters))
        assert answer["status"] == "success", answer
        return answer["data"]

    def range(self, expression: str, begin: float, end: float | None = None) -> list[dict]:
        """Series of the expression between two times, a point a second."""
        end = end or time.time()
        return self.api("query_range", query=expression, start=begin, end=end, step=1)["result"]


def panels(board: dict) -> list[dict]:
    """All panels of a dashboard that ask for something; rows may hold some."""
    found = []
    for panel in board["panels"]:
        found += [panel] if panel.get("targets") else []
        found += [inner for inner in panel.get("panels") or [] if inner.get("targets")]
    return found


def dashboards() -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))]


def fill_in(expression: str, variables: dict[str, str]) -> str:
    """What Grafana sends: variables replaced, its own too."""
    for name, value in ({"__rate_interval": "10s"} | variables).items():
        expression = expression.replace(f"${name}", value)
    assert "$" not in expression, expression
    return expression
