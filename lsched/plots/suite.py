"""All cases of the suite in one figure."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from lsched.plots.style import COLOURS, LIMIT, log_ticks, new_figure
from lsched.suite.run import BEST, FAIR, ON_ESTIMATES, ORACLE, Document
from lsched.suite.tables import labels_of, paired
from lsched.tables import CLAIRVOYANT_MARK

RULES = {ON_ESTIMATES: ("s", "#7f7f7f"), BEST: ("D", "#000000")}
"""Marker and colour. Without FIFO, which is up to 30 times as slow as all others."""


def suite_ratios(documents: Sequence[Document]) -> Figure:
    """Mean latency ÷ that of fair share, a line for each case, on a logarithmic axis.

    Policies have their 95 % confidence intervals. The dotted line is fair share.
    """
    figure, axes = new_figure(width=7.6, height=1.4 + 0.23 * len(documents))
    labels = list(dict.fromkeys(label for each in documents for label in labels_of(each)))
    roles = {**RULES, ORACLE: ("|", COLOURS[2])}
    roles |= {label: ("o", COLOURS[place]) for place, label in enumerate(labels)}
    for role, (marker, colour) in roles.items():
        is_policy = role in labels
        name = f"{role} {CLAIRVOYANT_MARK}" if role == ORACLE else role
        for place, document in enumerate(documents):
            ratio = paired(document, role, FAIR)
            if ratio is None:
                continue
            if is_policy and ratio.low is not None and ratio.high is not None:
                axes.plot([ratio.low, ratio.high], [place, place], color=colour, linewidth=1.2)
            axes.plot(
                ratio.value,
                place,
                marker,
                color=colour,
                markersize=5 if is_policy else 4.5,
                markerfacecolor=colour if is_policy else "white",
                label=name,
            )
            name = f"_{role}"  # one entry in the legend
    axes.axvline(1.0, **LIMIT)
    axes.set_xscale("log")
    log_ticks(axes.xaxis, *axes.get_xlim())
    axes.set_yticks(range(len(documents)), [each["case"] for each in documents], fontsize="small")
    axes.set_ylim(len(documents) - 0.4, -0.6)
    axes.set_xlabel("mean latency ÷ that of fair share, paired by seed (less is better)")
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize="small")
    return figure
