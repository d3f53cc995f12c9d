"""Bound B3: some queries as if alone (B1), the others pooled (B2).

For any set S of queries, the sum of latencies is at least that of S alone on the pooled machine
plus the isolated bounds of the rest: the sum splits into the latencies of S and of the rest; what a
schedule does with S is also a schedule of S alone, so B2 holds for S; and B1 holds for each of the
rest. The larger of B1 and B2's latency for each query would not be a bound: B2 bounds a sum, and
another schedule may give a query less than SRPT gives it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from sim.bounds.demand import Demand
from sim.bounds.pooled import busy_periods, pooled_latencies

MAX_VISITS = 400_000
"""How many queries the search may simulate in all to improve a set one query at a time."""
MAX_EXHAUSTIVE = 7
"""Most queries of a busy period of which every set is tried."""
NUM_PREFIXES, LEAST_PREFIXES = 24, 4
"""Sizes of the set that are tried first, for each order: many, or where the trace is long few."""


class Subset(NamedTuple):
    """The best set that was found.

    Attributes:
        total: bound on the sum of latencies, in units of 1 ÷ ``num_executors`` µs.
        is_pooled: by query, whether it is in S.
    """

    total: int
    is_pooled: list[bool]


def best_subset(demands: Sequence[Demand], num_executors: int) -> Subset:
    """Search for the set S that gives the largest bound; any set gives a valid one.

    Queries of different busy periods of the pooled machine do not meet, whatever S is, so each
    period is searched by itself: a short one fully, a longer one along two orders, from all queries
    pooled to none, then query by query within a budget, which in a long trace is soon used up.
    """
    total, is_pooled = 0, [True] * len(demands)
    jobs = [(demand.arrival_us, demand.work_us) for demand in demands]
    for period in busy_periods(jobs, num_executors):
        budget = MAX_VISITS * len(period) // len(demands)
        search = _Search([demands[index] for index in period], num_executors)
        if len(period) <= MAX_EXHAUSTIVE:
            search.all_sets()
        else:
            search.along_orders(budget)
            search.one_by_one(budget)
        total += search.best
        is_pooled[period.start : period.stop] = search.is_pooled
    return Subset(total, is_pooled)


class _Search:
    """The search in one busy period; ``best`` is the value of ``is_pooled``."""

    def __init__(self, demands: Sequence[Demand], num_executors: int) -> None:
        self._jobs = [(demand.arrival_us, demand.work_us) for demand in demands]
        self._num_executors = num_executors
        self._isolated = [demand.isolated_us * num_executors for demand in demands]
        self._pooled = pooled_latencies(self._jobs, num_executors)
        self.is_pooled = [True] * len(demands)
        self.best = sum(self._pooled)

    def all_sets(self) -> None:
        """Every set."""
        for is_pooled in itertools.product((False, True), repeat=len(self._jobs)):
            self._try(list(is_pooled))

    def along_orders(self, budget: int) -> None:
        """Queries leave S in the order of what they gain, absolutely and for their work."""
        steps = max(LEAST_PREFIXES, min(NUM_PREFIXES, budget // len(self._jobs)))
        indices = range(len(self._jobs))
        gains = [self._isolated[i] - self._pooled[i] for i in indices]
        ratios = [self._isolated[i] / max(self._jobs[i][1], 1) for i in indices]
        self._try([False] * len(self._jobs))
        for keys in (gains, ratios):
            order = sorted(indices, key=keys.__getitem__, reverse=True)
            sizes = {step * len(order) // steps for step in range(1, steps)}
            for size in sorted(sizes - {0}):
                alone = set(order[:size])
                self._try([index not in alone for index in indices])

    def one_by_one(self, budget: int) -> None:
        """Move queries in or out of S while that helps, from the best set and both extremes."""
        size = len(self._jobs)
        for start in (self.is_pooled, [True] * size, [False] * size):
            is_pooled, value = start, self._value(start)
            unchanged = at = 0
            left = budget // 3
            while left >= size and unchanged < size:
                changed = list(is_pooled)
                changed[at] = not changed[at]
                unchanged += 1
                if (better := self._try(changed)) > value:
                    is_pooled, value, unchanged = changed, better, 0
                left -= size
                at = (at + 1) % size

    def _try(self, is_pooled: list[bool]) -> int:
        """The value of a set, which is kept if it is the best so far."""
        value = self._value(is_pooled)
        if value > self.best:
            self.best, self.is_pooled = value, is_pooled
        return value

    def _value(self, is_pooled: list[bool]) -> int:
        chosen = [job for job, pooled in zip(self._jobs, is_pooled, strict=True) if pooled]
        return sum(pooled_latencies(chosen, self._num_executors)) + sum(
            alone for alone, pooled in zip(self._isolated, is_pooled, strict=True) if not pooled
        )
