"""Which captured plan stands for a query of which only a few numbers were recorded.

A query's plan is the nearest by
|Δlog2(1 + joins)| + |Δlog2(1 + aggregations)| + ¼ |log2 size| + ½ |log2 time|,
and |Δlog2(1 + sorts)| where sorts are known; size = scanned bytes ÷ the plan's, time = work ÷
(the plan's work × size). Where nothing is known of the bytes, size = work ÷ the plan's work and
time = 1. Equal distances go to the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from traces.errors import TraceError
from traces.files import load
from traces.model import MAX_WORK_ORDERS, Operator, Plan
from traces.statistics import work_at

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

SCAN_BYTES = 4_000_000
"""Bytes of one scanned work order: a row group of 122,880 rows at about 32 bytes a row, a few
columns, as captured plans read."""
MAX_TIME = 4.0
"""The hidden time factor stays within this and its inverse; what is beyond goes into the size."""
MIN_SIZE, MAX_SIZE = 1e-6, 1e6
MIN_TIME_FACTOR, MAX_TIME_FACTOR = 1e-6, 1e3
SHIPPED = ("tpch", "ssb", "tpcds")
CHUNK = 1024
"""Queries compared at once: their distances to all plans fit into a core's cache."""
STEPS = 16
"""Sizes tried per factor of two, where a size is sought that gives a certain work."""


@dataclass(frozen=True)
class Features:
    """What plans and queries are compared by, one entry each.

    Attributes:
        joins, aggregations, sorts: how many; NaN: not known.
        scanned_bytes: NaN: not known.
        work_us: executor time, more than 0.
    """

    joins: Floats
    aggregations: Floats
    sorts: Floats
    scanned_bytes: Floats
    work_us: Floats


def shipped_plans() -> tuple[Plan, ...]:
    """The plans of all shipped benchmarks, named like ``tpcds-q3``."""
    return tuple(
        msgspec.structs.replace(plan, name=f"{name}-{plan.name}")
        for name in SHIPPED
        for plan in load(name).plans
    )


class Candidates:
    """Plans that may stand for queries.

    Args:
        plans: the plans, with unique names.
        presence_only: the queries' features say only whether there are joins, aggregations and
            sorts, not how many.
    """

    def __init__(self, plans: Iterable[Plan], presence_only: bool = False) -> None:
        self.plans = tuple(plans)
        self.presence_only = presence_only
        counts = [
            [
                _count(plan, "probe", "join"),
                _count(plan, "aggregate"),
                _count(plan, "sort", "top-n"),
            ]
            for plan in self.plans
        ]
        joins, aggregations, sorts = np.array(counts, float).T
        most = 1.0 if presence_only else math.inf
        self.features = Features(
            joins=joins.clip(max=most),
            aggregations=aggregations.clip(max=most),
            sorts=sorts.clip(max=most),
            scanned_bytes=np.array([_scanned_bytes(plan) for plan in self.plans]),
            work_us=np.array([plan.work_us for plan in self.plans]),
        )
        self._scales = [_Scale(plan) for plan in self.plans]

    def nearest(self, queries: Features) -> Indices:
        """The index of the plan that stands for each query."""
        chunks = range(0, len(queries.work_us), CHUNK)
        distances = (self._distances(queries, slice(start, start + CHUNK)) for start in chunks)
        return np.concatenate([distance.argmin(axis=1) for distance in distances])

    def _distances(self, queries: Features, rows: slice) -> Floats:
        """Shapes: queries × plans."""

        def gap(name: str, plus: int) -> Floats:
            here, there = (getattr(features, name) for features in (queries, self.features))
            difference: Floats = np.log2(here[rows, None] + plus) - np.log2(there + plus)
            return difference

        work = gap("work_us", 0)
        size = gap("scanned_bytes", 0)
        size = np.where(np.isnan(size), work, size)
        distances: Floats = np.abs(size) / 4 + np.abs(work - size) / 2
        for name in ("joins", "aggregations", "sorts"):
            distances += np.nan_to_num(np.abs(gap(name, 1)))
        return distances

    def sizes(self, plans: Indices, scanned_bytes: Floats, work_us: Floats) -> Floats:
        """The size factor at which each plan scans that many bytes; if NaN, has that work."""
        sizes = scanned_bytes / self.features.scanned_bytes[plans]
        for plan, rows in _by_plan(plans, np.isnan(sizes)):
            sizes[rows] = self._scales[plan].smallest(work_us[rows])
        return sizes

    def factors(self, plans: Indices, sizes: Floats, work_us: Floats) -> tuple[Floats, Floats]:
        """Size and time factors with which each plan has exactly the query's work.

        The size is the one given, unless the time factor were beyond ``MAX_TIME`` then.

        Raises:
            TraceError: a plan cannot have so little or so much work.
        """
        size_factors, time_factors = np.empty(len(plans)), np.empty(len(plans))
        for plan, rows in _by_plan(plans, np.ones(len(plans), bool)):
            scale, work = self._scales[plan], work_us[rows]
            size = sizes[rows].clip(MIN_SIZE, scale.max_size)
            ratio = work / scale.work_at(size)
            smaller = np.minimum(size, scale.largest(work * MAX_TIME))
            size = np.where(ratio > MAX_TIME, scale.smallest(work / MAX_TIME), size)
            size = _rounded(np.where(ratio < 1 / MAX_TIME, smaller, size), 4)
            time = _rounded(work / scale.work_at(size), 9)
            wrong = ~((time >= MIN_TIME_FACTOR) & (time <= MAX_TIME_FACTOR))
            if wrong.any():
                raise TraceError(
                    f"plan {self.plans[plan].name!r} cannot stand for a query of "
                    f"{work[wrong][0] / 1e6:g} s of work"
                )
            size_factors[rows], time_factors[rows] = size, time
        return size_factors, time_factors


