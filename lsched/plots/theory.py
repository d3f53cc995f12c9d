"""Queueing theory as curves, simulation as points with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lsched.plots.style import COLOURS, NOTE, add_axes, add_title, line_style, log_ticks, marker
from lsched.validate.queues import SIZE_BINS
from lsched.validate.services import CONSTANT, EXPONENTIAL, VARIABLE
from lsched.validate.study import NUM_EXECUTORS, SHARED_LOADS, SLICE, Row, Study, expectations
from lsched.validate.system import System
from lsched.validate.theory import (
    erlang_c_wait,
    pollaczek_khinchine_wait,
    processor_sharing_slowdown,
    srpt_sojourn,
)
from lsched.validate.theory_report import figure_name, queue_name

SERVICES = (CONSTANT, EXPONENTIAL, VARIABLE)
LEAST_WAIT = 2e-3
LOADS = [at / 100 for at in range(42, 94, 2)]
SLICES = (1.0, 1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 8, 1 / 12, 1 / 16, 1 / 20)


def theory_figure(study: Study) -> Figure:
    """Means by load, by size and by slice, and all differences in per cent."""
    figure = Figure(figsize=(12.0, 8.2), layout="constrained")
    panels = [add_axes(figure, 2, 3, index) for index in range(1, 6 + 1)]
    _erlang(panels[0], study.rows)
    _first_come(panels[1], study.rows)
    _shortest(panels[2], study.rows)
    _sizes(panels[3], study.rows)
    _slices(panels[4], study.rows)
    _differences(panels[5], study.rows)
    add_title(figure, "Simulation (points, 99 % intervals) and theory (curves), in mean sizes")
    return figure


def _erlang(axes: Axes, rows: Sequence[Row]) -> None:
    for index, num_executors in enumerate(NUM_EXECUTORS):
        curve = [erlang_c_wait(num_executors, load) for load in LOADS]
        chosen = [
            row
            for row in rows
            if row.figure == "wait"
            and row.system.service == EXPONENTIAL
            and row.system.num_executors == num_executors
        ]
        _by_load(axes, index, f"c = {num_executors}", curve, chosen)
    axes.set_ylim(bottom=LEAST_WAIT)
    _finish(axes, "M/M/c, first in first out", "offered load", "mean wait")


def _first_come(axes: Axes, rows: Sequence[Row]) -> None:
    for index, service in enumerate(SERVICES):
        curve = [pollaczek_khinchine_wait(service, load) for load in LOADS]
        chosen = [
            row
            for row in rows
            if row.figure == "wait"
            and row.system.service == service
            and row.system.num_executors == 1
        ]
        _by_load(axes, index, service.name, curve, chosen)
    _finish(axes, "M/G/1, first in first out", "offered load", "mean wait")


def _shortest(axes: Axes, rows: Sequence[Row]) -> None:
    for index, service in enumerate(SERVICES):
        chosen = [
            row for row in rows if row.system.rule == "srpt" and row.system.service == service
        ]
        if chosen:
            curve = [srpt_sojourn(service, load) for load in LOADS]
            _by_load(axes, index, service.name, curve, chosen)
    shared = [processor_sharing_slowdown(load) for load in LOADS]
    axes.plot(LOADS, shared, color=NOTE, linestyle=":", label="processor sharing")
    _finish(axes, "M/G/1, shortest remaining time first", "offered load", "mean sojourn")


def _sizes(axes: Axes, rows: Sequence[Row]) -> None:
    """Mean slowdown by range of size, of both distributions with different sizes."""
    places = np.arange(len(SIZE_BINS) - 1)
    for index, service in enumerate(SERVICES):
        for load in SHARED_LOADS:
            chosen = [
                row
                for row in rows
                if row.figure.startswith("slowdown")
                and (row.system.service, row.system.load) == (service, load)
            ]
            if chosen:
                label = service.name if load == SHARED_LOADS[0] else None
                axes.plot(places, [row.theory for row in chosen], **line_style(index), label=label)
                _points(axes, places + 0.12 * (index - 1.5), chosen, index)
    for load in SHARED_LOADS:
        axes.axhline(processor_sharing_slowdown(load), color=NOTE, linestyle=":", zorder=1)
    names = [figure_name(f"slowdown {place}").removeprefix("slowdown ") for place in places]
    axes.set_xticks(places, names)
    title = f"M/G/1, slices of 1/{1 / SLICE:.0f}; dotted: processor sharing"
    _finish(axes, title, "size (mean sizes)", "mean sojourn ÷ size", is_log=False)


def _slices(axes: Axes, rows: Sequence[Row]) -> None:
    """Mean sojourn against the slice, down to processor sharing."""
    load = SHARED_LOADS[-1]
    for index, service in enumerate(SERVICES):
        curve = [
            expectations(System("slices", service, load, slice_size=size))["sojourn"]
            for size in SLICES
        ]
        axes.plot(SLICES, curve, **line_style(index), label=service.name)
        chosen = [
            row
            for row in rows
            if row.system.rule == "slices"
            and row.figure == "sojourn"
            and (row.system.service, row.system.load) == (service, load)
        ]
        _points(axes, [row.system.slice_size for row in chosen], chosen, index)
    axes.axhline(processor_sharing_slowdown(load), color=NOTE, linestyle=":", zorder=1)
    axes.set_xlim(0.0, 1.05)
    title = f"M/G/1 at load {load:g}; dotted: processor sharing"
    _finish(axes, title, "slice (mean sizes)", "mean sojourn", is_log=False)


def _differences(axes: Axes, rows: Sequence[Row]) -> None:
    """Simulated ÷ theory − 1 of each row, in the order of the table."""
    for place, row in enumerate(reversed(rows)):
        colour = COLOURS[0] if row.is_inside else COLOURS[1]
        half_width = 100 * row.simulated.half_width / row.theory
        axes.errorbar(
            100 * row.difference, place, xerr=half_width, color=colour, marker="o", markersize=3
        )
    ticks: list[int] = []
    names: list[str] = []
    for place, row in enumerate(reversed(rows)):
        name = queue_name(row.system)
        if not names or names[-1] != name:
            ticks.append(place)
            names.append(name)
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.set_yticks(ticks, names, fontsize="x-small")
    axes.set_xlabel("simulated ÷ theory − 1 (%)")
    axes.set_title("all rows of the table; orange: outside", loc="left", fontsize="small")


def _by_load(
    axes: Axes, index: int, label: str, curve: Sequence[float], rows: Sequence[Row]
) -> None:
    axes.plot(LOADS, curve, **line_style(index), label=label)
    _points(axes, [row.system.load for row in rows], rows, index)


def _points(axes: Axes, xs: Iterable[float], rows: Sequence[Row], index: int) -> None:
    axes.errorbar(
        list(xs),
        [row.simulated.mean for row in rows],
        yerr=[row.simulated.half_width for row in rows],
        color=COLOURS[index],
        linestyle="none",
        marker=marker(index),
        markersize=4,
        markerfacecolor="white",
        capsize=3,
        zorder=3,
    )


def _finish(axes: Axes, title: str, x: str, y: str, is_log: bool = True) -> None:
    if is_log:
        axes.set_yscale("log")
        log_ticks(axes.yaxis, *axes.get_ylim())
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, loc="left", fontsize="small")
    axes.legend(fontsize="x-small", frameon=False)
