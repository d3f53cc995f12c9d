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
def sweep(view: Table, policy: Table, place: Table, seen: Observation) -> np.ndarray:
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
    first_edge = _first_edges(seen)
    # From here on columns stand by height.
    sums = np.zeros((width, num_operators), np.float32)
    embedded, messages = np.empty_like(sums), np.empty_like(sums)
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
            consumer = order[column]
            for edge in range(first_edge[consumer], first_edge[consumer + 1]):
                producer = rank[seen.producer[edge]]
                for at in range(width):
                    sums[at, producer] += messages[at, column]
        begin = end
    for at in range(width):
        for operator in range(num_operators):
            prepared[at, operator] = embedded[at, rank[operator]]
    return prepared


@compiled_allocating
def _by_height(view: Table, place: Table, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Operators by height, and where each height ends."""
    heights = place.height[view.operators_plan_operator[row]]
    top = 0
    for height in heights:
        top = max(top, height)
    ends = np.zeros(top + 1, np.int64)
    for height in heights:
        ends[height] += 1
    ends = np.cumsum(ends)
    free, order = ends.copy(), np.empty(len(row), np.int64)
    for at in range(len(row) - 1, -1, -1):
        free[heights[at]] -= 1
        order[free[heights[at]]] = at
    return order, ends


@compiled_allocating
def _first_edges(seen: Observation) -> np.ndarray:
    """Where the edges into each operator begin, which stand together; at the end: their number.

    Shapes:
        returns (operators + 1,)
    """
    first = np.zeros(len(seen.row) + 1, np.int64)
    for consumer in seen.consumer:
        first[consumer + 1] += 1
    return np.cumsum(first)
