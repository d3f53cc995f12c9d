"""A scheduler for lsched: shortest remaining work first, with ageing."""

from __future__ import annotations

from sim import Allocation, ClusterView, QueryView


class Ageing:
    """Least remaining work first, but who has waited long comes earlier.

    Shortest-first rules make long queries wait for as long as shorter ones come. Here each
    microsecond in the system counts like ``weight`` microseconds of work that is done, on all
    executors: 0 is shortest remaining work first, much more is the order of arrival.

    Args:
        weight: what time in the system is worth.

    Raises:
        ValueError: the weight is negative.
    """

    def __init__(self, *, weight: float = 0.2) -> None:
        if weight < 0:
            raise ValueError(f"weight is {weight}, expected 0 or more")
        self._weight = weight

    def decide(self, view: ClusterView) -> list[Allocation]:
        """Answer a scheduling event."""
        credit = self._weight * view.num_executors

        def remaining_us(query: QueryView) -> float:
            return query.est_remaining_us - credit * query.age_us

        return [
            Allocation(operator, view.num_executors, pipeline_degree=len(operator.pipeline))
            for query in sorted(view.queries, key=remaining_us)
            for operator in query.schedulable
        ]
