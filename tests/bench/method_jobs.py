"""Jobs for tables of methods: one service, many workers, every cell a job that measures its own perplexity.

Calibration: random windows of 512 tokens of tests/data/text/calibration.txt.xz, drawn by the job's seed. Perplexity: the
first windows of 512 of held_out.txt.xz.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cluster import CALIBRATION, ENDED, HELD_OUT, Cluster

# Stages that are no part of pruning.
OTHER_STAGES = {"prepare", "tokenize", "evaluate"}


@dataclass(frozen=True)
class Cell:
    """A job of a table: `options` are flags of `besa prune`."""

    row: str
    sparsity: float
    seed: int = 0
    options: dict = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Measured:
    perplexity: float
    dense: float
    sparsity: float
    # What workers spent on the job but for preparing and evaluating, and the same by stage.
    seconds: float
    stages: dict[str, float]


def parser_of(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--length", type=int, default=512, help="tokens a window")
    parser.add_argument("--windows", type=int, default=800)
    parser.add_argument("--only", nargs="*", help="rows whose name holds one of these words")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="after these, no more jobs are started")
    return parser


@contextmanager
def service(arguments: argparse.Namespace) -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory() as folder, Cluster(Path(folder), allow=[arguments.model]) as cluster:
        cluster.lease_term = "60s"
        cluster.start_coordinator()
        for number in range(arguments.workers):
            cluster.start_worker(f"worker-{number}", device=arguments.device, threads=arguments.threads)
        yield cluster


def wanted(row: str, arguments: argparse.Namespace) -> bool:
    return not arguments.only or any(word in row for word in arguments.only)


def submit(cluster: Cluster, cell: Cell, arguments: argparse.Namespace) -> str:
    return cluster.submit(
        re.sub(r"[^A-Za-z0-9]+", "-", f"{cell.row} {cell.sparsity} {cell.seed}"),
        model=arguments.model,
        sparsity=cell.sparsity,
        samples=arguments.samples,
        sequence_length=arguments.length,
        evaluate=HELD_OUT,
        evaluate_windows=arguments.windows,
        evaluate_sequence_length=arguments.length,
        calibration=CALIBRATION,
        seed=cell.seed,
        **cell.options,
    )


def measured(job: dict) -> Measured:
    result = job["result"]
    text = result["evaluations"][0]
    stages = {stage["stage"]: stage["seconds"] for stage in result["stages"] if stage["stage"] not in OTHER_STAGES}
    return Measured(
        text["pruned"]["perplexity"], text["dense"]["perplexity"], result["sparsity"], sum(stages.values()), stages
    )


def run(cluster: Cluster, cells: Iterable[Cell], arguments: argparse.Namespace) -> Iterator[tuple[Cell, Measured]]:
    """Runs the cells in order, enough at once to keep all workers busy; yields each as it is done."""
    begun = time.monotonic()
    waiting = list(cells)
    running: dict[str, Cell] = {}
    while waiting or running:
        late = time.monotonic() - begun > arguments.seconds
        if late and waiting:
            print(f"time is up: {len(waiting)} jobs are not started", flush=True)
            waiting = []
        while waiting and len(running) < 2 * arguments.workers:
            cell = waiting.pop(0)
            running[submit(cluster, cell, arguments)] = cell
        time.sleep(0.1)
        for name in list(running):
            job = cluster.job(name)
            if job["state"] not in ENDED:
                continue
            cell = running.pop(name)
            if job["state"] == "JOB_STATE_SUCCEEDED":
                yield cell, measured(job)
            else:
                print(f"{cell.row}, {cell.sparsity:.0%}, seed {cell.seed}: {job['error']['message']}", flush=True)
