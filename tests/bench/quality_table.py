"""What quality costs and gives, and what each ingredient adds: every cell a job of the real service, several seeds each.
A benchmark, not a test.

    .deps/venv/bin/python tests/bench/quality_table.py --model FOLDER --device cuda:0 --workers 5 [--seconds 180]
        [--only NAME ...] [--seeds 3] [--table goals|ablation|allocation]

Calibration: 512 random windows of 512 tokens of tests/data/text/calibration.txt.xz, drawn by the seed. Perplexity: the
first 800 windows of 512 of held_out.txt.xz. Rows come in order of importance and are told as they finish. A cell is the
mean over the seeds, half of the range between the largest and the smallest, and the seconds that workers spent (they
share the device).
"""

from __future__ import annotations

import statistics
import sys
import time

from method_jobs import Cell, Measured, parser_of, run, service, wanted

BATCH = {"batch_size": 4}
SEQUENTIAL = {"schedule": "sequential"}
SURVEYED = {"block_allocation": "measured"}
ALL = [0.5, 0.6, 0.7]
ENDS = [0.5, 0.7]


def recovery(epochs: int = 4, **more) -> dict:
    return {"recovery_epochs": epochs} | {f"recovery_{name}": value for name, value in more.items()}


GOALS: list[tuple[str, dict, list[float]]] = [
    ("fast", BATCH | {"quality": "fast"}, ALL),
    ("default, independent", BATCH, ALL),
    ("default, sequential", BATCH | SEQUENTIAL, ALL),
    ("balanced", BATCH | {"quality": "balanced"}, ALL),
    ("best", BATCH | {"quality": "best"}, ALL),
    ("2:4 Wanda, balanced", {"method": "wanda", "pattern": "2:4", "quality": "balanced"}, [0.5]),
    ("2:4 SparseGPT, balanced", {"method": "sparsegpt", "pattern": "2:4", "quality": "balanced"}, [0.5]),
    ("2:4 Wanda, best", {"method": "wanda", "pattern": "2:4", "quality": "best"}, [0.5]),
    ("2:4 SparseGPT, best", {"method": "sparsegpt", "pattern": "2:4", "quality": "best"}, [0.5]),
]

RECOVERED = BATCH | SEQUENTIAL | recovery()
ABLATION: list[tuple[str, dict, list[float]]] = [
    ("reference: sequential, 4 passes of recovery", RECOVERED, ENDS),
    ("- learned allocation (Wanda)", {"method": "wanda"} | SURVEYED | SEQUENTIAL | recovery(), ENDS),
    ("- learned allocation (SparseGPT)", {"method": "sparsegpt"} | SURVEYED | SEQUENTIAL | recovery(), ENDS),
    ("- growing masks", RECOVERED | recovery(masks="fixed"), ENDS),
    ("- looking ahead", RECOVERED | {"loss": "block"}, ENDS),
    ("- survey of the blocks", RECOVERED | {"block_allocation": "uniform"}, ENDS),
    ("- both", RECOVERED | recovery(masks="fixed") | {"block_allocation": "uniform"}, ENDS),
    ("- sequential schedule", BATCH | recovery(), ENDS),
    ("- dense reference", RECOVERED | {"reference": "pruned-stream"}, ENDS),
    ("- recovery", BATCH | SEQUENTIAL, ENDS),
    ("- recovery and survey", BATCH | SEQUENTIAL | {"block_allocation": "uniform"}, ENDS),
    ("- recovery, survey and sequential schedule", BATCH | {"block_allocation": "uniform"}, ENDS),
    ("recovery alone (Wanda, independent)", {"method": "wanda"} | recovery(masks="fixed"), ENDS),
    ("recovery and growing masks alone (Wanda, independent)", {"method": "wanda"} | recovery(), ENDS),
    ("1 pass", RECOVERED | recovery(1), ENDS),
    ("2 passes", RECOVERED | recovery(2), ENDS),
    ("8 passes", RECOVERED | recovery(8), ENDS),
    ("16 passes", RECOVERED | recovery(16), ENDS),
    ("rate 0.0005", RECOVERED | recovery(learning_rate=5e-4), ENDS),
    ("rate 0.002", RECOVERED | recovery(learning_rate=2e-3), ENDS),
    ("rate 0.003", RECOVERED | recovery(learning_rate=3e-3), ENDS),
    ("batch 2", RECOVERED | recovery(batch_size=2), ENDS),
    ("batch 8, rate 0.002", RECOVERED | recovery(batch_size=8, learning_rate=2e-3), ENDS),
    ("batch 16, rate 0.003", RECOVERED | recovery(batch_size=16, learning_rate=3e-3), ENDS),
    ("prior sigma 0.05", RECOVERED | {"prior_sigma": 0.05}, ENDS),
    ("prior sigma 0.12", RECOVERED | {"prior_sigma": 0.12}, ENDS),
    ("d_coef 10", RECOVERED | {"d_coef": 10}, ENDS),
    ("2 passes of allocation", RECOVERED | {"epochs": 2}, ENDS),
]