class _Scale:
    """How a plan's work grows with its size factor."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        scalable = [o.num_work_orders for o in plan.operators if o.is_scalable]
        fixed = [o.num_work_orders for o in plan.operators if not o.is_scalable]
        room = MAX_WORK_ORDERS - sum(fixed)
        most = 0.999 * (room - len(scalable)) / max(1.0, float(sum(scalable)))  # rounded later
        self.max_size = min(MAX_SIZE, max(1.0, most))
        steps = math.ceil(math.log2(self.max_size / MIN_SIZE) * STEPS)
        self._sizes = _rounded(np.geomspace(MIN_SIZE, self.max_size, steps), 4)
        self._work_us = self.work_at(self._sizes)

    def work_at(self, sizes: Floats) -> Floats:
        """The plan's work at many sizes."""
        return work_at(self._plan, sizes)

    def smallest(self, work_us: Floats) -> Floats:
        """The smallest sizes that have this work or more."""
        index = self._work_us.searchsorted(work_us)
        sizes: Floats = self._sizes[index.clip(max=len(self._sizes) - 1)]
        return sizes

    def largest(self, work_us: Floats) -> Floats:
        """The largest sizes that have this work or less; if none has, the least work there is."""
        index = self._work_us.searchsorted(work_us.clip(min=self._work_us[0]), "right")
        sizes: Floats = self._sizes[index - 1]
        return sizes


def _by_plan(plans: Indices, mask: NDArray[np.bool_]) -> Iterator[tuple[int, Indices]]:
    for plan in np.unique(plans[mask]).tolist():
        yield plan, np.flatnonzero(mask & (plans == plan))


def _rounded(values: Floats, digits: int) -> Floats:
    """Significant digits only: a million of them are written to a file."""
    return np.array([float(f"{value:.{digits}g}") for value in values.tolist()])


def _count(plan: Plan, *kinds: str) -> int:
    return sum(operator.kind in kinds for operator in plan.operators)


def _scanned_bytes(plan: Plan) -> float:
    """What the scans read; of tables that do not grow, next to nothing. NaN without a scan."""
    scans = [operator for operator in plan.operators if operator.kind == "scan"]
    return SCAN_BYTES * sum(map(_num_scalable, scans)) or math.nan


def _num_scalable(operator: Operator) -> int:
    return operator.num_work_orders if operator.is_scalable else 0
