"""Latency against offered load, and the number of queries in the system over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lsched.compare import Case, Comparison, Outcome
from lsched.plots.style import (
    add_axes,
    add_legend,
    line_style,
    log_ticks,
    marker,
    new_figure,
)
from lsched.statistics import mean_interval
from lsched.tables import display_name, number, short_name, time_unit
from sim import QueryRecord

NUM_SPANS = 120


def latency_by_load(comparison: Comparison, cases: Sequence[Case]) -> Figure:
    """Against offered load: mean latency, and its paired ratio to the reference.

    Bands are 95 % confidence intervals. On the left they are wide because seeds differ in what
    arrives, which is the same for every scheduler; on the right that cancels out.

    Args:
        comparison: what the cases are from.
        cases: of one trace, each with an offered load.
    """
    ordered = sorted(cases, key=lambda case: case.arrivals.load or 0.0)
    loads = [case.arrivals.load or 0.0 for case in ordered]
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    left, right = add_axes(figure, 1, 2, 1), add_axes(figure, 1, 2, 2)
    unit, per_s = time_unit(
        outcome.mean_latency_s for case in ordered for outcome in case.outcomes.values()
    )
    for index, name in enumerate(comparison.schedulers):
        outcomes = [case.outcomes[name] for case in ordered]
        label = display_name(outcomes[0])
        latencies = [
            mean_interval([run.summary["mean_latency_s"] * per_s for run in outcome.runs])
            for outcome in outcomes
        ]
        # The interval of a skewed mean may reach below zero, where a logarithmic axis cannot.
        floored = [
            (mean, None if low is None else max(low, mean / 3), high)
            for mean, low, high in latencies
        ]
        _line(left, loads, floored, index, label)
        ratios = [outcome.ratios["mean_latency_s"] for outcome in outcomes]
        _line(right, loads, [(ratio.value, ratio.low, ratio.high) for ratio in ratios], index)
    bounds = [case.lower_bound_s * per_s for case in ordered]
    left.plot(loads, bounds, color="#7f7f7f", linestyle=":", linewidth=1.4, label="lower bound")
    left.set_ylabel(f"mean latency ({unit})")
    right.set_ylabel(f"mean latency ÷ that of {short_name(comparison.reference)}")
    for axes in (left, right):
        axes.set_yscale("log")
        log_ticks(axes.yaxis, *axes.get_ylim())
        axes.set_xticks(loads, [f"{load:g}" for load in loads])
    figure.supxlabel("offered load (arrival rate × mean work ÷ executors)", fontsize="medium")
    figure.suptitle(f"{ordered[0].trace}, {len(comparison.seeds)} seeds", fontsize="medium")
    add_legend(figure, left, list(ordered[0].outcomes.values()))
    return figure


def _line(
    axes: Axes,
    loads: Sequence[float],
    intervals: Sequence[tuple[float, float | None, float | None]],
    index: int,
    label: str = "",
) -> None:
    style = line_style(index)
    means = [mean for mean, _, _ in intervals]
    axes.plot(loads, means, marker=marker(index), markersize=4.5, label=label, **style)
    lows = [mean if low is None else low for mean, low, _ in intervals]
    highs = [mean if high is None else high for mean, _, high in intervals]
    axes.fill_between(loads, lows, highs, color=style["color"], alpha=0.12, linewidth=0)


def queries_in_system(comparison: Comparison, case: Case) -> Figure:
    """Queries that have arrived and not completed, on the first seed, as means over short spans.

    The reference, the best three others and the worst: more lines hide each other.
    """
    figure, axes = new_figure(width=8.0)
    outcomes = _clearest(comparison, case)
    end_s = max(query.completion_s for outcome in outcomes for query in outcome.runs[0].queries)
    unit, per_s = time_unit([end_s], seconds_from=1.0)
    edges_s = np.linspace(0.0, end_s, NUM_SPANS + 1)
    for outcome in outcomes:
        means = mean_in_system(outcome.runs[0].queries, edges_s)
        style = line_style(comparison.schedulers.index(outcome.scheduler))
        axes.plot((edges_s[1:] + edges_s[:-1]) / 2 * per_s, means, **style)
        axes.lines[-1].set_label(display_name(outcome))
    axes.set_xlim(0, end_s * per_s)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"time ({unit})")
    span_s = end_s / NUM_SPANS
    span_unit, span_per_s = time_unit([span_s], seconds_from=1.0)
    span = f"{number(span_s * span_per_s)} {span_unit}"
    axes.set_ylabel(f"queries in the system\n(means over {span})")
    axes.set_title(f"{case.label}, seed {comparison.seeds[0]}", fontsize="medium")
    add_legend(figure, axes, outcomes)
    return figure


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
