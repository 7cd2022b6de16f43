"""Perplexity after pruning in float32 and in bfloat16, over several seeds. A benchmark, not a test.

    python3 tests/bench/compute_table.py --model FOLDER --device cuda:0 --workers 3 [--seeds 3]

Texts as in paper_table.py. Needs nothing but Python and the programs.
"""

from __future__ import annotations

import statistics
import sys

from method_jobs import Cell, parser_of, run, service

TYPES = ("float32", "bfloat16")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sparsity", type=float, nargs="*", default=[0.5])
    arguments = parser.parse_args()
    jobs = [
        Cell(compute, sparsity, seed, {"compute": compute})
        for sparsity in arguments.sparsity
        for seed in range(1, arguments.seeds + 1)
        for compute in TYPES
    ]
    found: dict[tuple[str, float], list[float]] = {}
    with service(arguments) as cluster:
        for job, cell in run(cluster, jobs, arguments):
            found.setdefault((job.row, job.sparsity), []).append(cell.perplexity)
    print("| sparsity | float32 | bfloat16 | bfloat16 to float32 |\n|---|---|---|---|")
    for sparsity in arguments.sparsity:
        of_type = [found.get((compute, sparsity), []) for compute in TYPES]
        if any(len(cells) != arguments.seeds for cells in of_type):
            sys.exit(f"{sparsity:.0%}: not every job succeeded")
        means = [statistics.mean(cells) for cells in of_type]
        cells = [f"{mean:.2f} ({min(of):.2f} to {max(of):.2f})" for mean, of in zip(means, of_type, strict=True)]
        print(f"| {sparsity:.0%} | {cells[0]} | {cells[1]} | {means[1] / means[0] - 1:+.2%} |")


if __name__ == "__main__":
    main()