# The allocation alone, where there is most to gain.
HIGH = [0.6, 0.7]
ALLOCATION: list[tuple[str, dict, list[float]]] = [
    ("reference: independent", BATCH, HIGH),
    ("2 passes", BATCH | {"epochs": 2}, HIGH),
    ("4 passes", BATCH | {"epochs": 4}, HIGH),
    ("d_coef 20", BATCH | {"d_coef": 20}, HIGH),
    ("d_coef 50", BATCH | {"d_coef": 50}, HIGH),
    ("2 passes, d_coef 20", BATCH | {"epochs": 2, "d_coef": 20}, HIGH),
    ("sigma 0.05", BATCH | {"prior_sigma": 0.05}, HIGH),
    ("sigma 0.12", BATCH | {"prior_sigma": 0.12}, HIGH),
    ("sigma 0.2", BATCH | {"prior_sigma": 0.2}, HIGH),
    ("2 passes, sigma 0.12", BATCH | {"epochs": 2, "prior_sigma": 0.12}, HIGH),
    ("batch 2", {"batch_size": 2}, HIGH),
    ("batch 1", {"batch_size": 1}, HIGH),
    ("sequential, 2 passes", BATCH | SEQUENTIAL | {"epochs": 2}, HIGH),
    ("sequential, sigma 0.12", BATCH | SEQUENTIAL | {"prior_sigma": 0.12}, HIGH),
    ("sequential, d_coef 20", BATCH | SEQUENTIAL | {"d_coef": 20}, HIGH),
]
TABLES = {"goals": GOALS, "ablation": ABLATION, "allocation": ALLOCATION}


def shown(cells: list[Measured]) -> str:
    perplexities = [cell.perplexity for cell in cells]
    mean = statistics.mean(perplexities)
    half = (max(perplexities) - min(perplexities)) / 2
    seconds = statistics.mean(cell.seconds for cell in cells)
    return f"{mean:.2f} ±{half:.2f} ({seconds:.1f} s)"


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--table", choices=sorted(TABLES), default="goals")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    rows = [row for row in TABLES[arguments.table] if wanted(row[0], arguments)]
    jobs = [
        Cell(name, sparsity, seed, options)
        for name, options, sparsities in rows
        for sparsity in sparsities
        for seed in range(arguments.seeds)
    ]
    begun = time.monotonic()
    done: dict[tuple[str, float], list[Measured]] = {}
    with service(arguments) as cluster:
        for job, cell in run(cluster, jobs, arguments):
            cells = done.setdefault((job.row, job.sparsity), [])
            cells.append(cell)
            if len(cells) == arguments.seeds:
                elapsed = time.monotonic() - begun
                print(f"[{elapsed:6.0f} s] {job.row}, {job.sparsity:.0%}: {shown(cells)}", flush=True)
    if not done:
        sys.exit("no job succeeded")

    dense = next(iter(done.values()))[0].dense
    print(
        f"\ndense perplexity {dense:.2f}; a cell: mean ± half of the range ({arguments.seeds} seeds), seconds of work\n"
    )
    print(f"| | {' | '.join(f'{sparsity:.0%}' for sparsity in ALL)} | seconds by stage |\n|---|{'---|' * len(ALL)}---|")
    for name, _, _ in rows:
        of_row = {sparsity: done[name, sparsity] for sparsity in ALL if (name, sparsity) in done}
        if not of_row:
            continue
        cells = [shown(of_row[sparsity]) if sparsity in of_row else "" for sparsity in ALL]
        every = [cell for cells_of in of_row.values() for cell in cells_of]
        stages = {stage: statistics.mean(cell.stages.get(stage, 0.0) for cell in every) for stage in every[0].stages}
        by_stage = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in stages.items())
        print(f"| {name} | {' | '.join(cells)} | {by_stage} |")


if __name__ == "__main__":
    main()
