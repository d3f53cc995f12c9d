"""What the rules share: which queries are let in, how limits become a schedule, and checks.

A rule puts the queries in order, leaves out those that are not ``admitted``, gives each a limit,
and lets ``Listing.allocations`` write it down.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sim.schedule import Allocation
from sim.schedulers.pipelining import WHOLE, best_degree, cached_bytes
from sim.sums import ordered_sum
from sim.view import ClusterView, OperatorView, QueryView, Size

Spare = Literal["share", "idle"]
"""Whether executors that the limits leave over go to any query that can use them."""
MemoryRule = Literal["gate", "ignore"]
"""Whether a query must wait until its estimated state fits the cluster's memory."""
PipelineRule = Literal["always", "never", "best"]
"""How many operators run together: as many as can, one, or what a small cost model says."""

OperatorRule = Literal["plan", "shortest"]
"""What of a query runs first: as the plan has it, or the operator with least remaining work."""

Rank = Callable[[QueryView], Sequence[OperatorView]]
"""The operators of a query that may run, most urgent first."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Turns queries and limits into a schedule.

    Attributes:
        memory: ``gate``: a query waits until its estimated state fits the cluster's memory.
        pipeline: how many operators run together: as many as can, one, or what a small cost model
            says is best.
        spare: whether executors that the limits leave over go to any query that can use them.
        operators: what of a query runs first: as the plan has it, or the operator with least
            remaining work.
        size: where work comes from: the optimizer's estimates, what this query has shown, or what
            completed runs of the same plan have.
    """

    memory: MemoryRule = "ignore"
    pipeline: PipelineRule = "always"
    spare: Spare = "idle"
    operators: OperatorRule = "plan"
    size: Size = "estimate"

    def __post_init__(self) -> None:
        check_choice("memory", self.memory, MemoryRule)
        check_choice("pipeline", self.pipeline, PipelineRule)
        check_choice("spare", self.spare, Spare)
        check_choice("operators", self.operators, OperatorRule)
        check_choice("size", self.size, Size)

    def admitted(self, view: ClusterView, queries: Sequence[QueryView]) -> Sequence[QueryView]:
        """Those of ``queries``, most urgent first, that may run.

        With ``memory="gate"``: all that have started, and of the others, in order, as many as
        together fit the memory budget with their estimated state; at least one in all.
        """
        if self.memory == "ignore" or view.cluster.memory_bytes is None:
            return queries
        room = view.cluster.memory_bytes * view.cluster.num_nodes
        room -= sum(claimed_bytes(query) for query in queries if query.is_started)
        admitted, is_open = [], True
        is_empty = not any(query.is_started for query in queries)
        for query in queries:
            if query.is_started:
                admitted.append(query)
            elif is_open:
                room -= claimed_bytes(query)
                is_open = room >= 0
                if is_open or is_empty:
                    admitted.append(query)
                    is_empty = False
        return admitted

    def allocations(
        self,
        view: ClusterView,
        limits: Iterable[tuple[QueryView, int]],
        rank: Rank | None = None,
    ) -> list[Allocation]:
        """Allocations for queries with limits, in order; what is spare comes after all of them.

        A limit of 0 leaves a query out of the first round. ``rank``, if given, has precedence over
        ``operators``.
        """
        rank = rank or self.ranked
        degree = self.degree_rule(view)
        full = view.num_executors
        first, second = [], []
        for query, limit in limits:
            for operator in rank(query):
                operators = degree(operator)
                if limit > 0:
                    first.append(Allocation(operator, limit, operators))
                if limit < full:
                    second.append(Allocation(operator, full, operators))
        return first if self.spare == "idle" else first + second

    def ranked(self, query: QueryView) -> Sequence[OperatorView]:
        """What may run of a query, by ``operators``; of equals as the plan has it."""
        if self.operators == "plan":
            return query.schedulable
        left_us = query.operator_remaining_us(self.size)
        return sorted(query.schedulable, key=lambda operator: left_us[operator.index])

    def degree_rule(self, view: ClusterView) -> Callable[[OperatorView], int]:
        """The pipeline degree of each root, by ``pipeline``."""
        if self.pipeline == "best":
            others = cached_bytes(view)
            return lambda operator: best_degree(view, operator, others)
        degree = WHOLE if self.pipeline == "always" else 1
        return lambda operator: degree


class FreshRun:
    """Tells a rule that keeps something between events when a new run begins.

    It does not keep the last run's simulation alive.
    """

    def __init__(self) -> None:
        self._view: weakref.ref[ClusterView] | None = None

    def begins(self, view: ClusterView) -> bool:
        """Whether this view is of another run than at the last call."""
        if self._view is not None and self._view() is view:
            return False
        self._view = weakref.ref(view)
        return True


def claimed_bytes(query: QueryView) -> int:
    """Memory that a query holds or will want: held where it is built, estimated where it is not."""
    return sum(
        operator.memory_bytes
        if operator.is_complete
        else max(operator.memory_bytes, operator.est_state_bytes)
        for operator in query.operators
    )


def total_us(query: QueryView, size: Size) -> float:
    """Predicted work of a whole query, done or not, µs."""
    return ordered_sum(
        operator.num_work_orders * operator.work_order_us(size) for operator in query.operators
    )


def usable_executors(query: QueryView) -> int:
    """Executors that a query could hold now: those it holds and one per unclaimed work order."""
    return query.num_executors + sum(operator.num_unclaimed for operator in query.schedulable)


def fair_limit(num_executors: int, num_queries: int, share: float = 1.0) -> int:
    """⌈share × executors ÷ queries⌉, from 1 to all."""
    limit = math.ceil(share * num_executors / max(num_queries, 1))
    return min(max(limit, 1), num_executors)


def part_of(num_executors: int, fraction: float) -> int:
    """A fraction of the executors, rounded, at least 1."""
    return max(1, round(fraction * num_executors))


def rounded_shares(weights: Sequence[float], total: int, minimum: int = 0) -> list[int]:
    """Whole numbers proportional to ``weights`` that sum to ``total`` (largest remainder).

    Those below ``minimum`` are raised to it, at the expense of the largest, one by one, of equals
    the last. Where ``total`` does not suffice for that, each is ``minimum``. Weights that sum to 0
    count as equal.
    """
    if total <= minimum * len(weights):
        return [minimum] * len(weights)
    scale = ordered_sum(weights)
    if not 0.0 < scale < math.inf:
        weights, scale = [1.0] * len(weights), float(len(weights))
    exact = [total * weight / scale for weight in weights]
    shares = [int(value) for value in exact]
    by_remainder = sorted(range(len(weights)), key=lambda at: shares[at] - exact[at])
    for at in by_remainder[: total - sum(shares)]:
        shares[at] += 1
    shares = [max(share, minimum) for share in shares]
    for _ in range(sum(shares) - total):
        largest = max(range(len(shares)), key=lambda at: (shares[at], at))
        shares[largest] -= 1
    return shares


def check_choice(name: str, value: object, choices: Any) -> None:
    """Raise ValueError unless ``value`` is one of a Literal's."""
    if value not in get_args(choices):
        raise ValueError(f"{name} is {value!r}, expected {' or '.join(get_args(choices))}")


def check_number(name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError unless ``value`` is a number from ``low`` to ``high``."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}, expected a number from {low:g} to {high:g}")


def check_whole(name: str, value: int, low: int, high: int) -> None:
    """Raise ValueError unless ``value`` is a whole number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}, expected a whole number from {low} to {high}")
