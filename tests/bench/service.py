"""The whole service on one device: a checkpoint of random weights (make_checkpoint.py) from a folder to a published output.
Wall time from submitting to SUCCEEDED, against what the engine took for the blocks and what `besa estimate` said before.

    python3 tests/bench/service.py --shape llama-7b --device cuda:0 --folder /dev/shm --build build
    python3 tests/bench/service.py --hidden 256 --layers 6 --samples 64 --length 256        # a CPU

`--folder` holds model, workspace and output, about three times the model's bytes; what is made there is deleted. Nothing is
evaluated. Needs nothing but Python and the programs. With `--runs 2` the second job's estimate rests on the first one.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "bench")]
import make_checkpoint

# What the store does beside the device's work.
BESIDE = {"upload", "fetch"}


def seconds_between(begin: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


def stages_of(tasks: dict[str, dict], prefix: str) -> dict[str, float]:
    stages: dict[str, float] = {}
    for name, task in tasks.items():
        if not name.startswith(prefix):
            continue
        for stage in task["result"].get("stages", []):
            stages[stage["stage"]] = stages.get(stage["stage"], 0.0) + stage.get("seconds", 0.0)
    return stages


def shown(stages: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.2f}" for name, seconds in sorted(stages.items(), key=lambda item: -item[1]))


def milestones(job: dict, tasks: dict[str, dict]) -> str:
    """When each kind of task was done, in seconds after the job was created."""
    ends: dict[str, float] = {}
    for name, task in tasks.items():
        kind = re.sub(r"-\d+$", "", name)
        end = seconds_between(job["create_time"], task["attempts"][-1]["end_time"])
        ends[kind] = max(ends.get(kind, 0.0), end)
    return ", ".join(f"{kind} {end:.2f}" for kind, end in sorted(ends.items(), key=lambda item: item[1]))


def run(cluster, number: int, spec: dict, seconds: float) -> None:
    output = f"output-{number}"
    estimate = cluster.estimate(output, **spec)
    name = cluster.submit(output, **spec)
    job = cluster.succeed(name, seconds)
    tasks = cluster.tasks(name)
    wall = seconds_between(job["create_time"], job["end_time"])
    stages = stages_of(tasks, "prune-")
    engine = sum(taken for stage, taken in stages.items() if stage not in BESIDE)
    survey = stages_of(tasks, "prepare").get("survey", 0.0)
    estimated = float(estimate["seconds"])
    print(f"run {number}: {wall:.2f} s from submitting to SUCCEEDED, sparsity {job['result']['sparsity']:.4f}")
    print(f"  engine's blocks {engine:.2f} s: wall / blocks {wall / engine:.3f}")
    if survey:
        print(f"  survey of the blocks {survey:.2f} s: wall / (blocks and survey) {wall / (engine + survey):.3f}")
    print(f"  estimated {estimated:.2f} s before: {estimated / wall - 1:+.1%}")
    print(f"  blocks by stage: {shown(stages)}")
    print(f"  done after: {milestones(job, tasks)}")
    published = sum(path.stat().st_size for path in (cluster.folder / output).iterdir())
    print(f"  published {published / 1e9:.2f} GB", flush=True)
    shutil.rmtree(cluster.folder / output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600, help="to wait for a job")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="a flag of `besa prune`")
    make_checkpoint.add_shape_flags(parser)
    arguments = parser.parse_args()
    os.environ["BESA_BUILD"] = str(arguments.build.resolve())
    from cluster import Cluster, wait_until

    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder, Cluster(Path(folder)) as cluster:
        model = Path(folder) / "model"
        begun = time.monotonic()
        make_checkpoint.make(model, make_checkpoint.shape_of(arguments))
        size = sum(path.stat().st_size for path in model.iterdir())
        print(f"checkpoint of {size / 1e9:.2f} GB made in {time.monotonic() - begun:.1f} s", flush=True)
        cluster.lease_term = "60s"
        cluster.heartbeat_interval = "2s"
        cluster.start_coordinator()
        cluster.start_worker("worker", device=arguments.device, threads=arguments.threads)
        wait_until(lambda: cluster.besa("--json", "workers", "list").json().get("workers"), 120, "the worker")
        spec = {"model": model, "samples": arguments.samples, "sequence_length": arguments.length}
        spec |= dict(option.split("=", 1) for option in arguments.option)
        try:
            for number in range(1, arguments.runs + 1):
                run(cluster, number, spec, arguments.seconds)
        except AssertionError:
            print(cluster.log("worker")[-4000:], cluster.log("coordinator")[-2000:], sep="\n", file=sys.stderr)
            raise


if __name__ == "__main__":
    main()
