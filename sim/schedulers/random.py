"""A random order, to see what any order is worth."""

from __future__ import annotations

import random

from sim.registry import register
from sim.schedule import Allocation
from sim.schedulers.common import FreshRun, Listing, MemoryRule, PipelineRule, check_whole
from sim.view import ClusterView, OperatorView, QueryView


@register("random")
class Random:
    """Queries, and the operators of each, in a new random order at each scheduling event.

    Args:
        seed: of its own generator; a run's seed unless it is given.
        memory, pipeline: see ``Listing``.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        memory: MemoryRule = "ignore",
        pipeline: PipelineRule = "always",
    ) -> None:
        check_whole("seed", seed, 0, 2**63 - 1)
        self._seed = seed
        self._generator = random.Random(seed)
        self._listing = Listing(memory, pipeline)
        self._run = FreshRun()

    def decide(self, view: ClusterView) -> list[Allocation]:
        """Answer a scheduling event."""
        if self._run.begins(view):
            self._generator = random.Random(self._seed)
        queries = view.queries
        self._generator.shuffle(queries)
        limits = [(query, view.num_executors) for query in self._listing.admitted(view, queries)]
        return self._listing.allocations(view, limits, self._shuffled)

    def _shuffled(self, query: QueryView) -> list[OperatorView]:
        operators = query.schedulable
        self._generator.shuffle(operators)
        return operators
