"""The table of methods by perplexity, each cell a job of the real service. A benchmark, not a test.

    .deps/venv/bin/python tests/bench/paper_table.py --model FOLDER [--device cuda:0] [--workers 4] [--only NAME ...]

Calibration: 512 random windows of 512 tokens of tests/data/text/calibration.txt.xz, seed 0. Perplexity: the first 800
windows of 512 of held_out.txt.xz. Jobs run side by side on all workers; seconds are those that workers spent on a job.
"""

from __future__ import annotations

import sys
import time

from method_jobs import Cell, Measured, parser_of, run, service, wanted

BATCH = {"batch_size": 4}
# As the reference has it: all blocks alike, each trained to keep its own output.
PLAIN = {"block_allocation": "uniform", "loss": "block"}
PAPER = {"preset": "paper", "d_coef": 5} | BATCH
ROWS: list[tuple[str, dict, list[float]]] = [
    ("magnitude", {"method": "magnitude"}, [0.5, 0.6]),
    ("Wanda, sequential", {"method": "wanda", "schedule": "sequential"}, [0.5, 0.6, 0.7]),
    ("SparseGPT, sequential", {"method": "sparsegpt", "schedule": "sequential"}, [0.5, 0.6, 0.7]),
    ("BESA paper, sequential", {"schedule": "sequential"} | PAPER, [0.5, 0.6]),
    ("BESA paper, independent", PAPER, [0.5, 0.6]),
    ("BESA with the prior, plain, independent", BATCH | PLAIN, [0.5, 0.6, 0.7]),
    ("BESA with the prior, plain, sequential", {"schedule": "sequential"} | BATCH | PLAIN, [0.5, 0.6, 0.7]),
    ("BESA default, independent", BATCH, [0.5, 0.6, 0.7]),
    ("BESA default, sequential", {"schedule": "sequential"} | BATCH, [0.5, 0.6, 0.7]),
]


def shown(cell: Measured) -> str:
    return f"{cell.perplexity:.2f} ({cell.sparsity:.4f}, {cell.seconds:.0f} s)"


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    begun = time.monotonic()
    jobs = [
        Cell(name, sparsity, arguments.seed, options)
        for name, options, sparsities in ROWS
        if wanted(name, arguments)
        for sparsity in sparsities
    ]
    cells: dict[tuple[str, float], Measured] = {}
    with service(arguments) as cluster:
        for job, cell in run(cluster, jobs, arguments):
            cells[job.row, job.sparsity] = cell
            print(f"[{time.monotonic() - begun:6.0f} s] {job.row}, {job.sparsity:.0%}: {shown(cell)}", flush=True)
    if not cells:
        sys.exit("no job succeeded")

    dense = next(iter(cells.values())).dense
    print(f"\ndense perplexity {dense:.2f}; a cell: perplexity (sparsity reached, seconds of all workers)\n")
    print("| method | 50% | 60% | 70% |\n|---|---|---|---|")
    for name, _, _ in ROWS:
        row = [shown(cells[name, sparsity]) if (name, sparsity) in cells else "" for sparsity in (0.5, 0.6, 0.7)]
        if any(row):
            print(f"| {name} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
