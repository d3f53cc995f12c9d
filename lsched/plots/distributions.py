"""Distributions of latency: over all queries, and by plan."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lsched.compare import Case, Comparison, Outcome
from lsched.plots.style import (
    COLOURS,
    add_legend,
    line_style,
    log_ticks,
    new_figure,
)
from lsched.tables import display_name, time_unit

MAX_PLANS = 30
MAX_BOXES = 4


def latency_cdf(comparison: Comparison, case: Case) -> Figure:
    """Share of queries with at most a latency, one line per scheduler, all seeds together."""
    figure, axes = new_figure()
    outcomes = list(case.outcomes.values())
    unit, per_s = time_unit(outcome.figures["p99_latency_s"] for outcome in outcomes)
    low, high = np.inf, 0.0
    for index, outcome in enumerate(outcomes):
        latencies = np.sort(outcome.latencies_s) * per_s
        shares = np.arange(1, len(latencies) + 1) / len(latencies)
        axes.step(latencies, shares, where="post", label=display_name(outcome), **line_style(index))
        low, high = min(low, np.quantile(latencies, 0.005)), max(high, latencies[-1])
    axes.set_xscale("log")
    axes.set_xlim(low / 1.1, high * 1.1)
    log_ticks(axes.xaxis, low, high)
    axes.set_ylim(0, 1.01)
    axes.set_xlabel(f"latency ({unit})")
    axes.set_ylabel("share of queries")
    axes.set_title(case.label, fontsize="medium")
    add_legend(figure, axes, outcomes)
    return figure


def latency_by_plan(comparison: Comparison, case: Case) -> Figure:
    """Box plots of latency by plan, for the reference and the best three others.

    Boxes are quartiles, whiskers the 5th and 95th percentile. Of more than 30 plans, those with
    the largest total latency under the reference.
    """
    outcomes = _boxed(comparison, case)
    plans = _plans(case.outcomes[comparison.reference])
    figure, axes = new_figure(width=max(6.0, 1.8 + 0.42 * len(plans)), height=4.4)
    unit, per_s = time_unit(outcome.figures["p99_latency_s"] for outcome in outcomes)
    width = 0.8 / len(outcomes)
    low, high = np.inf, 0.0
    for place, outcome in enumerate(outcomes):
        by_plan = _latencies_by_plan(outcome)
        samples = [np.array(by_plan[plan]) * per_s for plan in plans]
        offset = (place - (len(outcomes) - 1) / 2) * width
        index = comparison.schedulers.index(outcome.scheduler)
        colour = COLOURS[index % len(COLOURS)]
        axes.boxplot(
            samples,
            positions=np.arange(len(plans)) + offset,
            widths=width * 0.8,
            whis=(5, 95),
            showfliers=False,
            patch_artist=True,
            manage_ticks=False,
            boxprops={"facecolor": colour, "edgecolor": colour, "alpha": 0.75},
            medianprops={"color": "white", "linewidth": 1.4},
            whiskerprops={"color": colour},
            capprops={"color": colour},
        )
        low = min(low, *(np.quantile(sample, 0.05) for sample in samples))
        high = max(high, *(np.quantile(sample, 0.95) for sample in samples))
    axes.set_yscale("log")
    axes.set_ylim(low / 1.15, high * 1.15)
    log_ticks(axes.yaxis, low, high)
    axes.set_xlim(-0.6, len(plans) - 0.4)
    is_crowded = max(map(len, plans)) > 4
    axes.set_xticks(
        range(len(plans)),
        plans,
        rotation=45 if is_crowded else 0,
        ha="right" if is_crowded else "center",
        fontsize="small",
    )
    axes.grid(False, axis="x")
    axes.set_xlabel("plan")
    axes.set_ylabel(f"latency ({unit})")
    total = len({query.plan for run in outcomes[0].runs for query in run.queries})
    shown = f", {len(plans)} of {total} plans" if len(plans) < total else ""
    axes.set_title(f"{case.label}{shown}", fontsize="medium")
    handles = [
        Patch(
            color=COLOURS[comparison.schedulers.index(outcome.scheduler) % len(COLOURS)],
            alpha=0.75,
            label=display_name(outcome),
        )
        for outcome in outcomes
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize="small"
    )
    return figure


def _boxed(comparison: Comparison, case: Case) -> list[Outcome]:
    others = [outcome for outcome in case.ranked if outcome.scheduler != comparison.reference]
    chosen = {comparison.reference, *(outcome.scheduler for outcome in others[: MAX_BOXES - 1])}
    return [outcome for name, outcome in case.outcomes.items() if name in chosen]


def _plans(reference: Outcome) -> list[str]:
    """Plans in the order of their names' numbers (q2 before q10), at most ``MAX_PLANS``."""
    by_plan = _latencies_by_plan(reference)
    heaviest = sorted(by_plan, key=lambda plan: -sum(by_plan[plan]))[:MAX_PLANS]
    return sorted(heaviest, key=lambda plan: (_digits(plan), plan))


def _digits(plan: str) -> int:
    digits = "".join(character for character in plan if character.isdigit())
    return int(digits or 0)


def _latencies_by_plan(outcome: Outcome) -> dict[str, list[float]]:
    by_plan: dict[str, list[float]] = {}
    for run in outcome.runs:
        for query in run.queries:
            by_plan.setdefault(query.plan, []).append(query.latency_s)
    return by_plan
