"""Fair share: the same number of executors for every query."""

from __future__ import annotations

from sim.registry import register
from sim.schedule import Allocation
from sim.schedulers.common import Listing, MemoryRule, PipelineRule, Spare, fair_limit
from sim.schedulers.compiled_rule import CompiledRule
from sim.view import ClusterView


@register("fair")
class Fair:
    """Each query may hold ⌈executors ÷ queries⌉ executors.

    Source: the fair rule that Decima is compared with (Mao et al., SIGCOMM 2019), and Spark's fair
    scheduler. ``spare=idle`` is the rule as Decima's simulator has it.

    Args:
        spare: ``share``: executors that the limits leave over go to queries that can use more,
            in order of arrival; ``idle``: they wait.
        memory, pipeline: see ``Listing``.
    """

    def __init__(
        self,
        *,
        spare: Spare = "share",
        memory: MemoryRule = "ignore",
        pipeline: PipelineRule = "always",
    ) -> None:
        self._listing = Listing(memory, pipeline, spare)

    def decide(self, view: ClusterView) -> list[Allocation]:
        """Answer a scheduling event."""
        queries = self._listing.admitted(view, view.queries)
        limit = fair_limit(view.num_executors, len(queries))
        return self._listing.allocations(view, [(query, limit) for query in queries])

    def compiled_rule(self) -> CompiledRule:
        """The same rule in the compiled engine."""
        listing = self._listing
        return CompiledRule("fair", listing.memory, listing.pipeline, listing.spare, share=1.0)
