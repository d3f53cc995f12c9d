"""Weighted fair share: executors in proportion to a power of a query's work."""

from __future__ import annotations

from sim.registry import register
from sim.schedule import Allocation
from sim.schedulers.common import (
    Listing,
    MemoryRule,
    OperatorRule,
    PipelineRule,
    Spare,
    check_choice,
    check_number,
    rounded_shares,
)
from sim.view import ClusterView, Size


@register("weighted-fair")
class WeightedFair:
    """A query with remaining work W may hold a share W^alpha ÷ Σ W^alpha of the executors.

    Shares are rounded so that they sum to the executors (largest remainder), and are at least 1
    each, at the expense of the largest.

    Source: the weighted fair rule that Decima is compared with (Mao et al., SIGCOMM 2019), which
    has total work in place of remaining work.

    Args:
        alpha: 1 is proportional, 0 is fair, -1 favours short queries.
        size: where a query's work comes from.
        spare: whether executors left over go to queries that can use more, in order of arrival.
        memory, pipeline, operators: see ``Listing``.
    """

    def __init__(
        self,
        *,
        alpha: float = -1.0,
        size: Size = "estimate",
        spare: Spare = "share",
        memory: MemoryRule = "ignore",
        pipeline: PipelineRule = "always",
        operators: OperatorRule = "plan",
    ) -> None:
        check_number("alpha", alpha, -10.0, 10.0)
        check_choice("size", size, Size)
        self._alpha = alpha
        self._size = size
        self._listing = Listing(memory, pipeline, spare, operators, size)

    def decide(self, view: ClusterView) -> list[Allocation]:
        """Answer a scheduling event."""
        queries = self._listing.admitted(view, view.queries)
        # At least 1 µs: a query whose last work orders run has no work left, but is still there.
        works = [max(query.remaining_us(self._size), 1.0) for query in queries]
        largest = max(works, default=1.0)
        weights = [(work / largest) ** self._alpha for work in works]
        shares = rounded_shares(weights, view.num_executors, minimum=1)
        return self._listing.allocations(view, list(zip(queries, shares, strict=True)))
