"""What Spark's driver adds to a scheduler: stages that wait for it, and jobs in their order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sim
from sim import Allocation, ClusterView, OperatorView, Schedule, Scheduler


class Driver:
    """Withholds a stage from a rule until the driver has submitted it.

    After the last of a stage's inputs, or the query's arrival, the driver plans, generates code,
    broadcasts a table, serialises tasks. That takes no executor, so it is not a work order: the
    stage is ready for the simulator, but not yet listed.

    Args:
        rule: the scheduler that orders what has been submitted; it must give allocations alone.
        delays_us: by plan and operator, time from its last input to its submission, µs.
    """

    def __init__(self, rule: Scheduler, delays_us: Mapping[str, Sequence[int]]) -> None:
        self._rule = rule
        self._delays_us = delays_us
        self._submitted_us: dict[tuple[int, int], int] = {}

    def decide(self, view: ClusterView) -> Schedule:
        """Answer a scheduling event."""
        for query in view.queries:
            for operator in query.schedulable:
                # An input that completes is a scheduling event, so it is noticed at once.
                ready_us = view.now_us + self._delays_us[query.plan][operator.index]
                self._submitted_us.setdefault((query.query_id, operator.index), ready_us)
        times_us = self._submitted_us.values()
        return Schedule(
            [item for item in self._listed(view) if self._time_us(item.operator) <= view.now_us],
            until_us=min((time_us for time_us in times_us if time_us > view.now_us), default=None),
        )

    def _listed(self, view: ClusterView) -> Iterable[Allocation]:
        schedule = self._rule.decide(view)
        return schedule.allocations if isinstance(schedule, Schedule) else schedule

    def _time_us(self, operator: OperatorView) -> int:
        return self._submitted_us[operator.query.query_id, operator.index]


class JobDriver(Driver):
    """Spark's FIFO as it is: tasks in the order of their jobs' submission, then of their stages.

    A query is several jobs: one for each table that it broadcasts, then one for the rest. So a
    query's last job comes after other queries' jobs that were submitted in the meantime.

    Source: ``FIFOSchedulingAlgorithm`` of Spark 3 and 4.

    Args:
        delays_us: as in ``Driver``.
        jobs: by plan and operator, the number of its job.
    """

    def __init__(
        self, delays_us: Mapping[str, Sequence[int]], jobs: Mapping[str, Sequence[int]]
    ) -> None:
        super().__init__(sim.make_scheduler("fifo"), delays_us)
        self._jobs = jobs
        self._job_us: dict[tuple[int, int], int] = {}

    def _listed(self, view: ClusterView) -> Iterable[Allocation]:
        operators = [operator for query in view.queries for operator in query.schedulable]
        for operator in operators:
            job, time_us = self._job(operator), self._time_us(operator)
            self._job_us[job] = min(time_us, self._job_us.get(job, time_us))
        operators.sort(key=lambda item: (self._job_us[self._job(item)], item.slot))
        return [Allocation(operator, view.num_executors) for operator in operators]

    def _job(self, operator: OperatorView) -> tuple[int, int]:
        query = operator.query
        return query.query_id, self._jobs[query.plan][operator.index]
