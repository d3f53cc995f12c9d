"""A plan drawn as a graph, with its pipelines coloured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lsched.plots.style import COLOURS, NOTE, add_title, plain
from lsched.tables import counted, duration
from traces import Plan
from traces.statistics import Floats
from traces.units import US_PER_S

ROW_INCHES, COLUMN_INCHES = 0.62, 1.45
MAX_INCHES = 60.0
"""Of a figure's sides; plans with more operators than fit are drawn closer, without labels."""
SWEEPS = 8
"""Passes over the layers that put operators near their neighbours."""
MAX_NAME = 18
ALONE = "#9a9a9a"
"""Colour of what is alone in its pipeline."""
BEND = 0.18
"""Of edges that pass a row: straight, they would run through operators that they pass."""


def plan_graph(plan: Plan) -> Figure:
    """Operators from the scans at the bottom to the result at the top, with their index.

    Operators of one colour are a pipeline and can run together; what stands alone in its pipeline
    is grey. A thin dashed edge makes its consumer wait for the whole producer. The area of a circle
    is the operator's share of the plan's work.
    """
    places = _layout(plan)
    columns, rows = max(x for x, _ in places) + 1, max(y for _, y in places) + 1
    width, height = max(6.0, columns * COLUMN_INCHES), max(3.5, (rows + 1) * ROW_INCHES)
    is_small = max(width, height) <= MAX_INCHES
    figure = Figure(figsize=(min(width, MAX_INCHES), min(height, MAX_INCHES)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    colours = pipeline_colours(plan)
    _draw_edges(axes, plan, places, colours)
    shares = np.array([operator.work_us for operator in plan.operators]) / plan.work_us
    xs, ys = zip(*places, strict=True)
    areas = 30 + 900 * shares
    axes.scatter(xs, ys, s=areas, c=colours, zorder=3, edgecolors="white")
    if is_small:
        _draw_labels(axes, plan, places, shares, np.sqrt(areas) / 2)
    axes.set_xlim(-0.3, columns - 0.1)
    axes.set_ylim(-0.6, rows - 0.4)
    work = duration(plan.work_us / US_PER_S)
    title = f"plan {plan.name}: {counted(len(plan.operators), 'operator')}, work {work}"
    add_title(figure, title, "" if is_small else "too large for labels")
    handles = [
        Line2D([], [], color=COLOURS[0], linewidth=2.4, label="streams: one pipeline, one colour"),
        Line2D([], [], color=NOTE, linewidth=0.9, linestyle=(0, (4, 3)), label="waits for all"),
    ]
    figure.legend(
        handles=handles, loc="outside lower left", ncols=2, frameon=False, fontsize="small"
    )
    return figure


def _draw_edges(
    axes: Axes, plan: Plan, places: Sequence[tuple[float, int]], colours: Sequence[str]
) -> None:
    for edge in plan.edges:
        (x, y), (to_x, to_y) = places[edge.producer], places[edge.consumer]
        style: dict[str, object] = {"color": NOTE, "linewidth": 0.9, "linestyle": (0, (4, 3))}
        if not edge.is_pipeline_breaker:
            style = {"color": colours[edge.producer], "linewidth": 2.4}
        if to_y - y > 1:
            style["connectionstyle"] = f"arc3,rad={-BEND}"
        axes.annotate(
            "",
            (to_x, to_y),
            (x, y),
            arrowprops={"arrowstyle": "->", "shrinkA": 6, "shrinkB": 6, **style},
        )


def _draw_labels(
    axes: Axes,
    plan: Plan,
    places: Sequence[tuple[float, int]],
    shares: Floats,
    radii: Floats,
) -> None:
    for index, (operator, place) in enumerate(zip(plan.operators, places, strict=True)):
        share = f"{100 * shares[index]:.0f} %" if shares[index] >= 0.005 else ""
        kind, name = plain(operator.kind, MAX_NAME), plain(operator.name, MAX_NAME)
        lines = (f"{index} {kind} {share}".strip(), name)
        axes.annotate(
            "\n".join(filter(None, lines)),
            place,
            (3 + radii[index], -2),  # edges come from below
            textcoords="offset points",
            fontsize=6.5,
            va="bottom",
            path_effects=[withStroke(linewidth=2, foreground="white")],
        )


def pipeline_colours(plan: Plan) -> list[str]:
    """A colour for each operator: one for each pipeline, grey for those that are alone."""
    size = len(plan.operators)
    ends = [(edge.producer, edge.consumer) for edge in plan.edges if not edge.is_pipeline_breaker]
    producers, consumers = zip(*ends, strict=True) if ends else ((), ())
    streams = coo_array((np.ones(len(ends)), (producers, consumers)), shape=(size, size))
    _, labels = connected_components(streams, directed=False)
    sizes = Counter(labels.tolist())
    together = [label for label in dict.fromkeys(labels.tolist()) if sizes[label] > 1]
    colours = {label: COLOURS[number % len(COLOURS)] for number, label in enumerate(together)}
    return [colours.get(label, ALONE) for label in labels.tolist()]


def _layout(plan: Plan) -> list[tuple[float, int]]:
    """Column and row of each operator.

    The row is that of its consumers less one, so that producers stand right below what they are
    for. Within a row, operators are ordered by the mean place of their neighbours (the barycentre
    method of Sugiyama, Tagawa, Toda, 1981), in sweeps up and down.
    """
    size = len(plan.operators)
    depth = [0] * size  # edges to the result
    for index in reversed(plan.topological_order):
        depth[index] = max((depth[edge.consumer] + 1 for edge in plan.outputs[index]), default=0)
    rows: list[list[int]] = [[] for _ in range(max(depth) + 1)]
    for index in range(size):
        rows[max(depth) - depth[index]].append(index)
    place = [0.0] * size
    above = [[edge.consumer for edge in plan.outputs[index]] for index in range(size)]
    below = [[edge.producer for edge in plan.inputs[index]] for index in range(size)]
    _spread(rows, place)
    for sweep in range(SWEEPS):
        neighbours = above if sweep % 2 == 0 else below
        for row in reversed(rows) if sweep % 2 == 0 else rows:
            means = {
                index: float(np.mean([place[other] for other in neighbours[index]]))
                if neighbours[index]
                else place[index]
                for index in row
            }
            row.sort(key=lambda index: means[index])
            _spread([row], place)
    _align(rows, place, above)
    return [(place[index], max(depth) - depth[index]) for index in range(size)]


def _spread(rows: list[list[int]], place: list[float]) -> None:
    for row in rows:
        for column, index in enumerate(row):
            place[index] = float(column)


def _align(rows: list[list[int]], place: list[float], above: list[list[int]]) -> None:
    """From the top down, shift operators below their consumers as far as the order allows."""
    for row in reversed(rows):
        next_free = 0.0
        for index in row:
            wanted = [place[other] for other in above[index]]
            place[index] = max(next_free, float(np.mean(wanted)) if wanted else place[index])
            next_free = place[index] + 1.0
