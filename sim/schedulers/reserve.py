"""Shortest remaining first, with executors kept free for short queries."""

from __future__ import annotations

from dataclasses import asdict

from sim.registry import register
from sim.schedule import Allocation
from sim.schedulers.common import Listing, MemoryRule, OperatorRule, PipelineRule, check_number
from sim.schedulers.compiled_rule import CompiledRule
from sim.schedulers.short import ShortQueries, divided
from sim.schedulers.srpt import QueryLimit
from sim.view import ClusterView, QueryView, Size


@register("reserve")
class Reserve:
    """As ``srpt``, but all queries that are not short together hold at most a part of the cluster.

    A short query that arrives beside heavy ones finds executors free, instead of waiting for a
    work order of seconds to end. The price is executors that idle while none is there.

    Args:
        reserve: fraction of the executors that only short queries may use; rounded down, and at
            least one executor is left for the others.
        short: a query is short if its predicted total work is below this quantile of that of the
            queries seen before it.
        size: where the work comes from.
        cap, share: the limit per query, see ``QueryLimit``.
        memory, pipeline, operators: see ``Listing``.
    """

    def __init__(
        self,
        *,
        reserve: float = 0.2,
        short: float = 0.5,
        size: Size = "estimate",
        cap: float | None = None,
        share: float | None = None,
        memory: MemoryRule = "ignore",
        pipeline: PipelineRule = "always",
        operators: OperatorRule = "plan",
    ) -> None:
        check_number("reserve", reserve, 0.0, 1.0)
        self._reserve, self._size = reserve, size
        self._short = ShortQueries(short, size)
        self._limit = QueryLimit(cap, share)
        self._listing = Listing(memory, pipeline, operators=operators, size=size)

    def decide(self, view: ClusterView) -> list[Allocation]:
        """Answer a scheduling event."""
        short = self._short.of(view)
        queries = self._listing.admitted(view, sorted(view.queries, key=self._remaining_us))
        limit = self._limit.of(view, len(queries))
        others = [query for query in queries if query.query_id not in short]
        open_to_all = max(view.num_executors - int(self._reserve * view.num_executors), 1)
        limits = {query.query_id: limit for query in queries}
        for query, own in divided(view, others, open_to_all, limit):
            limits[query.query_id] = own
        return self._listing.allocations(
            view, [(query, limits[query.query_id]) for query in queries]
        )

    def compiled_rule(self) -> CompiledRule:
        """The same rule in the compiled engine."""
        limit, short = self._limit, self._short.quantile
        return CompiledRule(
            "reserve",
            **asdict(self._listing),
            cap=limit.cap,
            share=limit.share,
            reserve=self._reserve,
            short=short,
        )

    def _remaining_us(self, query: QueryView) -> float:
        return query.remaining_us(self._size)
