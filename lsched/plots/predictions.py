"""Predicted against measured latencies."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lsched.plots.style import (
    COLOURS,
    NOTE,
    add_axes,
    add_title,
    log_ticks,
    marker,
    plain,
)
from lsched.validate.prediction import Experiment

BAND = 0.2
"""Relative error that is shaded."""
PANEL_INCHES = 4.2


def predicted_against_measured(
    panels: Sequence[tuple[str, Sequence[Experiment]]], title: str
) -> Figure:
    """One panel per part, one colour and marker per experiment; both axes are logarithmic.

    Points lie at the median of the measured repeats, with a line from the least to the most.

    Args:
        panels: title and experiments, at least one of each.
        title: what was run.
    """
    figure = Figure(
        figsize=(PANEL_INCHES * len(panels) + 0.4, PANEL_INCHES + 1.9), layout="constrained"
    )
    everything = [
        value
        for _, experiments in panels
        for experiment in experiments
        for prediction in experiment.predictions
        for value in (*prediction.measured_s, prediction.predicted_s)
    ]
    low, high = min(everything) / 1.15, max(everything) * 1.15
    for index, (_, experiments) in enumerate(panels):
        axes = add_axes(figure, 1, len(panels), index + 1)
        axes.plot([low, high], [low, high], color=NOTE, linewidth=1)
        ends = [low, high]
        lower, upper = ([end * (1 + sign * BAND) for end in ends] for sign in (-1, 1))
        axes.fill_between(ends, lower, upper, color="#e8e8e8", linewidth=0)
        for place, experiment in enumerate(experiments):
            predictions = experiment.predictions
            medians = [prediction.median_s for prediction in predictions]
            least = [p.median_s - min(p.measured_s) for p in predictions]
            most = [max(p.measured_s) - p.median_s for p in predictions]
            axes.errorbar(
                medians,
                [prediction.predicted_s for prediction in predictions],
                xerr=[least, most],
                color=COLOURS[place % len(COLOURS)],
                marker=marker(place),
                markersize=5,
                linestyle="none",
                elinewidth=0.8,
                alpha=0.8,
                label=f"{experiment.runs}: {experiment.rule}, {experiment.model}",
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_box_aspect(1)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())
            log_ticks(axis, low, high)
            axis.set_tick_params(labelsize="small")
        axes.set_xlabel("measured latency, s")
        if index == 0:
            axes.set_ylabel("predicted latency, s")
        axes.legend(
            fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(-0.04, -0.13)
        )
    add_title(figure, title)
    for axes, (name, _) in zip(figure.axes, panels, strict=True):
        axes.set_title(
            f"{plain(name)}; grey: within {BAND:.0%}", loc="left", fontsize="small", color=NOTE
        )
    return figure
