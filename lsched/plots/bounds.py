"""How tight the lower bounds are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lsched.compare import Case
from lsched.plots.style import add_axes, add_title, line_style, log_ticks, marker
from lsched.tables import counted
from lsched.validate.bounds import MAKESPAN, Check
from sim.bounds import BOUNDS


def bounds_figure(check: Check, cases: Mapping[str, Sequence[Case]]) -> Figure:
    """Left: bound ÷ optimum over tiny traces, sorted. Right: the best rule ÷ the limit, by load.

    Args:
        check: tiny traces.
        cases: traces by cluster; without any there is no right side.
    """
    columns = 2 if cases else 1
    figure = Figure(figsize=(5.0 * columns, 4.2), layout="constrained")
    _tiny(add_axes(figure, 1, columns, 1), check)
    if cases:
        _traces(add_axes(figure, 1, columns, 2), cases)
    add_title(
        figure,
        "how tight the lower bounds are",
        f"exact optima of {counted(check.num_instances, 'tiny trace')}",
    )
    return figure


def _tiny(axes: Axes, check: Check) -> None:
    for index, each in enumerate(check.tightness):
        name = "B5 (makespan)" if each.name == MAKESPAN else f"{BOUNDS[each.name]} {each.name}"
        shares = (np.arange(len(each.ratios)) + 1) / len(each.ratios)
        axes.step(np.sort(each.ratios), shares, where="post", label=name, **line_style(index))
    axes.set_xlim(right=1.005)
    axes.set_ylim(0, 1.01)
    axes.set_xlabel("bound ÷ optimum (more is tighter)")
    axes.set_ylabel("share of traces")
    axes.legend(frameon=False, fontsize="small", loc="upper left")


def _traces(axes: Axes, cases: Mapping[str, Sequence[Case]]) -> None:
    names = list(dict.fromkeys(case.trace for each in cases.values() for case in each))
    for column, (cluster, of_cluster) in enumerate(cases.items()):
        for index, name in enumerate(names):
            mine = [case for case in of_cluster if case.trace == name]
            loads = [case.arrivals.load or 0.0 for case in mine]
            ratios = [case.ranked[0].mean_latency_s / case.lower_bound_s for case in mine]
            style = line_style(index) | {"linestyle": ("-", ":")[column % 2]}
            axes.plot(loads, ratios, marker=marker(index), label=f"{name}, {cluster}", **style)
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.97), high)
    log_ticks(axes.yaxis, *axes.get_ylim())
    axes.set_xlabel("offered load")
    axes.set_ylabel("mean latency of the best rule ÷ limit")
    axes.legend(frameon=False, fontsize="small")
