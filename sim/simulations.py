"""Many simulations stepped side by side: to ``Simulation`` what a batch is to one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NoReturn

from sim.batch_answer import not_in, schedule_in_row
from sim.batch_schedule import IS_ANSWERED, NO_ROW, BatchSchedule, Packed, packed
from sim.batch_view import BatchView
from sim.cluster import Cluster
from sim.engine import OnRecord
from sim.engines import engine_name
from sim.errors import InvalidSchedule, Stalled
from sim.experience import StartHistory
from sim.legality import checked_entries
from sim.plan_table import PlanTable
from sim.result import Result
from sim.simulation import Simulation
from sim.view import ClusterView
from traces import Trace, TraceError, TraceStream


class Simulations:
    """Runs of traces on one cluster, stepped side by side on the compiled engine.

    Example:
        >>> batch = Simulations(trace, cluster, seeds=range(64))
        >>> while (view := batch.next_events()) is not None:
        ...     batch.apply(policy.decide_many(view))
        >>> results = batch.results("mine")

    Each of them is what ``Simulation`` is with the same answers.

    Args:
        traces: what to run: one for all, or one for each seed. Traces with the same plans should
            have the same object as ``plans``, which is then prepared once.
        cluster: what to run them on.
        seeds: one for each simulation (R8).
        history: completed runs for each to start with; True starts with none, False hides history.
        record_events: whether to keep the event logs.
        on_record: called with the record of each query some time after it has completed.
        keep_records: whether results have one record per query.

    Raises:
        TypeError, ValueError: an argument is not what it must be, or numba is not installed.

    Attributes:
        simulations: each of them, to look at: ``records``, ``totals``, ``events``, as they were
            when ``results`` was called last.
    """

    def __init__(
        self,
        traces: Trace | TraceStream | Sequence[Trace | TraceStream],
        cluster: Cluster,
        seeds: Sequence[int] = (0,),
        *,
        history: StartHistory = True,
        record_events: bool = False,
        on_record: OnRecord | None = None,
        keep_records: bool = True,
    ) -> None:
        engine_name("fast")  # says how to get numba where it is missing
        from sim.fast_engine.batch_engine import BatchEngine
        from sim.fast_engine.engine import FastEngine
        from sim.fast_engine.shared import Shared

        paired = paired_with_seeds(traces, seeds)
        shared = Shared(cluster)
        self.cluster = cluster
        self.simulations = [
            Simulation(
                trace,
                cluster,
                seed,
                history=history,
                record_events=record_events,
                on_record=on_record,
                keep_records=keep_records,
                engine=partial(FastEngine, shared=shared),
            )
            for trace, seed in paired
        ]
        self._engines: list[FastEngine] = [each.engine for each in self.simulations]  # type: ignore[misc]
        plans = [shared.prepared(trace.plans) for trace, _ in paired]
        self._batch = BatchEngine(self._engines, plans, shared)
        self._view: BatchView | None = None
        self._is_pending = False

    def __len__(self) -> int:
        return len(self.simulations)

    @property
    def plans(self) -> PlanTable:
        """The plans of all traces."""
        return self._batch.plans

    def next_events(self) -> BatchView | None:
        """Run each simulation that was answered to its next scheduling event.

        Returns:
            Those that await an answer, also from before; None when all have ended.

        Raises:
            Stalled, TraceError: one of them can never go on; it is left out from then on, and the
                next call goes on with the others.
            RuntimeError: none was answered since the last call.
        """
        if self._is_pending:
            raise RuntimeError("next_events() before apply(): answer at least one simulation")
        self._batch.run()
        if self._batch.failed:
            self._raise_failure(min(self._batch.failed))
        self._view = self._batch.view()
        self._is_pending = self._view is not None
        return self._view

    def apply(self, schedule: BatchSchedule) -> None:
        """Answer all or some of the simulations of the last view.

        May be called again for others of them. Their schedules stand until their next events.

        Raises:
            InvalidSchedule: one of them breaks a rule; none of them is answered then.
            RuntimeError: there is nothing to answer, or one of them was answered before.
        """
        view = self._view
        if view is None:
            raise RuntimeError("apply() without a view: call next_events() first")
        schedules = packed(schedule, view)
        status = self._batch.answer(view, schedules)
        if status == IS_ANSWERED:
            raise RuntimeError("apply() for a simulation that was answered: name those left")
        if status == NO_ROW:
            raise InvalidSchedule(not_in(view, schedules))
        if status >= 0:
            self._raise_invalid(view, schedules, status)
        if self._is_pending:
            self._is_pending = schedule.simulations is not None and not schedules.is_answered.any()

    def cluster_view(self, simulation: int) -> ClusterView:
        """What a scheduler would see of one simulation that awaits an answer, by its index.

        For a look at a few of them: it makes an object for each query and operator.

        Raises:
            RuntimeError: it does not await an answer.
        """
        if not self._batch.is_awaiting(simulation):
            raise RuntimeError(f"simulation {simulation} does not await an answer")
        self._engines[simulation].read()
        return self.simulations[simulation].view

    def results(self, scheduler: str, schedule_s: float = 0.0, wall_s: float = 0.0) -> list[Result]:
        """What the runs have left so far, in their order.

        Args:
            scheduler: a name for tables.
            schedule_s: wall-clock seconds that it took, for all together.
            wall_s: wall-clock seconds of all together. Both are divided among the runs by their
                numbers of scheduling events.
        """
        for engine in self._engines:
            engine.read()
        total = max(sum(each.num_schedules for each in self.simulations), 1)
        shares = [each.num_schedules / total for each in self.simulations]
        return [
            each.result(scheduler, schedule_s * share, wall_s * share)
            for each, share in zip(self.simulations, shares, strict=True)
        ]

    def _place(self, simulation: int) -> str:
        """Which one it is, where there are several."""
        return f"simulation {simulation}: " if len(self) > 1 else ""

    def _raise_failure(self, simulation: int) -> NoReturn:
        self._engines[simulation].read()
        try:
            self._batch.fail(simulation)
        except (Stalled, TraceError) as error:
            raise type(error)(f"{self._place(simulation)}{error}") from error

    def _raise_invalid(self, view: BatchView, schedules: Packed, row: int) -> NoReturn:
        """Say what is wrong with the schedule of the simulation in a row."""
        simulation = int(view.simulations.simulation[row])
        cluster_view = self.cluster_view(simulation)
        try:
            checked_entries(
                schedule_in_row(view, schedules, row, cluster_view.queries),
                self._engines[simulation],
            )
        except InvalidSchedule as error:
            raise InvalidSchedule(f"{self._place(simulation)}{error}") from error
        raise AssertionError(f"the schedule of simulation {simulation} was rejected, but is legal")


def paired_with_seeds(
    traces: Trace | TraceStream | Sequence[Trace | TraceStream], seeds: Sequence[int]
) -> list[tuple[Trace | TraceStream, int]]:
    """Each seed with its trace.

    Raises:
        ValueError: there are no seeds, or not as many traces as seeds, or a stream is there twice.
    """
    seeds = list(seeds)
    if not seeds:
        raise ValueError("seeds are empty, expected one for each simulation")
    if isinstance(traces, Trace | TraceStream):
        traces = [traces] * len(seeds)
    if len(traces) != len(seeds):
        raise ValueError(
            f"there are {len(traces)} traces and {len(seeds)} seeds, expected one trace, or one "
            "for each seed"
        )
    streams = [id(trace) for trace in traces if isinstance(trace, TraceStream)]
    if len(set(streams)) < len(streams):
        raise ValueError("a TraceStream can be run once; give one for each seed, or load() it")
    return list(zip(traces, seeds, strict=True))
