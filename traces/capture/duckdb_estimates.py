"""Integer times, and what an optimizer would expect of each operator (rule R10).

The cost model is an engine's: a start and nanoseconds per input row for each kind of operator,
calibrated on the measured plans (true times, true rows), then applied to the optimizer's
*estimated* rows. Errors of the estimates are therefore the optimizer's own. Table sizes are true.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from traces.capture.duckdb_draft import DraftOperator
from traces.capture.duckdb_operators import VECTOR_ROWS, MeasuredOperator, MeasuredPlan
from traces.model import MAX_BYTES, MAX_WORK_ORDER_US, Operator, Plan

MAX_TIMES = 256
"""Longest list of recorded times; beyond it, that many evenly spaced quantiles stand in."""


def to_plans(measured: Sequence[MeasuredPlan]) -> tuple[Plan, ...]:
    """Plans of the trace model."""
    costs = calibrate(measured)
    return tuple(
        Plan(
            name=plan.name,
            operators=tuple(
                _operator(operator, times, costs)
                for operator, times in zip(plan.operators, integer_times(plan), strict=True)
            ),
            edges=tuple(sorted(plan.edges, key=lambda edge: (edge.producer, edge.consumer))),
        )
        for plan in measured
    )


class Cost(NamedTuple):
    """What operators of a class take: ``start_us`` once, ``unit_ns`` per unit of input."""

    start_us: float
    unit_ns: float

    def work_us(self, num_units: float) -> float:
        """Expected work over ``num_units``, µs."""
        return self.start_us + self.unit_ns * num_units / 1e3


def cost_class(operator: DraftOperator) -> str:
    """The kind; aggregates without groups, which need no hash table, are a class of their own."""
    is_plain = operator.node.type in ("UNGROUPED_AGGREGATE", "SIMPLE_AGGREGATE")
    return "plain aggregate" if is_plain else operator.kind


def cost_units(operator: DraftOperator, num_rows: int) -> int:
    """Input rows; for a scan, rows times one more than the columns it reads."""
    if operator.kind != "scan":
        return num_rows
    columns = operator.node.info.get("Projections", "").splitlines()
    return num_rows * (1 + len(columns))


def calibrate(measured: Sequence[MeasuredPlan]) -> dict[str, Cost]:
    """The cost of each class.

    Its start is the median time of operators over at most one vector of rows, its rate what the
    larger ones take beyond that, over their units.
    """
    work: dict[str, list[tuple[DraftOperator, float]]] = {}
    for plan in measured:
        for operator in plan.operators:
            entry = (operator.draft, operator.work_us)
            work.setdefault(cost_class(operator.draft), []).append(entry)
    costs = {}
    for name, entries in sorted(work.items()):
        small = [time for draft, time in entries if draft.rows_in <= VECTOR_ROWS]
        start_us = median(small) if small else 0.0
        large = [(draft, time) for draft, time in entries if draft.rows_in > VECTOR_ROWS]
        over_us = sum(max(0.0, time - start_us) for _, time in large)
        units = sum(cost_units(draft, draft.rows_in) for draft, _ in large)
        costs[name] = Cost(start_us, 1e3 * over_us / max(1, units))
    return costs


def integer_times(plan: MeasuredPlan) -> list[list[int]]:
    """Times in whole µs, at least 1, by operator.

    Rounded along each pipeline, so that every work order keeps its total (to 1 µs); an operator
    that would come out at 0 takes its µs from the longest one beside it.
    """
    result: list[list[int]] = [[] for _ in plan.operators]
    for chain in plan.pipelines:
        for times in zip(*(plan.operators[index].work_order_us for index in chain), strict=True):
            for index, time in zip(chain, _rounded(times), strict=True):
                result[index].append(time)
    return result


def _rounded(times: Sequence[float]) -> list[int]:
    result, exact, given = [], 0.0, 0
    for time in times:
        exact += time
        result.append(max(0, round(exact) - given))
        given += result[-1]
    for position, value in enumerate(result):
        if value == 0:
            longest = max(range(len(result)), key=lambda other: result[other])
            if result[longest] > 1:
                result[longest] -= 1
            result[position] = 1
    return result


def _operator(operator: MeasuredOperator, times: list[int], costs: dict[str, Cost]) -> Operator:
    draft = operator.draft
    est_work_us = costs[cost_class(draft)].work_us(cost_units(draft, draft.est_rows_in))
    # What a build hands on is its hash table; nothing else leaves it.
    output = 0 if draft.kind == "build" else 1
    return Operator(
        kind=draft.kind,
        name=draft.name,
        num_work_orders=len(times),
        work_order_us=tuple(times if len(times) <= MAX_TIMES else _quantiles(times)),
        est_work_order_us=min(MAX_WORK_ORDER_US, max(1, round(est_work_us / len(times)))),
        is_scalable=operator.is_scalable,
        output_bytes=output * _bytes(draft.rows_out * draft.width_bytes),
        est_output_bytes=output * _bytes(draft.est_rows_out * draft.width_bytes),
        state_bytes=_bytes(draft.state_bytes),
        est_state_bytes=_bytes(draft.est_state_bytes),
    )


def _bytes(value: float) -> int:
    return min(MAX_BYTES, round(value))


def _quantiles(times: list[int]) -> list[int]:
    ordered = sorted(times)
    return [ordered[(2 * k + 1) * len(ordered) // (2 * MAX_TIMES)] for k in range(MAX_TIMES)]
