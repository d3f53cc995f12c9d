"""A trace with other estimates than the optimizer's: exact ones, none, or noisy ones."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec
import numpy as np

from traces.errors import TraceError
from traces.model import MAX_BYTES, MAX_WORK_ORDER_US, Operator, Plan, Trace

MOST_NOISE = 5.0
UNKNOWN_US = 1_000
"""Estimated time of every work order where there are no estimates: any, the same for all."""


def exact_estimates(trace: Trace) -> Trace:
    """The true means stand for the estimates."""
    return _with_plans(trace, _exact(trace.plans))


def no_estimates(trace: Trace) -> Trace:
    """All work orders are thought to take equally long, and to output and to keep nothing.

    What is left to go by are the numbers of work orders: the sizes of tables are true (R10).
    """
    return _with_plans(trace, _unknown(trace.plans))


def noisy_estimates(trace: Trace, sd: float, seed: int) -> Trace:
    """Each estimate multiplied by exp(sd × a standard normal number).

    All queries of a plan have the same errors, as those of an optimizer. The same arguments give
    the same plans, as one object.

    Raises:
        TraceError: ``sd`` is not from 0 to 5.
    """
    if not 0.0 <= sd <= MOST_NOISE:
        raise TraceError(f"noise in estimates is {sd}, expected 0 to {MOST_NOISE:g}")
    return _with_plans(trace, _noisy(trace.plans, sd, seed)) if sd else trace


@lru_cache(maxsize=16)
def _exact(plans: tuple[Plan, ...]) -> tuple[Plan, ...]:
    return _with_all(plans, est_work_order_us=None, est_output_bytes=None, est_state_bytes=None)


@lru_cache(maxsize=16)
def _unknown(plans: tuple[Plan, ...]) -> tuple[Plan, ...]:
    return _with_all(plans, est_work_order_us=UNKNOWN_US, est_output_bytes=0, est_state_bytes=0)


@lru_cache(maxsize=64)
def _noisy(plans: tuple[Plan, ...], sd: float, seed: int) -> tuple[Plan, ...]:
    generator = np.random.default_rng(seed)

    def changed(operator: Operator) -> Operator:
        time, output, state = np.exp(sd * generator.standard_normal(3)).tolist()
        time_us = (operator.est_work_order_us or operator.mean_work_order_us) * time
        return msgspec.structs.replace(
            operator,
            est_work_order_us=min(max(round(time_us), 1), MAX_WORK_ORDER_US),
            est_output_bytes=_bytes(operator.est_output_bytes, operator.output_bytes, output),
            est_state_bytes=_bytes(operator.est_state_bytes, operator.state_bytes, state),
        )

    return tuple(_with_operators(plan, map(changed, plan.operators)) for plan in plans)


def _bytes(estimate: int | None, true: int, factor: float) -> int:
    return min(round((true if estimate is None else estimate) * factor), MAX_BYTES)


def _with_all(plans: tuple[Plan, ...], **fields: int | None) -> tuple[Plan, ...]:
    """Plans with the same fields of all operators."""
    return tuple(
        _with_operators(plan, (msgspec.structs.replace(each, **fields) for each in plan.operators))
        for plan in plans
    )


def _with_operators(plan: Plan, operators: Iterable[Operator]) -> Plan:
    return msgspec.structs.replace(plan, operators=tuple(operators))


def _with_plans(trace: Trace, plans: tuple[Plan, ...]) -> Trace:
    return msgspec.structs.replace(trace, plans=plans)
