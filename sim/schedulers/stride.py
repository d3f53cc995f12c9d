"""Self-tuning stride scheduling: priorities that decay as a query consumes processor time."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from sim.registry import register
from sim.schedule import Schedule
from sim.schedulers.common import (
    FreshRun,
    Listing,
    MemoryRule,
    PipelineRule,
    Spare,
    check_number,
    check_whole,
)
from sim.view import ClusterView, QueryView

STRIDE = 1000.0
"""A query's pass value advances by this ÷ its priority for each quantum that it runs."""
FIRST_PRIORITY = 10_000.0
LAST_PRIORITY = 100.0
MAX_STEPS = 10_000
"""Steps after which the decay ends in any case."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a query has had so far.

    Attributes:
        start: the pass value that it started with.
        pass_value: virtual time; the query with the smallest goes first.
        priority: now.
    """

    start: float
    pass_value: float
    priority: float

    @property
    def turn(self) -> tuple[float, float]:
        """Who has the smallest goes first; of equal pass values, the higher priority."""
        return self.pass_value, -self.priority


def decaying_priorities(decay: float) -> list[float]:
    """Priorities of the quanta after the first ones, in order; all later ones have the last."""
    priorities = [max(FIRST_PRIORITY * decay, LAST_PRIORITY)]
    while LAST_PRIORITY < priorities[-1] < FIRST_PRIORITY and len(priorities) < MAX_STEPS:
        priorities.append(max(priorities[-1] * decay, LAST_PRIORITY))
    return priorities


@register("stride")
class Stride:
    """Executors are dealt one by one to the query with the smallest pass value.

    Each quantum of processor time adds 1000 ÷ its priority to a query's pass value; for the deal
    each executor counts as a quantum at the query's priority now. The first 10 quanta of a query
    have priority 10,000, each later one 0.9 of that of the one before it, down to 100. So short
    queries get through quickly, and long ones share the rest equally. Part of a quantum is charged
    in proportion, so that a query's pass value depends on what it has consumed, and not on when
    that was looked at. Shares are dealt again at each scheduling event, and every quantum while
    the priority of a running query, or of one that was dealt executors, may still decay, unless
    executors stick to their pipeline.

    Source: Wagner, Kohn, Neumann, "Self-Tuning Query Scheduling for Analytical Workloads", SIGMOD
    2021. Deviations: there each thread picks its next task alone, and the decay is tuned while the
    system runs; here executors are dealt, the decay is fixed, and consumed time is known when a
    work order is done. Stride scheduling gives a new query the global pass value, which advances
    as any query runs; here it gets the smallest of the queries that are there, 0 if there is none.

    Args:
        quantum_us: processor time that counts as one quantum; 2 ms in Umbra. A cluster with
            longer work orders needs a longer one.
        decay: factor per quantum.
        decay_start: quanta before the decay, at priority 10,000.
        spare: whether executors that a query cannot use go to others, smallest pass value first.
        memory, pipeline: see ``Listing``.
    """

    def __init__(
        self,
        *,
        quantum_us: int = 2_000,
        decay: float = 0.9,
        decay_start: int = 10,
        spare: Spare = "share",
        memory: MemoryRule = "ignore",
        pipeline: PipelineRule = "always",
    ) -> None:
        check_whole("quantum_us", quantum_us, 1, 10**12)
        check_number("decay", decay, 0.01, 1.0)
        check_whole("decay_start", decay_start, 0, 10**9)
        self._quantum_us = quantum_us
        self._decay_start = decay_start
        self._priorities = decaying_priorities(decay)
        strides = [STRIDE / priority for priority in self._priorities]
        self._charges = list(accumulate(strides[:-1], initial=0.0))
        self._listing = Listing(memory, pipeline, spare)
        self._run = FreshRun()
        self._accounts: dict[int, Account] = {}

    def decide(self, view: ClusterView) -> Schedule:
        """Answer a scheduling event."""
        if self._run.begins(view):
            self._accounts = {}
        self._settle(view)
        accounts = self._accounts
        order = sorted(view.queries, key=lambda query: accounts[query.query_id].turn)
        queries = self._listing.admitted(view, order)
        limits = list(zip(queries, self._deal(view.num_executors, queries), strict=True))
        can_change = len(limits) > 1 and view.cluster.release == "work-order"
        is_decaying = can_change and any(
            accounts[query.query_id].priority > self._priorities[-1]
            for query, limit in limits
            if query.num_executors or (limit and query.schedulable)
        )
        return Schedule(
            self._listing.allocations(view, limits),
            until_us=view.now_us + self._quantum_us if is_decaying else None,
        )

    def priority(self, quanta: float) -> float:
        """Priority of the next quantum of a query that has consumed so many."""
        step = int(quanta) - self._decay_start
        if step < 0:
            return FIRST_PRIORITY
        return self._priorities[min(step, len(self._priorities) - 1)]

    def charge(self, quanta: float) -> float:
        """What so many quanta add to a pass value, from a query's first one on."""
        first = min(quanta, self._decay_start)
        later = quanta - first
        step = min(int(later), len(self._priorities) - 1)
        charge = first * STRIDE / FIRST_PRIORITY + self._charges[step]
        return charge + (later - step) * STRIDE / self._priorities[step]

    def _settle(self, view: ClusterView) -> None:
        """Charge what has been consumed; open and close accounts."""
        old, self._accounts = self._accounts, {}
        for query in view.queries:
            if query.query_id in old:
                start = old[query.query_id].start
                quanta = query.busy_us / self._quantum_us
                charged = start + self.charge(quanta)
                self._accounts[query.query_id] = Account(start, charged, self.priority(quanta))
        start = min((account.pass_value for account in self._accounts.values()), default=0.0)
        for query in view.queries:
            new = Account(start, start, self.priority(0))
            self._accounts.setdefault(query.query_id, new)

    def _deal(self, num_executors: int, queries: Sequence[QueryView]) -> list[int]:
        """How many of the executors each query gets when they are dealt one by one."""
        accounts = [self._accounts[query.query_id] for query in queries]
        heap = [(*account.turn, at) for at, account in enumerate(accounts)]
        heapq.heapify(heap)
        limits = [0] * len(queries)
        for _ in range(num_executors):
            pass_value, negative_priority, at = heap[0]
            limits[at] += 1
            after = (pass_value - STRIDE / negative_priority, negative_priority, at)
            heapq.heapreplace(heap, after)
        return limits
