"""Two workloads that differ in one thing: whether their templates scale alike.

Both have templates of the same sizes, two for each: chains of two operators in work orders of 10
ms. In one workload they all scale alike. In the other, of each two one scales perfectly (scans) and
one hardly at all (sorts), so that a query's size says nothing about its efficiency, and a rule that
gives all queries alike as many executors wastes most of those that sorts get. A scheduler sees what
kind an operator is.

The preset's own contention per kind (``traces.KINDS``) makes less of a difference than that: on
``inmemory-32``, 32 executors speed a sort up by 19, a scan by 29. So the operators carry their own.
"""

from __future__ import annotations

from traces import Edge, Operator, Plan

CONTENTION = {"scan": 0.0, "join": 0.1, "sort": 0.5}
"""Sigma of the scalability law: 32 executors speed them up by 31, 7.7 and 1.9."""
WORKS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Executor seconds of a query at size factor 1."""
WORK_ORDER_US = 10_000
NUM_OPERATORS = 2


def equal_templates() -> tuple[Plan, ...]:
    """All scale alike."""
    return tuple(
        _plan(f"{name}-join-{work_s:g}s", "join", work_s)
        for work_s in WORKS_S
        for name in ("first", "second")
    )


def different_templates() -> tuple[Plan, ...]:
    """Half scale perfectly, half hardly."""
    return tuple(
        _plan(f"{kind}-{work_s:g}s", kind, work_s)
        for work_s in WORKS_S
        for kind in ("scan", "sort")
    )


def _plan(name: str, kind: str, work_s: float) -> Plan:
    operator = Operator(
        kind=kind,
        num_work_orders=round(work_s * 1e6 / NUM_OPERATORS / WORK_ORDER_US),
        work_order_us=(WORK_ORDER_US,),
        contention=CONTENTION[kind],
    )
    edges = tuple(Edge(at, at + 1, True) for at in range(NUM_OPERATORS - 1))
    return Plan(name=name, operators=(operator,) * NUM_OPERATORS, edges=edges)
