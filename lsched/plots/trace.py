"""Plots of a trace: arrivals, work, templates, errors of the estimates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation

from lsched.plots.style import (
    COLOURS,
    LINES,
    NOTE,
    add_axes,
    add_title,
    log_ticks,
    new_figure,
    plain,
)
from lsched.tables import counted, duration, time_unit
from sim import Cluster
from traces import Trace
from traces.statistics import (
    ArrivalStatistics,
    EstimateErrors,
    Floats,
    arrival_statistics,
    estimate_errors,
    parallelism,
    template_counts,
    work_us,
)
from traces.units import US_PER_S

WIDE = 1e5
"""Factor from which ticks of an axis are powers of ten."""
MAX_NAME = 30
MAX_GROUPS = 6
"""Classes or tenants that are told apart; the rest is one group."""
OWN_FILE = re.compile(r"describe\.json|(arrivals|work|templates|estimates|plan)\.(png|pdf|svg)")
"""Names that ``lsched describe`` gives to files."""


def trace_figures(
    trace: Trace, cluster: Cluster, cluster_name: str
) -> Iterator[tuple[str, Figure]]:
    """Every plot that a trace has something to show in, with a name for its file."""
    work = work_us(trace)
    groups = group_names(trace, work)
    arrivals = arrival_statistics(trace, work)
    if arrivals is not None:
        yield "arrivals", arrivals_over_time(trace, arrivals, work, groups, cluster, cluster_name)
    yield "work", work_distribution(trace, work, groups)
    yield "templates", template_frequencies(trace)
    errors = estimate_errors(trace.plans)
    if errors is not None:
        yield "estimates", estimate_ratios(trace, errors)


def group_names(trace: Trace, work: Floats) -> list[str]:
    """The group of each query: its class, or where there are none its tenant.

    Groups beyond ``MAX_GROUPS`` by work are called ``others``.
    """
    names = [query.query_class for query in trace.queries]
    if not any(names):
        names = [query.tenant for query in trace.queries]
    totals: dict[str, float] = {}
    for name, own in zip(names, work.tolist(), strict=True):
        totals[name] = totals.get(name, 0.0) + own
    largest = sorted(totals, key=lambda name: -totals[name])
    if len(largest) > MAX_GROUPS:
        largest = largest[: MAX_GROUPS - 1]
    return [(name or "(none)") if name in largest else "others" for name in names]


def arrivals_over_time(
    trace: Trace,
    arrivals: ArrivalStatistics,
    work: Floats,
    groups: Sequence[str],
    cluster: Cluster,
    cluster_name: str,
) -> Figure:
    """Queries by group, and the load that they offer, in each span of time."""
    figure = Figure(figsize=(9.0, 5.4), layout="constrained")
    above, below = add_axes(figure, 2, 1, 1), add_axes(figure, 2, 1, 2)
    end_s = float(arrivals.starts_s[-1] + arrivals.span_s)
    unit, divisor = ("h", 3600.0) if end_s >= 7200 else ("min", 60.0) if end_s >= 120 else ("s", 1)
    edges = np.append(arrivals.starts_s, end_s)
    times_s = np.array([query.arrival_us for query in trace.queries]) / US_PER_S
    capacity = cluster.num_executors * arrivals.span_s * US_PER_S
    for axes, weights in ((above, np.ones(len(work))), (below, work / capacity)):
        bottom = np.zeros(len(arrivals.counts))
        for index, name in enumerate(_ordered(groups, work)):
            mine = np.array([group == name for group in groups])
            height, _ = np.histogram(times_s[mine], edges, weights=weights[mine])
            axes.stairs(
                bottom + height,
                edges / divisor,
                baseline=bottom,
                fill=True,
                color=COLOURS[index % len(COLOURS)],
                label=plain(name, MAX_NAME),
            )
            bottom = bottom + height
        axes.set_xlim(edges[0] / divisor, edges[-1] / divisor)
    below.axhline(1.0, color=NOTE, linewidth=1.0, linestyle=LINES[1])
    span = duration(arrivals.span_s)
    above.set_ylabel(f"queries per {span}")
    below.set_ylabel(f"offered load\non {cluster_name}")
    below.set_xlabel(f"time ({unit})")
    add_title(figure, f"{trace.name}: {counted(len(work), 'query')}")
    _legend(figure, above, groups)
    return figure


def work_distribution(trace: Trace, work: Floats, groups: Sequence[str]) -> Figure:
    """Cumulative distributions of work per query and of parallelism, by group."""
    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    left, right = add_axes(figure, 1, 2, 1), add_axes(figure, 1, 2, 2)
    unit, per_s = time_unit([float(np.percentile(work, 90)) / US_PER_S])
    panels = (
        (left, work / US_PER_S * per_s, f"work of a query ({unit})"),
        (right, parallelism(trace, work), "parallelism (work ÷ critical path)"),
    )
    names = _ordered(groups, work)
    for axes, values, label in panels:
        if len(names) > 1:
            _cdf(axes, values, "all", NOTE, "-", 2.6)
        for index, name in enumerate(names):
            mine = np.array([group == name for group in groups])
            line = LINES[index % len(LINES)]
            _cdf(
                axes, values[mine], plain(name, MAX_NAME), COLOURS[index % len(COLOURS)], line, 1.6
            )
        _log_axis(axes, values)
        axes.set_xlabel(label)
        axes.set_ylim(0, 1)
    left.set_ylabel("share of queries")
    add_title(figure, f"{trace.name}: {counted(len(work), 'query')}")
    _legend(figure, left, groups)
    return figure


def template_frequencies(trace: Trace) -> Figure:
    """How often templates come, by rank; and what share of queries the first ones are."""
    figure, axes = new_figure()
    counts = np.array([count for _, count in template_counts(trace)], float)
    ranks = np.arange(1, len(counts) + 1)
    axes.plot(ranks, 100 * np.cumsum(counts) / counts.sum(), color=COLOURS[0], linewidth=1.8)
    axes.set_ylim(0, 102)
    if len(counts) > 1:
        axes.set_xscale("log")
        log_ticks(axes.xaxis, 1, len(counts))
    axes.set_xlabel("templates, the most frequent first")
    axes.set_ylabel("share of queries (%), cumulative")
    repeated = f"{counted(len(counts), 'template')}, {counted(len(trace.queries), 'query')}"
    add_title(figure, f"{trace.name}: {repeated}")
    return figure


def estimate_ratios(trace: Trace, errors: EstimateErrors) -> Figure:
    """Cumulative distribution of estimated ÷ true, of operators and plans."""
    figure, axes = new_figure()
    series = (
        ("operators' work", errors.work),
        ("operators' output bytes", errors.output),
        ("plans' work", errors.plan_work),
    )
    for index, (name, ratios) in enumerate(series):
        if len(ratios):
            _cdf(axes, ratios, name, COLOURS[index], LINES[index], 1.8)
    axes.axvline(1.0, color=NOTE, linewidth=1.0)
    _log_axis(axes, np.concatenate([ratios for _, ratios in series]), (0.5, 99.5))
    axes.set_ylim(0, 1)
    axes.set_xlabel("estimated ÷ true")
    axes.set_ylabel("share")
    add_title(figure, f"{trace.name}: errors of the estimates", "right of 1: estimated too high")
    axes.legend(frameon=False, fontsize="small", loc="lower right")
    return figure


def _cdf(axes: Axes, values: Floats, label: str, colour: str, line: object, width: float) -> None:
    ordered = np.sort(values)
    shares = np.arange(1, len(ordered) + 1) / len(ordered)
    axes.step(
        np.concatenate((ordered[:1], ordered)),
        np.concatenate(([0.0], shares)),
        where="post",
        color=colour,
        linestyle=line,
        linewidth=width,
        label=label,
    )


def _log_axis(axes: Axes, values: Floats, percentiles: tuple[float, float] = (0, 100)) -> None:
    low, high = np.percentile(values, percentiles).tolist()
    if high > low:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.1, high * 1.1)
        log_ticks(axes.xaxis, low, high)
    if high / low > WIDE:
        axes.xaxis.set_major_formatter(LogFormatterSciNotation())


def _ordered(groups: Sequence[str], work: Floats) -> list[str]:
    """Groups, that with most work first, ``others`` last."""
    totals: dict[str, float] = {}
    for group, own in zip(groups, work.tolist(), strict=True):
        totals[group] = totals.get(group, 0.0) + own
    return sorted(totals, key=lambda name: (name == "others", -totals[name]))


def _legend(figure: Figure, axes: Axes, groups: Sequence[str]) -> None:
    if len(set(groups)) > 1:
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize="small")
