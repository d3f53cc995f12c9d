"""``lsched validate bounds``: how tight the lower bounds are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from rich.table import Table

from lsched.commands.console import output_console, progress_bar
from lsched.commands.options import (
    Count,
    OptionalPath,
    RayAddress,
    SeedsText,
    WholeNumber,
    WorkersCount,
    chosen_workers,
)
from lsched.compare import Case
from lsched.config_file import write_config
from lsched.errors import OptionError
from lsched.output import output_directory
from lsched.report import write_json
from lsched.specs import parse_numbers, parse_seeds
from lsched.tables import counted, limit_text, number, plain_table, short_name
from lsched.validate.bounds import MAKESPAN, Check, check_tiny, check_traces
from sim import Cluster, preset
from sim.bounds import BOUNDS, Method

OWN_FILE = re.compile(r"bounds\.(json|png|pdf|svg)")
NUM_QUERIES = 100
SCALE = 10.0
CLUSTER = "inmemory-32"
PLAIN = "32 executors, no overheads"
"""Two clusters: what overheads cost is in the gap of the first only."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Compare lower bounds with the optimum of tiny traces, and with the best rule on real ones.

    The optimum is found by exhaustive search, and its decisions are replayed in the simulator.
    """

    instances: Count = 300
    """Tiny traces to draw and solve."""

    seed: WholeNumber = 0
    """Of their drawing."""

    traces: str = "tpch,tpcds"
    """Shipped traces or trace files, separated by commas; none leaves this part out."""

    loads: str = "0.3,0.6,0.9"
    """Offered loads of these."""

    seeds: SeedsText = "2"

    bounds: Method = "lp"
    """How the limit on the mean latency is worked out there."""

    out: OptionalPath = None
    """Directory for bounds.json, config.json and a plot."""

    format: Literal["png", "pdf", "svg"] = "png"
    """Format of the plot."""

    workers: WorkersCount = None
    ray: RayAddress = None


def run(options: Options) -> None:
    """Do what the options say."""
    if not 1 <= options.instances <= 100_000:
        raise OptionError(f"instances are {options.instances}, expected 1 to 100,000")
    if options.out is None:
        _show(*_checks(options))
        return
    with output_directory(options.out, OWN_FILE, "bounds.json") as directory:
        check, cases = _checks(options)
        write_json(_document(check, cases), directory / "bounds.json")
        write_config(options, directory)
        from lsched.plots.bounds import bounds_figure
        from lsched.plots.files import save

        save(bounds_figure(check, cases), directory / f"bounds.{options.format}")
    _show(check, cases)
    output_console().print(f"\nwritten to {options.out}", soft_wrap=True)


def _checks(options: Options) -> tuple[Check, dict[str, tuple[Case, ...]]]:
    names = [] if options.traces == "none" else options.traces.split(",")
    loads, seeds = parse_numbers(options.loads), parse_seeds(options.seeds)
    with progress_bar("solving tiny traces") as progress:
        check = check_tiny(options.instances, options.seed, progress)
    if not names:
        return check, {}
    num_executors = preset(CLUSTER).num_executors
    with (
        chosen_workers(options.workers, options.ray) as workers,
        progress_bar("simulating") as progress,
    ):
        cases = check_traces(
            names,
            {PLAIN: Cluster(executors_per_node=num_executors), CLUSTER: CLUSTER},
            loads,
            num_queries=NUM_QUERIES,
            scale=SCALE,
            seeds=seeds,
            method=options.bounds,
            workers=workers,
            progress=progress,
        )
    return check, cases


def _show(check: Check, cases: dict[str, tuple[Case, ...]]) -> None:
    console = output_console()
    console.print(_tiny_table(check))
    if check.num_violations:
        console.print(f"{check.num_violations} times a bound was above the optimum: a mistake")
    console.print(
        f"the simulator reached {check.num_replayed} of {check.num_instances} optima with the "
        "decisions of the search\n"
    )
    for cluster, of_cluster in cases.items():
        console.print(_trace_table(cluster, of_cluster))


def _tiny_table(check: Check) -> Table:
    title = f"bound ÷ optimum, {counted(check.num_instances, 'tiny trace')}"
    table = plain_table(title)
    for header in ("bound", "on the"):
        table.add_column(header)
    for header in ("min", "median", "mean", "exact %"):
        table.add_column(header, justify="right")
    for each in check.tightness:
        what = "makespan" if each.name == MAKESPAN else "mean latency"
        label = "B5" if each.name == MAKESPAN else f"{BOUNDS[each.name]} {each.name}"
        figures = each.figures
        table.add_row(
            label,
            what,
            *(f"{figures[key]:.3f}" for key in ("min", "median", "mean")),
            f"{100 * each.share_exact:.0f}",
        )
    return table


def _trace_table(cluster: str, cases: tuple[Case, ...]) -> Table:
    seeds, queries = len(cases[0].bounds), len(cases[0].lower_bounds_s) // len(cases[0].bounds)
    table = plain_table(
        f"best rule against the limit, {cluster}, {counted(seeds, 'seed')} × "
        f"{counted(queries, 'query')}"
    )
    for header in ("trace", "best rule"):
        table.add_column(header)
    for header in ("load", "mean\nms", "limit\nms", "bound", "×\nlimit", "makespan\n× limit"):
        table.add_column(header, justify="right")
    for case in cases:
        best = case.ranked[0]
        table.add_row(
            case.trace,
            short_name(best.scheduler),
            f"{case.arrivals.load:g}",
            number(best.mean_latency_s * 1e3),
            number(case.lower_bound_s * 1e3),
            limit_text(case).removeprefix("lower bound "),
            number(best.mean_latency_s / case.lower_bound_s),
            f"{_makespan_ratio(case):.3f}",
        )
    return table


def _makespan_ratio(case: Case) -> float:
    least = min(outcome.figures["makespan_s"] for outcome in case.outcomes.values())
    return least / case.lower_bound_figures()["makespan_s"]


def _document(check: Check, cases: dict[str, tuple[Case, ...]]) -> dict[str, object]:
    return {
        "version": 1,
        "tiny": {
            "num_instances": check.num_instances,
            "num_replayed": check.num_replayed,
            "num_violations": check.num_violations,
            "bounds": {each.name: each.figures for each in check.tightness},
        },
        "traces": [
            {
                "trace": case.trace,
                "cluster": cluster,
                "arrivals": case.arrivals.config(),
                "best": case.ranked[0].scheduler,
                "mean_latency_s": case.ranked[0].mean_latency_s,
                "lower_bound": case.lower_bound_figures(),
                "means_s": [dict(bound.means_s) for bound in case.bounds.values()],
                "makespan_ratio": _makespan_ratio(case),
            }
            for cluster, of_cluster in cases.items()
            for case in of_cluster
        ],
    }
