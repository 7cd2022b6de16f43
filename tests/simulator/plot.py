"""Runs besa-simulate over fleets and draws docs/images/simulation-*.svg; prints the tables of docs/simulation.md.

python tests/simulator/plot.py --build build --output docs/images
"""

import argparse
import json
import subprocess
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "besa"
import matplotlib.pyplot as plt

COUNTS = [1, 2, 4, 8, 16, 32, 64]
WALKED, STORED, LOST = "#4878a8", "#e08a3c", "#c03030"


class Simulator:
    """The program and its times."""

    def __init__(self, build: Path, times: Path):
        self.command = [build / "tests" / "simulator" / "besa-simulate", "--times", times]

    def run(self, *arguments: str) -> list[dict]:
        done = subprocess.run([*self.command, *arguments], capture_output=True, text=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def fleets(self, shape: str, bandwidth: str, activations: str) -> list[dict]:
        counts = ",".join(map(str, COUNTS))
        arguments = ["--shape", shape, "--bandwidth", bandwidth, "--activations", activations]
        return self.run(*arguments, "--workers", counts)


def save(figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def speedups(simulator: Simulator, output: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(10, 4))
    for axis, shape in zip(axes, ("7B", "70B"), strict=True):
        one = {b: simulator.fleets(shape, b, "walked")[0]["seconds"] for b in ("cached", "network")}
        for activations, colour in (("walked", WALKED), ("stored", STORED)):
            for bandwidth, style in (("cached", "-"), ("network", ":")):
                runs = simulator.fleets(shape, bandwidth, activations)
                speed = [one[bandwidth] / run["seconds"] for run in runs]
                axis.plot(COUNTS, speed, style, color=colour, marker="o", label=f"{activations}, {bandwidth}")
                for run, times in zip(runs, speed, strict=True):
                    print(
                        f"| {shape} | {activations} | {bandwidth} | {run['workers']} | {run['seconds']:.0f} "
                        f"| {times:.2f} | {run['extra_forwards']:.0f} | {run['bytes_read'] / 1e9:.0f} |"
                    )
        axis.plot(COUNTS, COUNTS, "--", color="grey", linewidth=0.8, label="workers")
        axis.set(title=shape, xlabel="workers", ylabel="times as fast as one", xscale="log", yscale="log")
        axis.set_xticks(COUNTS, COUNTS)
        axis.set_yticks([1, 2, 4, 8, 16], [1, 2, 4, 8, 16])
        axis.legend(fontsize=8)
    save(figure, output / "simulation-speedup.svg")


def draw(axis, run: dict, title: str) -> None:
    for span in run["spans"]:
        worker, start = span["worker"], span["start"]
        main = LOST if span["lost"] else WALKED
        if span["block"] < 0:
            axis.barh(worker, span["end"] - start, left=start, color=STORED, edgecolor="white", linewidth=0.3)
            continue
        axis.barh(worker, span["arrived"] - start, left=start, color="#c8c8c8", edgecolor="white", linewidth=0.3)
        axis.barh(
            worker, span["end"] - span["arrived"], left=span["arrived"], color=main, edgecolor="white", linewidth=0.3
        )
    axis.invert_yaxis()
    axis.set(title=f"{title}: {run['seconds']:.0f} s", xlabel="seconds", ylabel="worker")


def fleets_at_work(simulator: Simulator, output: Path) -> None:
    figure, axes = plt.subplots(2, 2, figsize=(12, 7))
    cases = [
        ("8 workers, walked", ["--workers", "8"]),
        ("8 workers, stored", ["--workers", "8", "--activations", "stored"]),
        ("one dies at 30 s, one joins at 20 s", ["--workers", "6", "--worker", "1:0:30", "--worker", "1:20"]),
        (
            "speeds 2, 1, 1, 1, 0.5 and 0.1",
            ["--workers", "3", "--worker", "2:0", "--worker", "0.5:0", "--worker", "0.1:0"],
        ),
    ]
    for axis, (title, arguments) in zip(axes.flat, cases, strict=True):
        draw(axis, simulator.run("--shape", "70B", "--spans", *arguments)[0], title)
    save(figure, output / "simulation-70b.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--times", type=Path, default=Path(__file__).with_name("times.json"))
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    simulator = Simulator(options.build, options.times)
    print("| shape | activations | bandwidth | workers | seconds | times one | forwards repeated | GB read |")
    print("|---|---|---|---|---|---|---|---|")
    speedups(simulator, options.output)
    fleets_at_work(simulator, options.output)


if __name__ == "__main__":
    main()
