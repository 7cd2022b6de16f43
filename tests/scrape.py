"""What a process of a service serves at /metrics."""

from __future__ import annotations

import re
import urllib.request

from cluster import Cluster, wait_until


def metrics_address(cluster: Cluster, name: str) -> str:
    """Where a process serves its metrics, from its log; after a restart the last one."""
    found = wait_until(
        lambda: re.findall(r"metrics at http://([0-9.:]+)/metrics", cluster.log(name)), 30, f"the metrics of {name}"
    )
    return found[-1]


def scrape(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return answer.read().decode()


def bytes_moved(cluster: Cluster, workers: list[str]) -> dict[str, float]:
    """Bytes that the workers have read from their stores and written to them, so far: "read", "written"."""
    moved = {"read": 0.0, "written": 0.0}
    for worker in workers:
        text = scrape(metrics_address(cluster, worker))
        for labels, value in re.findall(r"^besa_store_bytes_total\{([^}]*)\} (\S+)$", text, re.MULTILINE):
            moved[re.search(r'direction="(\w+)"', labels).group(1)] += float(value)
    return moved
