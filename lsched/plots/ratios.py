"""Every scheduler's latency as a ratio to the reference's."""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from lsched.compare import Case, Comparison
from lsched.plots.style import COLOURS, log_ticks, new_figure
from lsched.statistics import Ratio
from lsched.tables import display_name, short_name

BETTER, WORSE, UNCLEAR = COLOURS[2], COLOURS[1], "#a0a0a0"


def ratio_to_reference(comparison: Comparison, case: Case) -> Figure:
    """Bars from 1 to the paired ratio of mean latencies, best on top.

    The axis is logarithmic, so that twice as fast and twice as slow are as long as each other.
    Whiskers are the 95 % confidence interval; bars whose interval has 1 in it are grey. Diamonds
    are the same ratio at the 95th percentile.
    """
    outcomes = [o for o in reversed(case.ranked) if o.scheduler != comparison.reference]
    figure, axes = new_figure(width=7.2, height=1.5 + 0.34 * max(len(outcomes), 2))
    low = high = 1.0
    for place, outcome in enumerate(outcomes):
        mean, tail = outcome.ratios["mean_latency_s"], outcome.ratios["p95_latency_s"]
        ends = (mean.low or mean.value, mean.high or mean.value)
        axes.barh(
            place,
            mean.value - 1.0,
            left=1.0,
            height=0.62,
            color=_colour(mean),
            alpha=0.75,
        )
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
    margin = math.exp(0.06 * math.log(high / low) + 0.01)
    axes.set_xscale("log")
    axes.set_xlim(low / margin, high * margin)
    log_ticks(axes.xaxis, low, high)
    axes.axvline(1.0, color="black", linewidth=1.0)
    axes.set_yticks(
        range(len(outcomes)), [display_name(outcome) for outcome in outcomes], fontsize="small"
    )
    axes.grid(False, axis="y")
    axes.set_xlabel(
        f"latency ÷ latency of {short_name(comparison.reference)}, paired by seed (less is better)"
    )
    axes.set_title(
        f"{case.label}, {len(comparison.seeds)} seeds: mean (bar, 95 % CI), p95 (◇)",
        fontsize="medium",
    )
    return figure


def _colour(ratio: Ratio) -> str:
    if ratio.low is not None and ratio.high is not None and ratio.low <= 1 <= ratio.high:
        return UNCLEAR
    return BETTER if ratio.value < 1 else WORSE
