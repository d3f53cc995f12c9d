"""Priced executors: as many for an operator as its time is worth to the queries that wait."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

from sim.registry import register
from sim.schedule import Allocation, Hold, Schedule
from sim.schedulers.common import Listing, MemoryRule, PipelineRule, check_choice, check_number
from sim.schedulers.compiled_rule import CompiledRule
from sim.view import ClusterView, OperatorView, QueryView, Size


class Deviation(NamedTuple):
    """What is decided otherwise than the rule would; None: nothing.

    Attributes:
        query: comes before all others.
        operator: comes before all others of its query.
        left_out: gets no more executors.
        priced: gets as many as if the price were multiplied by ``factor``.
        factor: see there.
        held: its idle executors are held if the rule would not, and not if it would.
    """

    query: QueryView | None = None
    operator: OperatorView | None = None
    left_out: OperatorView | None = None
    priced: OperatorView | None = None
    factor: float = 1.0
    held: QueryView | None = None


BY_RULE = Deviation()


@register("priced")
class Priced:
    """Each operator gets the number k of executors that minimises T(k) + λ R(k).

    T is the time until the operator is done, R the executor time that it takes, λ the price of
    executor time: weight × (other queries + offset) ÷ executors, by how much the others wait,
    those that wait for memory too.

    - Queries with least remaining work first; in a query, an operator without executors first,
      then the one with the heaviest path to the end.
    - T(k) = ⌈work orders ÷ k⌉ × their time, plus a move if some of the k are not local to the
      query; R(k) = k × T(k). An operator that runs already may get none.
    - A query holds at most 1 ÷ √(slowdown × λ) executors. If its work grows as 1 + slowdown × k
      with k executors, that is where (1 ÷ k + λ) (1 + slowdown × k) is smallest.
    - Executors that leave a pipeline with nothing unclaimed are waited for: they count as local.
    - Idle executors local to a query are held for it while one of its running operators is about
      to end. All that is left over stays idle, for what arrives next.

    Source: this project's study on Decima's Spark profiles. It departs from the rule found there
    by ``slowdown``, which was not in it, and by ``hold_moves``, 0.5 where that rule held for about
    two moves; both values were chosen on the same profiles.

    Args:
        weight: factor of the price.
        offset: queries that the price counts beside the others.
        slowdown: how a query's work grows per executor; 0.0165 in Decima's Spark profiles (later
            waves of a stage: 0.38 of the mean with 2 executors, 1.01 with 100). 0: no limit.
        hold_moves: an operator is about to end when it does within so many moves; 0: no holds.
        size: where the work comes from.
        memory, pipeline: see ``Listing``.
    """

    def __init__(
        self,
        *,
        weight: float = 0.84,
        offset: float = 2.3,
        slowdown: float = 0.0165,
        hold_moves: float = 0.5,
        size: Size = "estimate",
        memory: MemoryRule = "ignore",
        pipeline: PipelineRule = "always",
    ) -> None:
        check_number("weight", weight, 0.0, 1e6)
        check_number("offset", offset, 0.0, 1e6)
        check_number("slowdown", slowdown, 0.0, 1.0)
        check_number("hold_moves", hold_moves, 0.0, 1e6)
        check_choice("size", size, Size)
        self._weight, self._offset = weight, offset
        self._slowdown, self._hold_moves = slowdown, hold_moves
        self._size = size
        self._listing = Listing(memory, pipeline, size=size)

    def decide(self, view: ClusterView) -> Schedule:
        """Answer a scheduling event."""
        return self.deviating(view, BY_RULE)

    def deviating(self, view: ClusterView, by: Deviation) -> Schedule:
        """The answer to a scheduling event with something decided otherwise."""
        order = sorted(
            view.queries,
            key=lambda query: (query is not by.query, query.remaining_us(self._size)),
        )
        queries = self._listing.admitted(view, order)
        price = self._weight * (len(view.queries) - 1 + self._offset) / view.num_executors
        most = most_executors(self._slowdown, price, view.num_executors)
        degree = self._listing.degree_rule(view)
        holds = self._holds(view, by.held)
        supply = Supply(view, holds)
        allocations = []
        for query in queries:
            limit = supply.committed[query]
            if supply.available(query) <= 0 or limit >= most:
                continue
            for operator in self._ranked(query, by.operator):
                if operator is by.left_out:
                    continue
                own_price = price * by.factor if operator is by.priced else price
                count = best_count(
                    operator.num_unclaimed,
                    operator.work_order_us(self._size),
                    operator.num_executors if supply.is_sticky else 0,
                    supply.local[query],
                    min(supply.available(query), most - limit),
                    own_price,
                    view.cluster.move_delay_us,
                )
                if count:
                    limit += count
                    supply.take(query, count)
                    allocations.append(Allocation(operator, limit, degree(operator)))
        return Schedule(allocations, holds)

    def compiled_rule(self) -> CompiledRule:
        """The same rule in the compiled engine."""
        return CompiledRule(
            "priced",
            **asdict(self._listing),
            weight=self._weight,
            offset=self._offset,
            slowdown=self._slowdown,
            hold_moves=self._hold_moves,
        )

    def _ranked(self, query: QueryView, first: OperatorView | None) -> Sequence[OperatorView]:
        paths_us = query.critical_paths_us(self._size)
        return sorted(
            query.schedulable,
            key=lambda operator: (
                operator is not first,
                operator.num_executors > 0,
                -paths_us[operator.index],
            ),
        )

    def _holds(self, view: ClusterView, otherwise: QueryView | None) -> list[Hold]:
        within_us = self._hold_moves * view.cluster.move_delay_us
        return [
            Hold(query, query.num_local_free)
            for query in view.queries
            if query.num_local_free
            and (within_us > 0 and self._ends_us(query) <= within_us) != (query is otherwise)
        ]

    def _ends_us(self, query: QueryView) -> float:
        """Expected time until the first of a query's running operators ends, µs.

        Work orders that run are half done, on average.
        """
        return min(
            (
                (math.ceil(operator.num_unclaimed / operator.num_executors) + 0.5)
                * operator.work_order_us(self._size)
                for operator in query.operators
                if operator.num_executors and not operator.is_complete
            ),
            default=math.inf,
        )


class Supply:
    """Executors that a schedule can give away.

    Attributes:
        is_sticky: whether executors stay with their pipeline.
        committed: by query, executors that stay where they are.
        local: by query, executors without a move to it: free ones, and those it gives back.
    """

    def __init__(self, view: ClusterView, holds: list[Hold]) -> None:
        self.is_sticky = view.cluster.release == "pipeline"
        held = {hold.query: hold.num_executors for hold in holds}
        self.committed: dict[QueryView, int] = {}
        self.local: dict[QueryView, int] = {}
        self._kept: dict[QueryView, int] = {}  # out of reach for other queries
        for query in view.queries:
            running = query.num_executors
            committed = 0
            if self.is_sticky and running:
                committed = sum(operator.num_executors for operator in query.schedulable)
            self.committed[query] = committed
            self.local[query] = running - committed + query.num_local_free
            leaving = running - committed if self.is_sticky else 0
            self._kept[query] = leaving + held.get(query, 0)
        taken = sum(self.committed.values()) + sum(self._kept.values())
        self._room = view.num_executors - taken

    def available(self, query: QueryView) -> int:
        """Executors that a query can be given."""
        return self._room + self._kept[query]

    def take(self, query: QueryView, count: int) -> None:
        """Give it so many, its own first."""
        own = min(count, self._kept[query])
        self._kept[query] -= own
        self._room -= count - own
        self.local[query] = max(self.local[query] - count, 0)


def most_executors(slowdown: float, price: float, num_executors: int) -> int:
    """The most that a query may hold at a price of executor time."""
    growth = slowdown * price
    if growth * num_executors**2 <= 1.0:
        return num_executors
    return math.ceil(1.0 / math.sqrt(growth))


def best_count(
    unclaimed: int,
    work_order_us: float,
    running: int,
    local: int,
    available: int,
    price: float,
    move_us: float,
) -> int:
    """The number of additional executors, at most ``available``, with the least T + price × R.

    ``local`` of them need no move. Of equally cheap numbers it takes the smallest; 0 only if none
    is available or some are running. Of all numbers with as many rounds of work orders only the
    smallest need be looked at, about 2 √unclaimed in all.
    """
    best, least = 0, math.inf
    total = running if running else 1
    while total <= min(running + available, running + unclaimed):
        rounds = -(-unclaimed // total)
        moves = move_us if total - running > local else 0.0
        cost = (rounds * work_order_us + moves) * (1.0 + price * total)
        if cost < least:
            best, least = total - running, cost
        if rounds == 1:
            break
        total = -(-unclaimed // (rounds - 1))
    return best
