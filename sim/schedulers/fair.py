"""Fair share: the same number of executors for every query."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from sim.registry import register
from sim.schedule import Allocation
from sim.schedulers.common import (
    Listing,
    MemoryRule,
    OperatorRule,
    PipelineRule,
    Spare,
    check_choice,
    fair_limit,
)
from sim.schedulers.compiled_rule import CompiledRule
from sim.view import ClusterView, QueryView

Held = Literal["give", "keep"]
"""Whether a query gives back what it has beyond its limit, or keeps it while it can use it."""


@register("fair")
class Fair:
    """Each query may hold ⌈executors ÷ queries⌉ executors.

    Source: the fair rule that Decima is compared with (Mao et al., SIGCOMM 2019), and Spark's fair
    scheduler. ``spare=idle+held=keep`` is the rule as Decima's simulator has it.

    Args:
        spare: ``share``: executors that the limits leave over go to queries that can use more,
            in order of arrival; ``idle``: they wait.
        held: ``give``: a query that has more executors than its limit, because others have come,
            gives them back as their work orders end; ``keep``: it keeps those it has, idle local
            ones too, while it can use them.
        memory, pipeline, operators: see ``Listing``.
    """

    def __init__(
        self,
        *,
        spare: Spare = "share",
        held: Held = "give",
        memory: MemoryRule = "ignore",
        pipeline: PipelineRule = "always",
        operators: OperatorRule = "plan",
    ) -> None:
        check_choice("held", held, Held)
        self._keeps = held == "keep"
        self._listing = Listing(memory, pipeline, spare, operators)

    def decide(self, view: ClusterView) -> list[Allocation]:
        """Answer a scheduling event."""
        queries = self._listing.admitted(view, view.queries)
        limit = fair_limit(view.num_executors, len(queries))
        limits = [(query, max(limit, self._kept(query))) for query in queries]
        return self._listing.allocations(view, limits)

    def compiled_rule(self) -> CompiledRule:
        """The same rule in the compiled engine."""
        return CompiledRule("fair", **asdict(self._listing), share=1.0, keeps=self._keeps)

    def _kept(self, query: QueryView) -> int:
        return query.num_executors + query.num_local_free if self._keeps else 0
