"""A fixed number of queries at a time, and a lane for short ones."""

from __future__ import annotations

import math

from sim.registry import register
from sim.schedule import Allocation
from sim.schedulers.common import (
    Listing,
    MemoryRule,
    PipelineRule,
    check_number,
    check_whole,
)
from sim.schedulers.short import ShortQueries, divided
from sim.view import ClusterView, Size


@register("slots")
class Slots:
    """The first ``slots`` queries in order of arrival share the executors; the others wait.

    Queries predicted short do not wait for a slot: they have a lane of executors of their own,
    first in, first out, and may use what the slots leave over. With ``memory="gate"`` short
    queries get memory before the slots do, and a slot's query keeps its slot while it waits for it.

    Source: the documentation of Amazon Redshift on workload management (a queue with a fixed
    concurrency) and on short query acceleration.

    Args:
        slots: queries at a time.
        lane: fraction of the executors that only short queries may use; rounded down, and at
            least one executor is left for the slots. 0 means no lane: all queries take slots.
        short: a query is short if its predicted total work is below this quantile of that of the
            queries seen before it.
        size: where the work comes from.
        memory, pipeline: see ``Listing``.
    """

    def __init__(
        self,
        *,
        slots: int = 5,
        lane: float = 0.2,
        short: float = 0.5,
        size: Size = "estimate",
        memory: MemoryRule = "ignore",
        pipeline: PipelineRule = "always",
    ) -> None:
        check_whole("slots", slots, 1, 1_000_000)
        check_number("lane", lane, 0.0, 1.0)
        self._slots, self._lane = slots, lane
        self._short = ShortQueries(short, size)
        self._listing = Listing(memory, pipeline)

    def decide(self, view: ClusterView) -> list[Allocation]:
        """Answer a scheduling event."""
        lane = min(int(self._lane * view.num_executors), view.num_executors - 1)
        short = self._short.of(view) if lane else set()
        quick = [query for query in view.queries if query.query_id in short]
        slotted = [query for query in view.queries if query.query_id not in short][: self._slots]
        admitted = self._listing.admitted(view, quick + slotted)
        quick = [query for query in admitted if query.query_id in short]
        slotted = [query for query in admitted if query.query_id not in short]
        slotted_part = view.num_executors - lane
        equal = math.ceil(slotted_part / max(len(slotted), 1))
        limits = [
            *divided(view, quick, lane, lane),
            *divided(view, slotted, slotted_part, equal, slotted_part),
            *((query, view.num_executors) for query in quick),
        ]
        return self._listing.allocations(view, limits)
