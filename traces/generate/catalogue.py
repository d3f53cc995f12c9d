"""The plans that generated queries run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

import msgspec
import numpy as np

from traces.errors import TraceError, did_you_mean
from traces.files import load
from traces.model import MAX_BYTES, MAX_WORK_ORDER_US, Operator, Plan

MAX_IN_MEMORY = 16.0
"""Size factor up to which states and outputs of cut plans grow."""


class Catalogue:
    """The plans of one or several traces; of several, with the trace before the plan's name.

    Attributes:
        plans: all of them.
        work_orders, work_us: of each plan at size factor 1, by what grows with the size and what
            does not: rows are plans, column 0 grows.

    Raises:
        TraceError: there is no such trace, or it cannot be read.
    """

    def __init__(self, traces: Sequence[str]) -> None:
        self.plans: list[Plan] = []
        for name in traces:
            trace = load(name)
            prefix = f"{trace.name}-" if len(traces) > 1 else ""
            for plan in trace.plans:
                self.plans.append(msgspec.structs.replace(plan, name=f"{prefix}{plan.name}"))
        self.names = [plan.name for plan in self.plans]
        if len(set(self.names)) < len(self.names):
            raise TraceError(f"traces {list(traces)}: two have the same name; give each once")
        self.work_orders = self._by_growth(lambda operator: operator.num_work_orders)
        self.work_us = self._by_growth(lambda operator: operator.work_us)

    def matching(self, patterns: Sequence[str], prefer: str) -> np.ndarray:
        """Places of the plans whose names match, or of the half with less or more work.

        Raises:
            ValueError: a pattern matches nothing.
        """
        found: set[int] = set()
        for pattern in patterns:
            places = {i for i, name in enumerate(self.names) if fnmatchcase(name, pattern)}
            if not places:
                hint = did_you_mean(pattern, self.names)
                raise ValueError(f"plans: {pattern!r} matches none of {self._sample()}{hint}")
            found |= places
        matching = np.array(sorted(found))
        if prefer == "any":
            return matching
        order = np.argsort(self.work_us[matching].sum(axis=1), kind="stable")
        half = (len(order) + 1) // 2
        return matching[np.sort(order[:half] if prefer == "short" else order[-half:])]

    def references(self, place: np.ndarray, size: np.ndarray, most: np.ndarray) -> np.ndarray:
        """For plans at sizes: the size at which each is cut into ``most`` work orders.

        It is the size or more, by less than a factor of 4. 0: the plan as it is has fewer.
        """
        is_cut = self.work_orders[place, 0] * size > most
        powers = 4.0 ** np.ceil(np.log(size) / math.log(4.0))
        references: np.ndarray = np.where(is_cut, powers, 0.0)
        return references

    def cut(self, place: int, reference: float, most: int) -> Plan:
        """A plan over ``reference`` times the data, in about ``most`` work orders of like length.

        Work orders are merged: the mean of g of them is g times as long, their standard deviation
        the root of g times. Operators that do not grow with the data stay. States and outputs
        grow with the data up to ``MAX_IN_MEMORY`` times; more is worked on in parts. Profiles by
        wave are left out.
        """
        plan = self.plans[place]
        if not reference:
            return plan
        length_us = self.work_us[place, 0] * reference / most
        operators = tuple(
            _cut(operator, reference, length_us) if operator.is_scalable else operator
            for operator in plan.operators
        )
        return msgspec.structs.replace(
            plan, name=f"{plan.name}-x{reference:g}-w{most}", operators=operators
        )

    def _by_growth(self, figure: Callable[[Operator], float]) -> np.ndarray:
        return np.array(
            [
                [
                    math.fsum(figure(o) for o in plan.operators if o.is_scalable == grows)
                    for grows in (True, False)
                ]
                for plan in self.plans
            ]
        )

    def _sample(self) -> str:
        shown = ", ".join(self.names[:5])
        return f"the {len(self.names)} plans ({shown}{', …' if len(self.names) > 5 else ''})"


def _cut(operator: Operator, reference: float, length_us: float) -> Operator:
    recorded = operator.num_work_orders * reference
    merged = max(recorded * operator.mean_work_order_us / length_us, 1.0)
    count = max(round(min(merged, recorded)), 1)
    each = recorded / count  # recorded work orders in one
    mean_us, spread = operator.mean_work_order_us, math.sqrt(max(each, 1.0))

    def longer(time_us: int) -> int:
        return max(round(each * mean_us + spread * (time_us - mean_us)), 1)

    def grown(num_bytes: int) -> int:
        return round(num_bytes * min(reference, MAX_IN_MEMORY))

    estimate_us = operator.est_work_order_us
    output, state = operator.est_output_bytes, operator.est_state_bytes
    return msgspec.structs.replace(
        operator,
        num_work_orders=count,
        work_order_us=tuple(map(longer, operator.work_order_us)),
        est_work_order_us=estimate_us and min(max(round(estimate_us * each), 1), MAX_WORK_ORDER_US),
        output_bytes=grown(operator.output_bytes),
        est_output_bytes=None if output is None else min(grown(output), MAX_BYTES),
        state_bytes=grown(operator.state_bytes),
        est_state_bytes=None if state is None else min(grown(state), MAX_BYTES),
        waves=(),
    )
