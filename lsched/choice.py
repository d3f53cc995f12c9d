"""Schedules in plain values: they can be kept, compared, and given again elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sim import Allocation, ClusterView, Hold, Schedule


class Given(NamedTuple):
    """An allocation, apart from the simulation that it was made in.

    Attributes:
        query_id, operator: of the execution root.
        num_executors, pipeline_degree: as in ``Allocation``.
    """

    query_id: int
    operator: int
    num_executors: int
    pipeline_degree: int


@dataclass(frozen=True, slots=True)
class Choice:
    """A schedule, apart from the simulation that it was made in.

    Attributes:
        allocations: in order of precedence.
        holds: (query, executors).
        until_us: when to ask again at the latest.
    """

    allocations: tuple[Given, ...]
    holds: tuple[tuple[int, int], ...]
    until_us: int | None

    @classmethod
    def of(cls, schedule: Schedule) -> Choice:
        """What a scheduler has answered."""
        return cls(
            tuple(
                Given(
                    each.operator.query.query_id,
                    each.operator.index,
                    int(each.num_executors),
                    int(each.pipeline_degree),
                )
                for each in schedule.allocations
            ),
            tuple((hold.query.query_id, int(hold.num_executors)) for hold in schedule.holds),
            schedule.until_us,
        )

    def schedule(self, view: ClusterView) -> Schedule:
        """The same answer in another simulation that is in the same state."""
        queries = {query.query_id: query for query in view.queries}
        return Schedule(
            [
                Allocation(queries[query_id].operators[operator], num_executors, degree)
                for query_id, operator, num_executors, degree in self.allocations
            ],
            [Hold(queries[query_id], num_executors) for query_id, num_executors in self.holds],
            self.until_us,
        )
