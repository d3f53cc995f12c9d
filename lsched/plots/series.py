"""Latency against offered load, and the number of queries in the system over time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lsched.compare import Case, Comparison, Outcome
from lsched.plots.style import (
    LIMIT,
    NOTE,
    add_axes,
    add_legend,
    add_title,
    case_heading,
    left_out,
    line_style,
    log_ticks,
    marker,
    nested_widths,
    new_figure,
)
from lsched.statistics import mean_interval
from lsched.tables import display_name, duration, heading, short_name, time_unit
from sim import QueryRecord

NUM_SPANS = 120
LOAD = "offered load (arrival rate × mean work ÷ executors)"


def latency_by_load(
    comparison: Comparison, cases: Sequence[Case], *, ax: tuple[Axes, Axes] | None = None
) -> Figure:
    """Against offered load: mean latency, and its paired ratio to the reference.

    Bars are 95 % confidence intervals, the schedulers' a little beside each other. On the left
    they are wide because seeds differ in what arrives, which is the same for every scheduler; on
    the right that cancels out. The left axis is linear where an interval reaches down to 0 or
    nearly.

    Args:
        comparison: what the cases are from.
        cases: of one trace, each with an offered load.
        ax: axes for both, the left and the right one.
    """
    ordered = sorted(cases, key=lambda case: case.arrivals.load or 0.0)
    loads = [case.arrivals.load or 0.0 for case in ordered]
    if ax is None:
        figure = Figure(figsize=(10.0, 4.2), layout="constrained")
        left, right = add_axes(figure, 1, 2, 1), add_axes(figure, 1, 2, 2)
    else:
        (figure, left), (_, right) = (new_figure(ax=given) for given in ax)
    unit, per_s = time_unit(
        outcome.mean_latency_s for case in ordered for outcome in case.outcomes.values()
    )
    shifts = _shifts(loads, len(comparison.schedulers))
    lowest = np.inf
    for index, name in enumerate(comparison.schedulers):
        if name not in ordered[0].outcomes:
            continue
        outcomes = [case.outcomes[name] for case in ordered]
        label = display_name(outcomes[0])
        xs = [load + shifts[index] for load in loads]
        latencies = [
            mean_interval([run.summary["mean_latency_s"] * per_s for run in outcome.runs])
            for outcome in outcomes
        ]
        _line(left, xs, latencies, index, label)
        lowest = min(lowest, *(mean if low is None else low for mean, low, _ in latencies))
        ratios = [outcome.ratios["mean_latency_s"] for outcome in outcomes]
        _line(right, xs, [(ratio.value, ratio.low, ratio.high) for ratio in ratios], index)
    bounds = [case.lower_bound_s * per_s for case in ordered]
    left.errorbar(loads, bounds, label="lower bound", **LIMIT)
    left.set_ylabel(f"mean latency ({unit})")
    right.set_ylabel(f"mean latency ÷ that of {short_name(comparison.reference)}")
    is_linear = lowest < min(bounds) / 10
    for axes in (right,) if is_linear else (left, right):
        axes.set_yscale("log")
        log_ticks(axes.yaxis, *axes.get_ylim())
    if is_linear:
        left.axhline(0.0, color="black", linewidth=0.8)
    for axes in (left, right):
        axes.set_xticks(loads, [f"{load:g}" for load in loads])
    if ax is None:
        figure.supxlabel(LOAD, fontsize="medium")
    else:
        for axes in ax:
            axes.set_xlabel(LOAD)
    arrivals = f"loads {', '.join(f'{load:g}' for load in loads)}"
    num_seeds = len(comparison.seeds)
    first = heading(ordered[0], num_seeds, comparison.cluster_name, arrivals)
    first += left_out(comparison, ordered[0])
    intervals = (
        "bars: 95 % CI over seeds, whose arrivals differ",
        "bars: 95 % CI of the ratio, paired by seed",
    )
    given = None if ax is None else left
    add_title(figure, first, intervals[0] if num_seeds > 1 else "", ax=given)
    if num_seeds > 1:
        right.set_title(intervals[1], loc="left", fontsize="small", color=NOTE)
    add_legend(figure, left, list(ordered[0].outcomes.values()), given)
    return figure


def _shifts(loads: Sequence[float], count: int) -> np.ndarray:
    """Small steps to the side, so that bars of ``count`` schedulers stand beside each other."""
    gap = min(np.diff(loads), default=0.1)
    return np.linspace(-0.05, 0.05, count) * gap if count > 1 else np.zeros(1)


def _line(
    axes: Axes,
    xs: Sequence[float],
    intervals: Sequence[tuple[float, float | None, float | None]],
    index: int,
    label: str = "",
) -> None:
    means = [mean for mean, _, _ in intervals]
    below = [0.0 if low is None else mean - low for mean, low, _ in intervals]
    above = [0.0 if high is None else high - mean for mean, _, high in intervals]
    has_bars = any(below) or any(above)
    axes.errorbar(
        xs,
        means,
        yerr=np.maximum([below, above], 0.0) if has_bars else None,
        marker=marker(index),
        markersize=4.5,
        elinewidth=1.0,
        capsize=2.0,
        label=label,
        **line_style(index),
    )


def queries_in_system(comparison: Comparison, case: Case, *, ax: Axes | None = None) -> Figure:
    """Queries that have arrived and not completed, on the first seed, as means over short spans.

    The reference, the best three others and the worst: more lines hide each other.
    """
    figure, axes = new_figure(8.0, ax=ax)
    outcomes = _clearest(comparison, case)
    end_s = max(query.completion_s for outcome in outcomes for query in outcome.runs[0].queries)
    unit, per_s = time_unit([end_s], seconds_from=1.0)
    span_s = round_up(end_s / NUM_SPANS)
    edges_s = np.arange(math.ceil(end_s / span_s - 1e-9) + 1) * span_s
    for outcome, width in zip(outcomes, nested_widths(len(outcomes)), strict=True):
        means = mean_in_system(outcome.runs[0].queries, edges_s)
        style = line_style(comparison.schedulers.index(outcome.scheduler)) | {"linewidth": width}
        axes.plot((edges_s[1:] + edges_s[:-1]) / 2 * per_s, means, **style)
        axes.lines[-1].set_label(display_name(outcome))
    axes.set_xlim(0, end_s * per_s)
    axes.set_ylim(0, max(axes.get_ylim()[1], 1.05))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"time ({unit})")
    axes.set_ylabel(f"queries in the system\n(means over {duration(span_s)})")
    shown = f"seed {comparison.seeds[0]} only"
    if len(outcomes) < len(case.outcomes):
        shown += (
            f"; {short_name(comparison.reference)}, the best {len(outcomes) - 2} others and the "
            f"worst of {len(case.outcomes)} schedulers"
        )
    add_title(figure, case_heading(comparison, case), shown, ax=ax)
    add_legend(figure, axes, outcomes, ax)
    return figure


def round_up(value: float) -> float:
    """The next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))


def mean_in_system(queries: Sequence[QueryRecord], edges_s: np.ndarray) -> np.ndarray:
    """Time average of the number of queries in the system between consecutive ``edges_s``.

    Shapes: [edges] → [edges − 1].
    """
    arrivals = np.array([query.arrival_s for query in queries])
    completions = np.array([query.completion_s for query in queries])
    # Time spent in the system before an edge, over all queries.
    clipped = [np.clip(edge - arrivals, 0.0, completions - arrivals).sum() for edge in edges_s]
    return np.asarray(np.diff(clipped) / np.diff(edges_s))


def _clearest(comparison: Comparison, case: Case) -> list[Outcome]:
    others = [outcome for outcome in case.ranked if outcome.scheduler != comparison.reference]
    chosen = {outcome.scheduler for outcome in (*others[:3], *others[-1:])}
    chosen.add(comparison.reference)
    return [outcome for name, outcome in case.outcomes.items() if name in chosen]
