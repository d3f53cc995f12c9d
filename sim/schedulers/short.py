"""Which queries are predicted short, and how a part of the executors is divided."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence

from sim.schedulers.common import (
    FreshRun,
    check_choice,
    check_number,
    total_us,
    usable_executors,
)
from sim.view import ClusterView, QueryView, Size

WINDOW = 1000
"""Queries that are remembered."""


class ShortQueries:
    """Tells short queries from others, once for each, when it is first seen.

    A query is short if its predicted total work is below a quantile of that of the queries seen
    before it (the last ``WINDOW``): at most that fraction of them had no more. So queries that are
    all alike are not short, and neither is the first one.

    Args:
        short: the quantile.
        size: where the work comes from.
    """

    def __init__(self, short: float, size: Size) -> None:
        check_number("short", short, 0.0, 1.0)
        check_choice("size", size, Size)
        self.quantile, self._size = short, size
        self._run = FreshRun()
        self._start()

    def of(self, view: ClusterView) -> set[int]:
        """The query_ids of the short queries in the system."""
        if self._run.begins(view):
            self._start()
        present = {query.query_id for query in view.queries}
        for gone in self._is_short.keys() - present:
            del self._is_short[gone]
        for query in view.queries:
            if query.query_id not in self._is_short:
                self._is_short[query.query_id] = self._judge(query)
        return {key for key, flag in self._is_short.items() if flag}

    def _start(self) -> None:
        self._is_short: dict[int, bool] = {}
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []

    def _judge(self, query: QueryView) -> bool:
        work, known = total_us(query, self._size), self._sorted
        quantile = min(int(self.quantile * len(known)), len(known) - 1)
        is_short = bool(known) and work < known[quantile]
        self._recent.append(work)
        insort(known, work)
        if len(known) > WINDOW:
            del known[bisect_left(known, self._recent.popleft())]
        return is_short


def divided(
    view: ClusterView, queries: Sequence[QueryView], num_executors: int, *limits: int
) -> list[tuple[QueryView, int]]:
    """Limits for queries, most urgent first, that sum to at most ``num_executors``.

    Each gets what it can use now, up to the first of ``limits``, as long as there is any; what is
    left is given out in the same way up to the next one. Where executors stick to their pipeline,
    what a query holds is its own until then; elsewhere it soon gives back what it may not keep.
    """
    is_sticky = view.cluster.release == "pipeline"
    own = [query.num_executors if is_sticky else 0 for query in queries]
    usable = [usable_executors(query) for query in queries]
    room = max(num_executors - sum(own), 0)
    for limit in limits:
        for at, most in enumerate(usable):
            more = min(max(min(most, limit) - own[at], 0), room)
            own[at] += more
            room -= more
    return list(zip(queries, own, strict=True))
