"""Decima's sweep from the sinks, as in ``lsched.learn.encoders.gcn``."""

from __future__ import annotations

import numpy as np

from lsched.learn.inference.dense import add_product, make_leaky, set_biases, two_layers
from lsched.learn.inference.maps import MAPS
from lsched.learn.inference.observation import Observation
from lsched.learn.inference.tables import Table
from sim.fast_engine.compile import compiled_allocating

PREP, F, G = (MAPS.index(f"encoder.sweep.{name}") for name in ("prep.0", "f", "g"))


@compiled_allocating
def sweep(
    view: Table, policy: Table, place: Table, num_edges: int, seen: Observation
) -> np.ndarray:
    """The embedding of each operator, consumers first: operators of one height together.

    Shapes:
        returns (width, operators)
    """
    prepared = two_layers(policy, PREP, seen.operators)
    width, num_operators = prepared.shape
    order, ends = _by_height(view, place, seen.row)
    rank = np.empty(num_operators, np.int64)
    for at in range(num_operators):
        rank[order[at]] = at
    first_edge = _first_edges(view, num_edges, seen)
    # From here on columns stand by height.
    sums, embedded, messages = (
        np.zeros((width, num_operators), np.float32),
        np.empty((width, num_operators), np.float32),
        np.empty((width, num_operators), np.float32),
    )
    begin = 0
    for end in ends:
        set_biases(policy, G, embedded, begin, end)
        add_product(policy, G, 0, sums, embedded, begin, end)
        make_leaky(embedded, begin, end)
        for at in range(width):
            for column in range(begin, end):
                embedded[at, column] += prepared[at, order[column]]
        set_biases(policy, F, messages, begin, end)
        add_product(policy, F, 0, embedded, messages, begin, end)
        make_leaky(messages, begin, end)
        for column in range(begin, end):
            consumer = seen.row[order[column]]
            edge = first_edge[order[column]]
            while edge < num_edges and view.edges_consumer[edge] == consumer:
                producer = seen.place[view.edges_producer[edge]]
                if producer >= 0:
                    for at in range(width):
                        sums[at, rank[producer]] += messages[at, column]
                edge += 1
        begin = end
    for at in range(width):
        for operator in range(num_operators):
            prepared[at, operator] = embedded[at, rank[operator]]
    return prepared


@compiled_allocating
def _by_height(view: Table, place: Table, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Operators by height, and where each height ends."""
    top = 0
    for operator in row:
        top = max(top, place.height[view.operators_plan_operator[operator]])
    ends = np.zeros(top + 1, np.int64)
    for operator in row:
        ends[place.height[view.operators_plan_operator[operator]]] += 1
    ends = np.cumsum(ends)
    free, order = ends.copy(), np.empty(len(row), np.int64)
    for at in range(len(row) - 1, -1, -1):
        height = place.height[view.operators_plan_operator[row[at]]]
        free[height] -= 1
        order[free[height]] = at
    return order, ends


@compiled_allocating
def _first_edges(view: Table, num_edges: int, seen: Observation) -> np.ndarray:
    """The first of the edges into each operator, which stand together; none: the number of all."""
    first = np.full(len(seen.row), num_edges, np.int64)
    for edge in range(num_edges - 1, -1, -1):
        consumer = seen.place[view.edges_consumer[edge]]
        if consumer >= 0:
            first[consumer] = edge
    return first
