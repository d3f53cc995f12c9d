"""Tiny random traces that can be solved exactly."""

from __future__ import annotations

import numpy as np

from traces import Edge, Operator, Plan, Query, Trace

MAX_QUERIES = 4
MAX_OPERATORS = 3
MAX_WORK_ORDERS = 8
LONGEST_US = 30
GAPS_US = (0, 0, 5, 15, 40)


def tiny_instance(
    random: np.random.Generator, max_work_orders: int = MAX_WORK_ORDERS
) -> tuple[Trace, int]:
    """A trace of two to four small queries, and two or three executors for it.

    Args:
        random: where everything is drawn from.
        max_work_orders: of all queries together.
    """
    num_queries = int(random.integers(2, MAX_QUERIES + 1))
    left = max_work_orders
    plans, queries, now = [], [], 0
    for index in range(num_queries):
        most = left - (num_queries - 1 - index)  # each later query needs one
        counts = _counts(random, most)
        left -= sum(counts)
        plans.append(_plan(random, f"plan-{index}", counts))
        queries.append(Query(query_id=index, plan=plans[-1].name, arrival_us=now))
        now += int(random.choice(GAPS_US))
    trace = Trace(name="tiny", plans=tuple(plans), queries=tuple(queries))
    return trace, int(random.integers(2, 4))


def _counts(random: np.random.Generator, most: int) -> list[int]:
    """Work orders of each operator of a query, ``most`` in all at most."""
    size = int(random.integers(1, min(MAX_OPERATORS, most) + 1))
    counts = [1] * size
    for _ in range(int(random.integers(0, min(most - size, 3) + 1))):
        counts[int(random.integers(size))] += 1
    return counts


def _plan(random: np.random.Generator, name: str, counts: list[int]) -> Plan:
    """A tree, its edges at random breaking or not."""
    operators = tuple(
        Operator(
            kind="other",
            num_work_orders=count,
            work_order_us=tuple(random.integers(1, LONGEST_US + 1, count).tolist()),
        )
        for count in counts
    )
    edges = tuple(
        Edge(at - 1, int(random.integers(at, len(counts))), bool(random.random() < 0.5))
        for at in range(1, len(counts))
    )
    return Plan(name=name, operators=operators, edges=edges)
