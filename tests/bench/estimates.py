"""What `besa estimate` says, and what then happens: time and bytes of several jobs by 1 and 2 CPU workers. A benchmark,
not a test: times are worth something on a quiet machine only.

    .deps/venv/bin/python tests/bench/estimates.py --build build [--model FOLDER] [--samples 64] [--length 256]

A first job of each fleet shows how fast it is; those of the table come after it, in their order, and each adds to what is
known. Prints the table of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from datetime import datetime
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

# Row, flags.
JOBS: list[tuple[str, dict]] = [
    ("`fast`", {"quality": "fast"}),
    ("`fast`, twice the samples", {"quality": "fast", "samples": 2}),
    ("`balanced`, the first with recovery", {"quality": "balanced"}),
    ("`balanced`", {"quality": "balanced"}),
    ("sequential", {"schedule": "sequential"}),
]


def seconds_of(job: dict) -> float:
    begin, end = (datetime.fromisoformat(job[field]) for field in ("create_time", "end_time"))
    return (end - begin).total_seconds()


def ratio(estimated: float, happened: float) -> str:
    return f"{estimated / happened - 1:+.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--model", type=Path)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--windows", type=int, default=16, help="to evaluate on")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    arguments = parser.parse_args()
    os.environ["BESA_BUILD"] = str(arguments.build.resolve())
    from cluster import HELD_OUT, MODEL, Cluster, wait_until
    from scrape import bytes_moved

    model = arguments.model or MODEL
    print(
        "| workers | job | estimated s | took s | off | read MB, off | written MB, off |\n|---|---|---|---|---|---|---|"
    )
    for count in arguments.workers:
        with tempfile.TemporaryDirectory() as folder, Cluster(Path(folder), allow=[model]) as cluster:
            cluster.lease_term = "30s"
            cluster.start_coordinator()
            names = [f"worker-{number}" for number in range(count)]
            for name in names:
                cluster.start_worker(name, "--metrics-listen", "127.0.0.1:0")
            wait_until(
                lambda all=count: len(cluster.besa("--json", "workers", "list").json().get("workers", [])) == all,
                60,
                "workers",
            )
            spec = {
                "model": model,
                "samples": arguments.samples,
                "sequence_length": arguments.length,
                "evaluate": HELD_OUT,
                "evaluate_windows": arguments.windows,
            }
            cluster.succeed(cluster.submit("first", **spec), 600)
            for number, (row, flags) in enumerate(JOBS):
                options = spec | flags | {"samples": arguments.samples * flags.get("samples", 1)}
                estimate = cluster.estimate(f"job-{number}", **options)
                before = bytes_moved(cluster, names)
                job = cluster.succeed(cluster.submit(f"job-{number}", **options), 600)
                after = bytes_moved(cluster, names)
                took = seconds_of(job)
                cells = [str(count), row, f"{estimate['seconds']:.1f}", f"{took:.1f}", ratio(estimate["seconds"], took)]
                for direction in ("read", "written"):
                    moved = after[direction] - before[direction]
                    cells.append(f"{moved / 1e6:.1f}, {ratio(int(estimate[f'bytes_{direction}']), moved)}")
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
