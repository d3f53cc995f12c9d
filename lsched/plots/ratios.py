"""Every scheduler's latency as a ratio to the reference's."""

from __future__ import annotations

import math

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lsched.compare import Case, Comparison
from lsched.plots.style import (
    COLOURS,
    LIMIT,
    add_legend_below,
    add_title,
    case_heading,
    log_ticks,
    new_figure,
)
from lsched.statistics import Ratio, paired_ratio
from lsched.tables import CLAIRVOYANT_NOTE, display_name, replay_note, short_name

BETTER, WORSE, UNCLEAR = COLOURS[2], COLOURS[1], "#a0a0a0"


def ratio_to_reference(comparison: Comparison, case: Case, *, ax: Axes | None = None) -> Figure:
    """Bars from 1 to the paired ratio of mean latencies, best on top.

    The axis is logarithmic, so that twice as fast and twice as slow are as long as each other.
    Whiskers are the 95 % confidence interval; bars whose interval contains 1 are grey. Diamonds
    are the same ratio at the 95th percentile. The dotted line is the ratio of the lower bound.
    """
    outcomes = [o for o in reversed(case.ranked) if o.scheduler != comparison.reference]
    figure, axes = new_figure(7.2, 2.1 + 0.34 * max(len(outcomes), 2), ax)
    low = high = 1.0
    has_intervals = False
    for place, outcome in enumerate(outcomes):
        mean, tail = outcome.ratios["mean_latency_s"], outcome.ratios["p95_latency_s"]
        ends = _ends(mean)
        axes.barh(
            place,
            mean.value - 1.0,
            left=1.0,
            height=0.62,
            color=_colour(mean),
            alpha=0.75,
        )
        if ends[0] < ends[1]:
            has_intervals = True
            axes.errorbar(
                mean.value,
                place,
                xerr=[[mean.value - ends[0]], [ends[1] - mean.value]],
                color="black",
                capsize=3,
                linewidth=1.2,
                fmt="none",
            )
        axes.plot(tail.value, place, "D", color="white", markeredgecolor="black", markersize=5)
        low, high = min(low, tail.value, ends[0]), max(high, tail.value, ends[1])
        axes.annotate(
            f"{mean.value:.2f}",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize="small",
            annotation_clip=False,
        )
    runs = [run for run in case.outcomes[comparison.reference].runs if run.seed in case.bounds]
    limit = paired_ratio(
        [case.bounds[run.seed].mean_latency_s for run in runs],
        [run.summary["mean_latency_s"] for run in runs],
    ).value
    low = min(low, limit)
    axes.axvline(limit, **LIMIT)
    margin = math.exp(0.06 * math.log(high / low) + 0.01)
    axes.set_xscale("log")
    axes.set_xlim(low / margin, high * margin)
    log_ticks(axes.xaxis, *axes.get_xlim())
    axes.axvline(1.0, color="black", linewidth=1.0)
    axes.set_yticks(
        range(len(outcomes)), [display_name(outcome) for outcome in outcomes], fontsize="small"
    )
    axes.grid(False, axis="y")
    axes.set_xlabel(
        f"latency ÷ latency of {short_name(comparison.reference)}, paired by seed (less is better)"
    )
    note = "" if case.arrivals.is_drawn or len(comparison.seeds) == 1 else replay_note(case)
    seer = CLAIRVOYANT_NOTE if any(outcome.is_clairvoyant for outcome in outcomes) else ""
    add_title(figure, case_heading(comparison, case), note, seer, ax=ax)
    add_legend_below(figure, _legend(has_intervals), ax, ncols=3)
    return figure


def _legend(has_intervals: bool) -> list[Artist]:
    mean = "mean latency"
    entries: list[Artist] = [
        Patch(color=BETTER, alpha=0.75, label=f"{mean}, lower"),
        Patch(color=WORSE, alpha=0.75, label=f"{mean}, higher"),
    ]
    if has_intervals:
        unclear = f"{mean}, interval contains 1"
        entries.append(Patch(color=UNCLEAR, alpha=0.75, label=unclear))
        entries.append(
            Line2D([], [], color="black", marker="|", label="95 % CI of the mean's ratio")
        )
    diamond = Line2D([], [], linestyle="none", label="95th percentile")
    diamond.set(marker="D", markersize=5, markerfacecolor="white", markeredgecolor="black")
    limit = Line2D([], [], label="lower bound of the mean", **LIMIT)
    return [*entries, diamond, limit]


def _ends(ratio: Ratio) -> tuple[float, float]:
    """Of the interval; where there is none, or seeds are all the same, both are the value."""
    low, high = ratio.low or ratio.value, ratio.high or ratio.value
    return (low, high) if high - low > 1e-9 * high else (ratio.value, ratio.value)


def _colour(ratio: Ratio) -> str:
    low, high = _ends(ratio)
    if low <= 1 <= high:
        return UNCLEAR
    return BETTER if ratio.value < 1 else WORSE
