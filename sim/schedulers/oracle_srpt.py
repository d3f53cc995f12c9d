"""Shortest remaining processing time with the true times: what perfect estimates are worth."""

from __future__ import annotations

from dataclasses import asdict

from sim.registry import register
from sim.schedule import Allocation
from sim.schedulers.common import Listing, MemoryRule, OperatorRule, PipelineRule, Spare
from sim.schedulers.compiled_rule import CompiledRule
from sim.schedulers.srpt import QueryLimit
from sim.view import ClairvoyantView, ClusterView


@register("oracle-srpt")
class OracleShortestRemaining:
    """The query with least true remaining work first. Clairvoyant: no real scheduler can be it.

    Args:
        cap, share, spare: as in ``srpt``.
        memory, pipeline, operators: see ``Listing``; states and operators are still estimated.
    """

    is_clairvoyant = True

    def __init__(
        self,
        *,
        cap: float | None = None,
        share: float | None = None,
        spare: Spare = "share",
        memory: MemoryRule = "ignore",
        pipeline: PipelineRule = "always",
        operators: OperatorRule = "plan",
    ) -> None:
        self._limit = QueryLimit(cap, share)
        self._listing = Listing(memory, pipeline, spare, operators, "history")

    def compiled_rule(self) -> CompiledRule:
        """The same rule in the compiled engine."""
        limit = self._limit
        return CompiledRule(
            "oracle-srpt", **asdict(self._listing), cap=limit.cap, share=limit.share
        )

    def decide(self, view: ClusterView) -> list[Allocation]:
        """Answer a scheduling event.

        Raises:
            TypeError: the view is not a ``ClairvoyantView``, as ``simulate`` gives it.
        """
        if not isinstance(view, ClairvoyantView):
            raise TypeError("oracle-srpt needs a ClairvoyantView(simulation)")
        queries = self._listing.admitted(view, sorted(view.queries, key=view.true_remaining_us))
        limit = self._limit.of(view, len(queries))
        return self._listing.allocations(view, [(query, limit) for query in queries])
