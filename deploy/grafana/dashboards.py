"""The Grafana dashboards as code: writes dashboards/*.json, which Grafana provisions. `make dashboards` runs it.

Panels of errors end in `or vector(0)`, so that a fleet in which nothing fails shows a line at nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from grafana_foundation_sdk.builders import bargauge, common, stat, statushistory, timeseries
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import prometheus as queries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models

FOLDER = Path(__file__).resolve().parent / "dashboards"
SOURCE = models.DataSourceRef(type_val="prometheus", uid="besa-prometheus")
RATE = "$__rate_interval"


def query(expression: str, legend: str, number: int = 0):
    return queries.Dataquery().expr(expression).legend_format(legend).ref_id(chr(ord("A") + number))


def filled(panel, title: str, targets: list[tuple[str, str]], unit: str, help_text: str, width: int, height: int):
    panel = panel.title(title).datasource(SOURCE).unit(unit).span(width).height(height)
    if help_text:
        panel = panel.description(help_text)
    for number, (expression, legend) in enumerate(targets):
        panel = panel.with_target(query(expression, legend, number))
    return panel


def lines(title: str, targets, unit: str = "short", help_text: str = "", width: int = 8, stacked: bool = False):
    panel = timeseries.Panel().line_width(2).fill_opacity(25 if stacked else 8).min(0)
    panel = panel.show_points(options.VisibilityMode.NEVER)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL))
    return filled(panel, title, targets, unit, help_text, width, 8)


def number(title: str, targets, unit: str = "short", help_text: str = "", width: int = 4):
    panel = stat.Panel().reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel = panel.color_mode(options.BigValueColorMode.VALUE).graph_mode(options.BigValueGraphMode.AREA)
    return filled(panel, title, targets, unit, help_text, width, 4)


def word(title: str, targets, help_text: str = "", width: int = 4):
    """Shows what the legend says rather than the value."""
    panel = stat.Panel().reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel = panel.text_mode(options.BigValueTextMode.NAME).graph_mode(options.BigValueGraphMode.NONE)
    return filled(panel, title, targets, "short", help_text, width, 4)


def bars(title: str, targets, unit: str = "short", help_text: str = "", width: int = 8):
    panel = bargauge.Panel().orientation(options.VizOrientation.HORIZONTAL)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return filled(panel, title, targets, unit, help_text, width, 8)


def heat(title: str, targets, unit: str, scheme: str, help_text: str = "", width: int = 12, height: int = 14):
    """Rows are series, columns are time."""
    color = dashboards.FieldColor().mode(models.FieldColorModeId(scheme))
    panel = statushistory.Panel().row_height(0.9).show_value(options.VisibilityMode.AUTO).color_scheme(color)
    panel = panel.max_data_points(60)
    return filled(panel, title, targets, unit, help_text, width, height)


def board(uid: str, title: str, panels_by_row: dict[str, list], variable: tuple[str, str] | None = None):
    made = dashboards.Dashboard(title).uid(uid).tags(["besa"]).refresh("15s").time("now-30m", "now")
    made = made.timezone("browser").readonly()
    if variable:
        name, values = variable
        made = made.with_variable(
            dashboards.QueryVariable(name)
            .label(name)
            .query(values)
            .datasource(SOURCE)
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.ALPHABETICAL_ASC)
        )
    for row, panels in panels_by_row.items():
        made = made.with_row(dashboards.Row(row))
        for panel in panels:
            made = made.with_panel(panel)
    return made.build()


def quantiles(metric: str, by: str = "", only: str = "", windows=((0.5, "median"), (0.99, "p99"))):
    labels = f"le, {by}" if by else "le"
    legend = f"{{{{{by}}}}} " if by else ""
    return [
        (f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{only}[{RATE}])))", legend + name)
        for share, name in windows
    ]


def fleet():
    failed = f'sum by (reason) (rate(besa_attempts_ended_total{{outcome=~"FAILED|EXPIRED"}}[{RATE}])) * 3600'
    return board(
        "besa-fleet",
        "besa / fleet",
        {
            "Now": [
                number("Jobs that run or wait", [("sum(max by (state) (besa_jobs))", "jobs")]),
                number("Workers", [('sum(max by (state) (besa_workers{state=~"IDLE|BUSY"}))', "workers")]),
                number("Workers busy", [('max(besa_workers{state="BUSY"})', "busy")]),
                number("Tokens a second", [(f"sum(rate(besa_worker_tokens_total[{RATE}]))", "tokens")]),
                number("Jobs waiting with a reason", [("max(besa_jobs_waiting)", "waiting")]),
                number(
                    "Failed attempts an hour",
                    [
                        (
                            (
                                f'sum(rate(besa_attempts_ended_total{{outcome=~"FAILED|EXPIRED"}}[{RATE}])) * 3600'
                                " or vector(0)"
                            ),
                            "failed",
                        )
                    ],
                ),
            ],
            "Work": [
                lines("Jobs by state", [("max by (state) (besa_jobs)", "{{state}}")], stacked=True),
                lines("Blocks by state", [('max by (state) (besa_tasks{kind="PRUNE"})', "{{state}}")], stacked=True),
                lines("Workers by state", [("max by (state) (besa_workers)", "{{state}}")], stacked=True),
                lines(
                    "Tokens a second by worker",
                    [(f"sum by (instance) (rate(besa_worker_tokens_total[{RATE}]))", "{{instance}}")],
                    stacked=True,
                ),
                lines(
                    "Busy share of workers",
                    [(f"clamp_max(rate(besa_worker_busy_seconds_total[{RATE}]), 1)", "{{instance}}")],
                    "percentunit",
                ),
                lines("Queue time of jobs", quantiles("besa_job_queue_seconds"), "s", "From creation to first lease"),
            ],
            "Trouble": [
                lines("Failed attempts an hour, by reason", [(f"({failed}) > 0 or vector(0)", "{{reason}}")]),
                lines(
                    "Lease expiries an hour",
                    [(f"sum(rate(besa_lease_expiries_total[{RATE}])) * 3600", "expired")],
                ),
                lines(
                    "Jobs ended an hour",
                    [(f"sum by (state) (rate(besa_jobs_ended_total[{RATE}])) * 3600", "{{state}}")],
                ),
                lines("Completion hooks not delivered yet", [("max(besa_completion_hooks_pending)", "pending")]),
                lines(
                    "Calls of completion hooks an hour",
                    [
                        (
                            f"sum by (outcome) (rate(besa_completion_hook_attempts_total[{RATE}])) * 3600",
                            "{{outcome}}",
                        )
                    ],
                    help_text="failed: tried again later; undelivered: given up",
                    width=16,
                ),
            ],
            "Coordinator": [
                lines(
                    "Calls, 99th percentile",
                    quantiles(
                        "besa_rpc_seconds", "method", '{method!="WorkerService/LeaseTask"}', windows=((0.99, "p99"),)
                    ),
                    "s",
                    "LeaseTask waits for work and is left out",
                ),
                lines("Calls a second", [(f"sum by (code) (rate(besa_rpc_calls_total[{RATE}]))", "{{code}}")]),
                lines("State operations", quantiles("besa_state_operation_seconds"), "s"),
                lines(
                    "State errors a second",
                    [(f"sum by (code) (rate(besa_state_operation_errors_total[{RATE}])) or vector(0)", "{{code}}")],
                ),
                lines(
                    "Memory",
                    [('process_resident_memory_bytes{job=~"besa-.*"}', "{{job}} {{instance}}")],
                    "bytes",
                ),
                lines(
                    "Processor",
                    [(f'rate(process_cpu_seconds_total{{job=~"besa-.*"}}[{RATE}])', "{{job}} {{instance}}")],
                    help_text="Cores in use",
                ),
                word(
                    "Versions", [("count by (program, version) (besa_build_info)", "{{program}} {{version}}")], width=24
                ),
            ],
        },
    )


def job():
    one = '{job_name="$job"}'
    return board(
        "besa-job",
        "besa / one job",
        {
            "Now": [
                word("State", [(f"max by (state, display_name) (besa_job_info{one})", "{{display_name}} {{state}}")]),
                number("Blocks committed", [(f"max(besa_job_blocks_committed{one})", "committed")]),
                number("Blocks", [(f"max(besa_job_blocks{one})", "blocks")]),
                number("Sparsity", [(f"max(besa_job_sparsity_ratio{one})", "sparsity")], "percentunit"),
                number("Time to the end of pruning", [(f"max(besa_job_eta_seconds{one}) or vector(0)", "eta")], "s"),
                number("Age", [(f"max(besa_job_age_seconds{one})", "age")], "s"),
            ],
            "Blocks": [
                heat(
                    "Progress of each block",
                    [(f"max by (block) (besa_block_progress_ratio{one})", "{{block}}")],
                    "percentunit",
                    "continuous-blues",
                    "Dark: committed. In between: the share of the stage that it is in",
                ),
                heat(
                    "Reconstruction loss of each block",
                    [(f"max by (block) (besa_block_loss{one})", "{{block}}")],
                    "short",
                    "continuous-YlRd",
                ),
            ],
            "Quality": [
                lines("Mean loss of the committed blocks", [(f"max(besa_job_loss{one})", "loss")]),
                lines(
                    "Perplexity",
                    [(f"max by (text, model) (besa_job_perplexity{one})", "{{text}} {{model}}")],
                ),
                lines("Blocks committed over time", [(f"max(besa_job_blocks_committed{one})", "committed")]),
            ],
            "Time": [
                bars(
                    "Seconds by stage, committed tasks of all jobs",
                    [("sum by (stage) (besa_stage_seconds_total)", "{{stage}}")],
                    "s",
                    width=12,
                ),
                lines(
                    "Time of a task", quantiles("besa_task_seconds", "kind", windows=((0.5, "median"),)), "s", width=12
                ),
            ],
        },
        ("job", "label_values(besa_job_info, job_name)"),
    )


def worker():
    one = '{instance=~"$instance"}'
    # Of other stages, such as writing, a step is a byte or a tensor.
    steps = '{instance=~"$instance", stage=~"train|recover|solve|evaluate|walk|statistics|lookahead"}'
    return board(
        "besa-worker",
        "besa / worker",
        {
            "Now": [
                word("Device", [(f"besa_worker_device_info{one}", "{{device}}, {{model}}")], width=8),
                number("Block", [(f"besa_worker_block{one}", "block")]),
                number("Loss", [(f"besa_worker_loss{one}", "loss")]),
                number("Sparsity", [(f"besa_worker_sparsity_ratio{one}", "sparsity")], "percentunit"),
                number(
                    "Busy",
                    [(f"clamp_max(rate(besa_worker_busy_seconds_total{one}[{RATE}]), 1)", "busy")],
                    "percentunit",
                ),
            ],
            "Pace": [
                lines("Tokens a second", [(f"rate(besa_worker_tokens_total{one}[{RATE}])", "{{instance}} {{kind}}")]),
                lines("Steps a second", [(f"rate(besa_worker_steps_total{steps}[{RATE}])", "{{instance}} {{stage}}")]),
                lines(
                    "Share of the GEMM floor",
                    [(f"besa_worker_gemm_floor_ratio{one}", "{{instance}}")],
                    "percentunit",
                    "Of the last block pruned with BESA: the time its FLOPs take in a large matrix product, over the "
                    "time they took",
                ),
                lines(
                    "Seconds a second by stage",
                    [(f"sum by (stage) (rate(besa_worker_stage_seconds_total{one}[{RATE}]))", "{{stage}}")],
                    stacked=True,
                    width=12,
                ),
                lines("Loss of the last step", [(f"besa_worker_loss{one}", "{{instance}}")], width=12),
                lines("Tasks ended", [(f"besa_worker_tasks_total{one}", "{{kind}} {{code}}")], width=12),
                lines(
                    "Time of a task",
                    quantiles("besa_worker_task_seconds", "kind", one, ((0.5, "median"),)),
                    "s",
                    width=12,
                ),
            ],
            "Device": [
                lines("Device memory", [(f"besa_worker_device_memory_bytes{one}", "{{instance}} {{kind}}")], "bytes"),
                lines(
                    "Device utilisation",
                    [
                        (
                            (
                                f"besa_worker_device_utilization_ratio{one}"
                                f" or rate(process_cpu_seconds_total{one}[{RATE}])"
                            ),
                            "{{instance}}",
                        )
                    ],
                    help_text="Of a GPU the share of time in which a kernel ran; of a CPU worker, cores in use",
                ),
                lines("Host memory", [(f"process_resident_memory_bytes{one}", "{{instance}}")], "bytes"),
            ],
        },
        ("instance", "label_values(besa_worker_device_info, instance)"),
    )


def storage():
    bad = '{code!~"OK|NOT_FOUND|CANCELLED|OUT_OF_RANGE"}'
    return board(
        "besa-storage",
        "besa / storage",
        {
            "Object stores": [
                lines(
                    "Bytes a second",
                    [(f"sum by (store, direction) (rate(besa_store_bytes_total[{RATE}]))", "{{store}} {{direction}}")],
                    "Bps",
                ),
                lines(
                    "Operations a second",
                    [
                        (
                            f"sum by (store, operation) (rate(besa_store_operations_total[{RATE}]))",
                            "{{store}} {{operation}}",
                        )
                    ],
                ),
                lines(
                    "Errors a second",
                    [
                        (
                            f"sum by (store, code) (rate(besa_store_operations_total{bad}[{RATE}])) or vector(0)",
                            "{{store}} {{code}}",
                        )
                    ],
                    help_text="NOT_FOUND is an answer, not an error",
                ),
                lines(
                    "Latency, median", quantiles("besa_store_operation_seconds", "operation", windows=((0.5, ""),)), "s"
                ),
                lines(
                    "Latency, 99th percentile",
                    quantiles("besa_store_operation_seconds", "operation", windows=((0.99, ""),)),
                    "s",
                ),
                lines(
                    "Bytes a second by process",
                    [
                        (
                            f"sum by (instance, direction) (rate(besa_store_bytes_total[{RATE}]))",
                            "{{instance}} {{direction}}",
                        )
                    ],
                    "Bps",
                ),
            ],
            "State database": [
                lines(
                    "Operations a second",
                    [(f"sum by (operation) (rate(besa_state_operation_seconds_count[{RATE}]))", "{{operation}}")],
                ),
                lines(
                    "Latency, 99th percentile",
                    quantiles("besa_state_operation_seconds", "operation", windows=((0.99, ""),)),
                    "s",
                ),
                lines(
                    "Errors a second",
                    [
                        (
                            f"sum by (operation, code) (rate(besa_state_operation_errors_total[{RATE}])) or vector(0)",
                            "{{operation}} {{code}}",
                        )
                    ],
                ),
            ],
        },
    )


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for made in (fleet(), job(), worker(), storage()):
        text = JSONEncoder(sort_keys=True, indent=2).encode(made)
        (folder / f"{made.uid}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
