"""Self-tuning stride scheduling: priorities that decay as a query consumes processor time."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from sim.registry import register
from sim.schedule import Schedule
from sim.schedulers.common import (
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


@dataclass(slots=True)
class Account:
    """What a query has had so far.

    Attributes:
        pass_value: virtual time; the query with the smallest goes first.
        quanta: processor time consumed, in quanta.
        priority: now.
    """

    pass_value: float
    quanta: float = 0.0
    priority: float = FIRST_PRIORITY

    @property
    def turn(self) -> tuple[float, float]:
        """Who has the smallest goes first; of equal pass values, the higher priority."""
        return self.pass_value, -self.priority


@register("stride")
class Stride:
    """Executors are dealt one by one to the query with the smallest pass value.

    Each quantum of processor time adds 1000 ÷ priority to the pass value, and so, for the deal,
    does each executor. A query starts with priority 10,000 and the smallest pass value there is;
    after 10 quanta its priority decays by the factor 0.9 per quantum, down to 100. So short
    queries get through quickly, and long ones share the rest equally. Shares are dealt again at
    each scheduling event, and every quantum while a query's priority may still decay, unless
    executors stick to their pipeline.

    Source: Wagner, Kohn, Neumann, "Self-Tuning Query Scheduling for Analytical Workloads", SIGMOD
    2021, sections 2.2 and 3.2, whose tuned values are the defaults. There each thread picks its
    next task alone; here consumed time is known when a work order is done.

    Args:
        quantum_us: processor time that counts as one quantum; 2 ms in Umbra. A cluster with
            longer work orders needs a longer one.
        decay: factor per quantum.
        decay_start: quanta before the decay.
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
        self._decay, self._decay_start = decay, decay_start
        self._listing = Listing(memory, pipeline, spare)
        self._view: ClusterView | None = None
        self._accounts: dict[int, Account] = {}

    def decide(self, view: ClusterView) -> Schedule:
        """Answer a scheduling event."""
        if view is not self._view:
            self._view, self._accounts = view, {}
        self._settle(view)
        accounts = self._accounts
        order = sorted(view.queries, key=lambda query: accounts[query.query_id].turn)
        queries = self._listing.admitted(view, order)
        limits = list(zip(queries, self._deal(view.num_executors, queries), strict=True))
        can_change = len(limits) > 1 and view.cluster.release == "work-order"
        is_decaying = can_change and any(
            accounts[query.query_id].priority > LAST_PRIORITY for query in queries
        )
        return Schedule(
            self._listing.allocations(view, limits),
            until_us=view.now_us + self._quantum_us if is_decaying else None,
        )

    def priority(self, quanta: float) -> float:
        """Priority of a query that has consumed so many quanta."""
        steps = max(int(quanta) - self._decay_start, 0)
        return max(FIRST_PRIORITY * self._decay ** min(steps, 10_000), LAST_PRIORITY)

    def _settle(self, view: ClusterView) -> None:
        """Charge what has been consumed since the last event; open and close accounts."""
        old, self._accounts = self._accounts, {}
        for query in view.queries:
            account = old.get(query.query_id)
            if account is not None:
                quanta = query.busy_us / self._quantum_us
                account.pass_value += (quanta - account.quanta) * STRIDE / account.priority
                account.quanta, account.priority = quanta, self.priority(quanta)
                self._accounts[query.query_id] = account
        start = min((account.pass_value for account in self._accounts.values()), default=0.0)
        for query in view.queries:
            self._accounts.setdefault(query.query_id, Account(start))

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
