"""Draws what the panels of each dashboard show for a real job: docs/images/dashboard-*.png.

Runs the service, a real Prometheus and two jobs, the second of which loses a worker; then asks every panel's queries and
plots the answers. Usage: BESA_BUILD=build python tests/show/draw_dashboards.py [folder]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from cluster import HELD_OUT, ROOT, Cluster, wait_until
from monitored import Prometheus, dashboards, fill_in, panels
from scrape import metrics_address

# Of a dashboard, in Grafana's units; inches of one of its rows, and of the title.
WIDTH = 24
ROW = 0.37
HEAD = 0.6
UNITS = {"bytes": (2**20, "MiB"), "Bps": (2**20, "MiB/s"), "percentunit": (0.01, "%"), "s": (1, "s")}


def short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 or number == int(number) else f"{number:.3g}"


def answers(prometheus: Prometheus, panel: dict, variables: dict, begin: float) -> list[tuple[str, list, list]]:
    """Name, times in seconds since `begin` and values of each series of the panel."""
    found = []
    for target in panel["targets"]:
        for series in prometheus.range(fill_in(target["expr"], variables), begin):
            name = target.get("legendFormat", "")
            for label, value in series["metric"].items():
                name = name.replace("{{" + label + "}}", value)
            while "{{" in name:
                name = name[: name.index("{{")] + name[name.index("}}") + 2 :]
            points = [(at - begin, float(value)) for at, value in series["values"] if value != "NaN"]
            if points:
                found.append((name.strip(), [at for at, _ in points], [value for _, value in points]))
    return found


def draw_number(axes, series, scale, unit, name_only: bool) -> None:
    _, _, values = series[-1]
    # Series that have ended, such as a state that a job was in, are gone.
    last = max(times[-1] for _, times, _ in series)
    names = dict.fromkeys(name for name, times, _ in series if times[-1] == last)
    text = "\n".join(names) if name_only else f"{short(values[-1] / scale)}{' ' + unit if unit else ''}"
    axes.text(0.5, 0.45, text, ha="center", va="center", fontsize=12 if name_only else 19, color="#1f6f8b", wrap=True)
    axes.set_axis_off()


def draw_bars(axes, series, scale) -> None:
    names = [name for name, _, _ in series]
    axes.barh(names, [values[-1] / scale for _, _, values in series], color="#1f6f8b")


def draw_heat(axes, figure, series, scale) -> None:
    def key(one):
        return int(one[0]) if one[0].isdigit() else 0

    ordered = sorted(series, key=key)
    last = int(max(times[-1] for _, times, _ in ordered)) + 1
    grid = [[float("nan")] * last for _ in ordered]
    for row, (_, times, values) in enumerate(ordered):
        for at, value in zip(times, values, strict=True):
            grid[row][int(at)] = value / scale
    image = axes.imshow(grid, aspect="auto", cmap="YlGnBu", interpolation="nearest", extent=(0, last, len(grid), 0))
    axes.set_yticks([row + 0.5 for row in range(len(grid))], [name for name, _, _ in ordered])
    axes.set_ylabel("block")
    figure.colorbar(image, ax=axes, fraction=0.03, pad=0.02).ax.tick_params(labelsize=7)


def draw_lines(axes, series, scale) -> None:
    for name, times, values in series[:14]:
        axes.plot(times, [value / scale for value in values], label=name, linewidth=1.4)
    # The legend gets room of its own above the lines.
    most = max((value / scale for _, _, values in series[:14] for value in values), default=0)
    axes.set_ylim(0, most * (1.1 + 0.09 * ((min(len(series), 14) + 1) // 2)) or 1)
    axes.grid(alpha=0.25)
    if any(name for name, _, _ in series):
        axes.legend(fontsize=6.5, loc="upper left", ncols=2, framealpha=0.7)


def draw(board: dict, prometheus: Prometheus, variables: dict, begin: float, path: Path) -> None:
    wanted = panels(board)
    x = y = tallest = 0
    places = []
    for panel in wanted:
        width, height = panel["gridPos"]["w"], panel["gridPos"]["h"]
        if x + width > WIDTH:
            x, y, tallest = 0, y + tallest, 0
        places.append((x, y, width, height))
        x, tallest = x + width, max(tallest, height)
    rows = y + tallest
    figure_width, figure_height = 17, HEAD + rows * ROW
    figure = plt.figure(figsize=(figure_width, figure_height))

    def place(left: int, top: int, width: int, height: int, panel_type: str):
        """Axes within the panel's cell, with room for its title and the labels of its axes; all in inches."""
        before = 0.95 if panel_type == "bargauge" else 0.5
        x0 = left * figure_width / WIDTH + before
        after = 0.5 if panel_type == "status-history" else 0.15
        x1 = (left + width) * figure_width / WIDTH - after
        y0 = figure_height - HEAD - (top + height) * ROW + 0.3
        y1 = figure_height - HEAD - top * ROW - 0.32
        return figure.add_axes(
            (x0 / figure_width, y0 / figure_height, (x1 - x0) / figure_width, (y1 - y0) / figure_height)
        )

    figure.text(0.01, 1 - 0.3 / figure_height, board["title"], fontsize=15, ha="left", va="center")
    for panel, (left, top, width, height) in zip(wanted, places, strict=True):
        axes = place(left, top, width, height, panel["type"])
        axes.set_title(panel["title"], fontsize=9.5, loc="left")
        series = answers(prometheus, panel, variables, begin)
        scale, unit = UNITS.get(panel["fieldConfig"]["defaults"].get("unit", ""), (1, ""))
        if not series:
            axes.text(0.5, 0.5, "nothing", ha="center")
        elif panel["type"] == "stat":
            draw_number(axes, series, scale, unit, panel["options"].get("textMode") == "name")
        elif panel["type"] == "bargauge":
            draw_bars(axes, series, scale)
        elif panel["type"] == "status-history":
            draw_heat(axes, figure, series, scale)
        else:
            draw_lines(axes, series, scale)
        axes.tick_params(labelsize=7)
        if unit and panel["type"] not in ("stat", "status-history"):
            axes.set_title(f"{panel['title']} [{unit}]", fontsize=9.5, loc="left")
    figure.savefig(path, dpi=80)
    plt.close(figure)


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    target.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        Cluster(Path(folder) / "service", lease_term="3s", heartbeat_interval="300ms") as cluster,
    ):
        cluster.start_coordinator("--metrics-listen", "127.0.0.1:0")
        for name in ("worker-1", "worker-2"):
            cluster.start_worker(name, "--metrics-listen", "127.0.0.1:0")
        workers = [metrics_address(cluster, name) for name in ("worker-1", "worker-2")]
        (Path(folder) / "prometheus").mkdir()
        prometheus = Prometheus(Path(folder) / "prometheus").start([metrics_address(cluster, "coordinator")], workers)
        try:
            begin = time.time()
            common = {"evaluate": HELD_OUT, "evaluate_windows": 40, "samples": 128, "sequence_length": 256}
            cluster.succeed(cluster.submit("first", *("--name", "first"), **common), 300)
            job = cluster.submit("second", *("--name", "second"), **common)
            wait_until(lambda: cluster.job(job)["progress"].get("blocks_committed", 0) >= 1, 120, "a block")
            cluster.kill_worker("worker-2")
            cluster.succeed(job, 300)
            time.sleep(5)
            for board in dashboards():
                path = target / f"dashboard-{board['uid'].removeprefix('besa-')}.png"
                draw(board, prometheus, {"job": job, "instance": "|".join(workers)}, begin, path)
                print(path)
        finally:
            prometheus.stop()


if __name__ == "__main__":
    main()
