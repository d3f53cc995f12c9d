"""A plan drawn as a graph, with its pipelines coloured."""

from __future__ import annotations

import networkx
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lsched.plots.style import COLOURS, NOTE, add_title
from lsched.tables import counted, duration
from traces import Plan
from traces.statistics import US_PER_S

ROW_INCHES, COLUMN_INCHES = 0.62, 1.45
SWEEPS = 8
"""Passes over the layers that put operators near their neighbours."""
MAX_NAME = 18


def plan_graph(plan: Plan) -> Figure:
    """Operators from the scans at the bottom to the result at the top.

    Operators of one colour are a pipeline and can run together; what stands alone in its pipeline
    is grey. A thin dashed edge makes its consumer wait for the whole producer. The area of a circle
    is the operator's share of the plan's work.
    """
    places = _layout(plan)
    columns, rows = max(x for x, _ in places) + 1, max(y for _, y in places) + 1
    width, height = max(6.0, columns * COLUMN_INCHES), max(3.5, (rows + 1) * ROW_INCHES)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    colours = pipeline_colours(plan)
    for edge in plan.edges:
        (x, y), (to_x, to_y) = places[edge.producer], places[edge.consumer]
        style: dict[str, object] = {"color": NOTE, "linewidth": 0.9, "linestyle": (0, (4, 3))}
        if not edge.is_pipeline_breaker:
            style = {"color": colours[edge.producer], "linewidth": 2.4}
        axes.annotate(
            "",
            (to_x, to_y),
            (x, y),
            arrowprops={"arrowstyle": "->", "shrinkA": 6, "shrinkB": 6, **style},
        )
    shares = np.array([operator.work_us for operator in plan.operators]) / plan.work_us
    xs, ys = zip(*places, strict=True)
    areas = 30 + 900 * shares
    radii = np.sqrt(areas) / 2
    axes.scatter(xs, ys, s=areas, c=colours, zorder=3, edgecolors="white")
    for index, (operator, (x, y)) in enumerate(zip(plan.operators, places, strict=True)):
        name = operator.name if len(operator.name) <= MAX_NAME else f"{operator.name[:MAX_NAME]}…"
        share = f"{100 * shares[index]:.0f} %" if shares[index] >= 0.005 else ""
        lines = (f"{operator.kind} {share}".strip(), name)
        axes.annotate(
            "\n".join(filter(None, lines)).replace("$", r"\$"),
            (x, y),
            (3 + radii[index], -2),  # edges come from below
            textcoords="offset points",
            fontsize=6.5,
            va="bottom",
        )
    axes.set_xlim(-0.3, columns - 0.1)
    axes.set_ylim(-0.6, rows - 0.4)
    work = duration(plan.work_us / US_PER_S)
    title = f"plan {plan.name}: {counted(len(plan.operators), 'operator')}, work {work}"
    add_title(figure, title)
    handles = [
        Line2D([], [], color=COLOURS[0], linewidth=2.4, label="streams: one pipeline, one colour"),
        Line2D([], [], color=NOTE, linewidth=0.9, linestyle=(0, (4, 3)), label="waits for all"),
    ]
    figure.legend(
        handles=handles, loc="outside lower left", ncols=2, frameon=False, fontsize="small"
    )
    return figure


def pipeline_colours(plan: Plan) -> list[str]:
    """A colour for each operator: one for each pipeline, grey for those that are alone."""
    graph = networkx.Graph()
    graph.add_nodes_from(range(len(plan.operators)))
    graph.add_edges_from(
        (edge.producer, edge.consumer) for edge in plan.edges if not edge.is_pipeline_breaker
    )
    colours = ["#9a9a9a"] * len(plan.operators)
    pipelines = [part for part in networkx.connected_components(graph) if len(part) > 1]
    for number, pipeline in enumerate(sorted(pipelines, key=min)):
        for operator in pipeline:
            colours[operator] = COLOURS[number % len(COLOURS)]
    return colours


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
