"""The table of methods by perplexity, each cell a job of the real service. A benchmark, not a test.

    .deps/venv/bin/python tests/bench/paper_table.py --model FOLDER [--device cuda:0] [--workers 4] [--only NAME ...]

Calibration: 512 random windows of 512 tokens of tests/data/text/calibration.txt.xz, seed 0. Perplexity: the first 800
windows of 512 of held_out.txt.xz. Jobs run side by side on all workers; seconds are those that workers spent on a job.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cluster import CALIBRATION, HELD_OUT, Cluster

BATCH = {"batch_size": 4}
PAPER = {"preset": "paper", "d_coef": 5} | BATCH
ROWS: list[tuple[str, dict, list[float]]] = [
    ("magnitude", {"method": "magnitude"}, [0.5, 0.6]),
    ("Wanda, sequential", {"method": "wanda", "schedule": "sequential"}, [0.5, 0.6, 0.7]),
    ("SparseGPT, sequential", {"method": "sparsegpt", "schedule": "sequential"}, [0.5, 0.6, 0.7]),
    ("BESA paper, sequential", {"schedule": "sequential"} | PAPER, [0.5, 0.6]),
    ("BESA paper, independent", PAPER, [0.5, 0.6]),
    ("BESA default, independent", BATCH, [0.5, 0.6, 0.7]),
    ("BESA default, sequential", {"schedule": "sequential"} | BATCH, [0.5, 0.6, 0.7]),
]


def submit_all(cluster: Cluster, arguments) -> dict[tuple[str, float], str]:
    jobs = {}
    for name, options, sparsities in ROWS:
        if arguments.only and not any(word in name for word in arguments.only):
            continue
        for sparsity in sparsities:
            output = f"{name}-{sparsity}".replace(" ", "-").replace(",", "")
            jobs[name, sparsity] = cluster.submit(
                output,
                model=arguments.model,
                sparsity=sparsity,
                samples=arguments.samples,
                sequence_length=512,
                evaluate=HELD_OUT,
                evaluate_windows=arguments.windows,
                evaluate_sequence_length=512,
                calibration=CALIBRATION,
                seed=arguments.seed,
                **options,
            )
    return jobs


def cell(job: dict) -> str:
    if job["state"] != "JOB_STATE_SUCCEEDED":
        return f"failed: {job['error']['message']}"
    result = job["result"]
    pruned = result["evaluations"][0]["pruned"]
    seconds = sum(stage["seconds"] for stage in result["stages"] if stage["stage"] not in {"prepare", "evaluate"})
    return f"{pruned['perplexity']:.2f} ({result['sparsity']:.4f}, {seconds:.0f} s)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--windows", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="rows whose name holds one of these words")
    arguments = parser.parse_args()

    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Cluster(Path(folder), allow=[arguments.model]) as cluster:
        cluster.lease_term = "60s"
        cluster.start_coordinator()
        for number in range(arguments.workers):
            cluster.start_worker(f"worker-{number}", device=arguments.device, threads=arguments.threads)
        cells: dict[tuple[str, float], str] = {}
        for key, name in submit_all(cluster, arguments).items():
            job = cluster.finish(name, seconds=24 * 3600)
            cells[key] = cell(job)
            print(f"[{time.monotonic() - begun:6.0f} s] {key[0]}, {key[1]:.0%}: {cells[key]}", flush=True)
            dense = job.get("result", {}).get("evaluations", [{}])[0].get("dense", {}).get("perplexity")

    print(f"\ndense perplexity {dense:.2f}; a cell: perplexity (sparsity reached, seconds of all workers)\n")
    print("| method | 50% | 60% | 70% |\n|---|---|---|---|")
    for name, _, _ in ROWS:
        row = [cells.get((name, sparsity), "") for sparsity in (0.5, 0.6, 0.7)]
        if any(row):
            print(f"| {name} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
