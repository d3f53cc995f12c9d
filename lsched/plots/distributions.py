"""Distributions of latency: over all queries, and by plan."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lsched.compare import Case, Comparison, Outcome
from lsched.plots.style import (
    COLOURS,
    LIMIT,
    add_legend,
    add_legend_below,
    add_title,
    case_heading,
    line_style,
    log_ticks,
    nested_widths,
    new_figure,
    plain,
)
from lsched.tables import CLAIRVOYANT_MARK, display_name, short_name, time_unit

MAX_PLANS = 30
MAX_NAME = 30
MAX_BOXES = 4
MIN_BOX = 5
"""Queries that a box needs; fewer are points."""


def latency_cdf(comparison: Comparison, case: Case, *, ax: Axes | None = None) -> Figure:
    """Share of queries with at most a latency, one line per scheduler, all seeds together.

    The limit is the share of queries whose isolated bound is at most that: no curve is left of it.
    """
    figure, axes = new_figure(ax=ax)
    outcomes = list(case.outcomes.values())
    unit, per_s = time_unit(outcome.figures["p99_latency_s"] for outcome in outcomes)
    low, high = np.inf, 0.0
    widths = nested_widths(len(outcomes))
    for outcome, width in zip(outcomes, widths, strict=True):
        style = line_style(comparison.schedulers.index(outcome.scheduler)) | {"linewidth": width}
        latencies = np.sort(outcome.latencies_s) * per_s
        axes.step(*_shares(latencies), where="post", label=display_name(outcome), **style)
        low, high = (
            min(low, np.quantile(latencies, 0.005, method="lower")),
            max(high, latencies[-1]),
        )
    limits = case.lower_bounds_s * per_s
    axes.step(*_shares(limits), where="post", label="lower bound,\neach query alone", **LIMIT)
    low = min(low, np.quantile(limits, 0.005, method="lower"))
    axes.set_xscale("log")
    axes.set_xlim(low / 1.1, high * 1.1)
    log_ticks(axes.xaxis, *axes.get_xlim())
    axes.set_ylim(0, 1.01)
    axes.set_xlabel(f"latency ({unit})")
    axes.set_ylabel("share of queries")
    add_title(figure, case_heading(comparison, case), ax=ax)
    add_legend(figure, axes, outcomes, ax)
    return figure


def _shares(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted values and the share of them that is at most each, from 0 at the lowest."""
    steps = np.concatenate((values[:1], values))
    return steps, np.arange(len(steps)) / len(values)


def latency_by_plan(comparison: Comparison, case: Case, *, ax: Axes | None = None) -> Figure:
    """Box plots of latency by plan, for the reference and the best three others.

    Boxes are quartiles, whiskers the 5th and 95th percentile; fewer than five queries, or equal
    ones, are points. Of more than 30 plans, those with the largest total latency under the
    reference.
    """
    outcomes = _boxed(comparison, case)
    plans = _plans(case.outcomes[comparison.reference])
    figure, axes = new_figure(max(6.0, 1.8 + 0.42 * len(plans)), 4.4, ax)
    unit, per_s = time_unit(outcome.figures["p99_latency_s"] for outcome in outcomes)
    width = 0.8 / len(outcomes)
    low, high, has_points, has_boxes = np.inf, 0.0, False, False
    for place, outcome in enumerate(outcomes):
        by_plan = _latencies_by_plan(outcome)
        samples = [np.array(by_plan[plan]) * per_s for plan in plans]
        positions = np.arange(len(plans)) + (place - (len(outcomes) - 1) / 2) * width
        colour = _colour(comparison, outcome)
        boxed = [place for place, sample in enumerate(samples) if _has_box(sample)]
        if boxed:
            has_boxes = True
            axes.boxplot(
                [samples[place] for place in boxed],
                positions=positions[boxed],
                widths=width * 0.8,
                whis=(5, 95),
                showfliers=False,
                patch_artist=True,
                manage_ticks=False,
                boxprops={"facecolor": to_rgba(colour, 0.6), "edgecolor": colour, "linewidth": 1.2},
                medianprops={"color": "black", "linewidth": 1.4},
                whiskerprops={"color": colour},
                capprops={"color": colour},
            )
        for position, sample in zip(positions, samples, strict=True):
            if not _has_box(sample):
                has_points = True
                x = np.full(len(sample), position)
                axes.plot(x, sample, "o", color=colour, markersize=5, alpha=0.75)
        ends = [
            np.quantile(s, (0.05, 0.95)) if _has_box(s) else (s.min(), s.max()) for s in samples
        ]
        low, high = min(low, *(end[0] for end in ends)), max(high, *(end[1] for end in ends))
    axes.set_yscale("log")
    axes.set_ylim(low / 1.15, high * 1.15)
    log_ticks(axes.yaxis, *axes.get_ylim())
    axes.set_xlim(-0.6, len(plans) - 0.4)
    is_crowded = max(map(len, plans)) > 4
    axes.set_xticks(
        range(len(plans)),
        [plain(plan, MAX_NAME) for plan in plans],
        rotation=45 if is_crowded else 0,
        ha="right" if is_crowded else "center",
        fontsize="small",
    )
    axes.grid(False, axis="x")
    axes.set_xlabel("plan")
    axes.set_ylabel(f"latency ({unit})")
    total = len({query.plan for run in outcomes[0].runs for query in run.queries})
    shown = [
        f"{short_name(comparison.reference)} and the best {len(outcomes) - 1} others of "
        f"{len(case.outcomes)} schedulers"
        if len(outcomes) < len(case.outcomes)
        else "",
        f"the heaviest {len(plans)} of {total} plans" if len(plans) < total else "",
    ]
    is_any_clairvoyant = any(outcome.is_clairvoyant for outcome in outcomes)
    form = [
        "box: quartiles and median, whiskers: 5 to 95 %" if has_boxes else "",
        f"points where fewer than {MIN_BOX} queries (or all equal)" if has_points else "",
        f"{CLAIRVOYANT_MARK} clairvoyant" if is_any_clairvoyant else "",
    ]
    notes = ["; ".join(filter(None, parts)) for parts in (shown, form)]
    add_title(figure, case_heading(comparison, case), *notes, ax=ax)
    handles = [
        Patch(
            color=_colour(comparison, outcome),
            alpha=0.75,
            label=display_name(outcome),
        )
        for outcome in outcomes
    ]
    add_legend_below(figure, handles, ax, ncols=4)
    return figure


def _has_box(sample: np.ndarray) -> bool:
    return len(sample) >= MIN_BOX and bool(np.ptp(sample) > 1e-3 * sample.max())


def _colour(comparison: Comparison, outcome: Outcome) -> str:
    return COLOURS[comparison.schedulers.index(outcome.scheduler) % len(COLOURS)]


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
