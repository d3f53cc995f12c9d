"""First in, first out."""

from __future__ import annotations

from dataclasses import asdict

from sim.registry import register
from sim.schedule import Allocation
from sim.schedulers.common import Listing, MemoryRule, OperatorRule, PipelineRule
from sim.schedulers.compiled_rule import CompiledRule
from sim.view import ClusterView


@register("fifo")
class Fifo:
    """Queries in order of arrival; the first takes all the executors it can use.

    Args:
        memory, pipeline, operators: see ``Listing``.
    """

    def __init__(
        self,
        *,
        memory: MemoryRule = "ignore",
        pipeline: PipelineRule = "always",
        operators: OperatorRule = "plan",
    ) -> None:
        self._listing = Listing(memory, pipeline, operators=operators)

    def decide(self, view: ClusterView) -> list[Allocation]:
        """Answer a scheduling event."""
        queries = self._listing.admitted(view, view.queries)
        return self._listing.allocations(view, [(query, view.num_executors) for query in queries])

    def compiled_rule(self) -> CompiledRule:
        """The same rule in the compiled engine."""
        return CompiledRule("fifo", **asdict(self._listing))
