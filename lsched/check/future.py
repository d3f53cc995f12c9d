"""Two runs that look alike until some moment, and differ in what nobody can know by then (R10)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import msgspec
import numpy as np

from lsched.check.situations import Situation
from sim import Event
from traces import Operator, Plan, Query, Trace

FACTORS = (0.1, 0.3, 3.0, 10.0)
"""Times and bytes of what has not begun are multiplied by one of these."""
LATER_US = 1_000


def with_own_plans(situation: Situation) -> Situation:
    """The same with a plan for each query, so that each can have a future of its own.

    Estimates are written down: where a trace has none, the truth stands for them.
    """
    trace = situation.trace
    plans = tuple(
        _estimated(trace.plan(query.plan), f"{query.query_id}") for query in trace.queries
    )
    queries = tuple(
        msgspec.structs.replace(query, plan=plan.name, template="")
        for query, plan in zip(trace.queries, plans, strict=True)
    )
    return dataclasses.replace(
        situation, trace=msgspec.structs.replace(trace, plans=plans, queries=queries)
    )


def with_another_future(situation: Situation, events: Iterable[Event], now_us: int) -> Situation:
    """The same until a scheduling event at ``now_us``; what begins then or later is different.

    Args:
        situation: with own plans.
        events: the log of a run of it.
        now_us: the moment.
    """
    trace = situation.trace
    begun = _begun(trace, events, now_us)
    generator = np.random.default_rng(now_us)
    plans, queries = [], []
    for query in trace.queries:
        plan = trace.plan(query.plan)
        operators = tuple(
            operator
            if (query.query_id, index) in begun
            else _changed(operator, float(generator.choice(FACTORS)))
            for index, operator in enumerate(plan.operators)
        )
        plans.append(msgspec.structs.replace(plan, operators=operators))
        has_begun = any((query.query_id, index) in begun for index in range(len(operators)))
        queries.append(query if has_begun else _changed_query(query, now_us))
    return dataclasses.replace(
        situation,
        trace=msgspec.structs.replace(trace, plans=tuple(plans), queries=tuple(queries)),
    )


def _estimated(plan: Plan, suffix: str) -> Plan:
    operators = tuple(
        msgspec.structs.replace(
            operator,
            est_work_order_us=operator.est_work_order_us or round(operator.mean_work_order_us),
            est_output_bytes=_known(operator.est_output_bytes, operator.output_bytes),
            est_state_bytes=_known(operator.est_state_bytes, operator.state_bytes),
        )
        for operator in plan.operators
    )
    return msgspec.structs.replace(plan, name=f"{plan.name}-{suffix}", operators=operators)


def _known(estimate: int | None, truth: int) -> int:
    return truth if estimate is None else estimate


def _begun(trace: Trace, events: Iterable[Event], now_us: int) -> set[tuple[int, int]]:
    """Query and operator of all that started before a moment, with all of a pipeline's members."""
    plans = {query.query_id: trace.plan(query.plan) for query in trace.queries}
    begun = set()
    for event in events:
        if event.kind == "start" and event.time_us < now_us:
            member = event.operator
            begun.add((event.query_id, member))
            for _ in range(event.degree - 1):
                member = plans[event.query_id].outputs[member][0].consumer
                begun.add((event.query_id, member))
    return begun


def _changed(operator: Operator, factor: float) -> Operator:
    return msgspec.structs.replace(
        operator,
        work_order_us=tuple(max(round(factor * time), 1) for time in operator.work_order_us),
        output_bytes=round(factor * operator.output_bytes),
        state_bytes=round(factor * operator.state_bytes),
    )


def _changed_query(query: Query, now_us: int) -> Query:
    """A query of which nothing has begun; if it has not even arrived, it comes later."""
    later_us = LATER_US if query.arrival_us > now_us else 0
    return msgspec.structs.replace(
        query, time_factor=1 / query.time_factor, arrival_us=query.arrival_us + later_us
    )
