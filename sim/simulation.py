"""A simulation, driven by pulling scheduling events (R5, R6)."""

from __future__ import annotations

from collections.abc import Iterable

from sim.cluster import Cluster
from sim.engine import Engine, OnRecord
from sim.engines import EngineMaker, EngineName, make_engine
from sim.events import Event
from sim.experience import StartHistory, first_history
from sim.history import History
from sim.legality import checked_entries
from sim.result import QueryRecord, Result
from sim.schedule import Allocation, Schedule
from sim.schedulers.compiled_rule import compiled_rule_of
from sim.totals import Totals
from sim.view import ClusterView
from traces import Trace, TraceStream
from traces.units import US_PER_S


class Simulation:
    """One run of a trace on a cluster, driven by pulling scheduling events.

    Example:
        >>> simulation = Simulation(trace, cluster, seed=0)
        >>> while (view := simulation.next_event()) is not None:
        ...     simulation.apply(scheduler.decide(view))

    Args:
        trace: what to run. The queries of a stream are taken as they arrive, so that a run needs
            memory for those in the system only.
        cluster: what to run it on.
        seed: for the luck of work orders (R8).
        history: completed runs to start with; True starts with none, False hides history (R10).
        record_events: whether to keep the event log.
        on_record: called with the record of each query as it completes.
        keep_records: whether ``records`` has them.
        engine: ``fast`` or ``simpy``, which give the same results; default: ``fast`` where numba
            is installed. Or a function that makes one.

    Raises:
        TypeError, ValueError: an argument is not what it must be, or the history is of other plans.

    Attributes:
        engine: what runs it.
        view: what schedulers see at a scheduling event.
        records: one per completed query, in order of completion, if they are kept.
        totals: sums over completed queries.
    """

    def __init__(
        self,
        trace: Trace | TraceStream,
        cluster: Cluster,
        seed: int = 0,
        *,
        history: StartHistory = True,
        record_events: bool = False,
        on_record: OnRecord | None = None,
        keep_records: bool = True,
        engine: EngineName | EngineMaker | None = None,
    ) -> None:
        if not isinstance(trace, Trace | TraceStream):
            raise TypeError(f"trace is {trace!r}, expected a Trace; traces.load() gives one")
        if not isinstance(cluster, Cluster):
            raise TypeError(f"cluster is {cluster!r}, expected a Cluster; sim.preset() gives one")
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
            raise ValueError(f"seed is {seed!r}, expected a whole number from 0 to 2**63 - 1")
        self.trace, self.cluster, self.seed = trace, cluster, seed
        self.records: list[QueryRecord] = []
        self.totals = Totals()
        self._record_takers: list[OnRecord] = [self.totals.add]
        if keep_records:
            self._record_takers.append(self.records.append)
        if on_record is not None:
            self._record_takers.append(on_record)
        known = first_history(history, trace, cluster)
        self.engine: Engine = make_engine(
            engine, trace, cluster, seed, known, [] if record_events else None, self._take
        )
        self.view = ClusterView(self.engine)
        self._is_awaiting = False

    @property
    def now_us(self) -> int:
        """The current instant."""
        return self.engine.now_us

    @property
    def num_schedules(self) -> int:
        """Scheduling events so far."""
        return self.engine.num_schedules

    @property
    def history(self) -> History:
        """Completed runs so far."""
        return self.engine.history

    @property
    def events(self) -> list[Event] | None:
        """The log, None unless it is recorded."""
        return self.engine.events

    def next_event(self) -> ClusterView | None:
        """Run to the next scheduling event; None when every query has completed.

        Raises:
            Stalled: queries are left that nothing will ever run.
            RuntimeError: the last scheduling event was not answered with ``apply``.
        """
        if self._is_awaiting:
            raise RuntimeError("next_event() before apply(): answer the last scheduling event")
        self._is_awaiting = self.engine.advance()
        return self.view if self._is_awaiting else None

    def apply(self, schedule: Schedule | Iterable[Allocation]) -> None:
        """Answer the scheduling event; the schedule stands until the next one.

        Raises:
            InvalidSchedule: it breaks a rule. The simulation is unchanged and waits for another.
            RuntimeError: there is no scheduling event to answer.
        """
        if not self._is_awaiting:
            raise RuntimeError("apply() without a scheduling event: call next_event() first")
        entries, holds, until_us = checked_entries(schedule, self.engine)
        self._is_awaiting = False
        self.engine.set_schedule(entries, holds, until_us)

    def run_compiled(self, scheduler: object) -> float | None:
        """Run to the end without asking ``scheduler``, where its decisions are compiled.

        Returns:
            Seconds that its decisions took; None if they are not compiled: nothing has happened.

        Raises:
            Stalled: queries are left that nothing will ever run.
        """
        rule = compiled_rule_of(scheduler)
        return None if rule is None else self.engine.run_with(rule)

    def result(self, scheduler: str, schedule_s: float = 0.0, wall_s: float = 0.0) -> Result:
        """What the run has left so far.

        Args:
            scheduler: a name for tables.
            schedule_s: wall-clock seconds that it took.
            wall_s: wall-clock seconds of the whole run.
        """
        engine = self.engine
        return Result(
            scheduler=scheduler,
            trace=self.trace.name,
            seed=self.seed,
            cluster=self.cluster,
            queries=self.records,
            totals=self.totals,
            executor_time_s=engine.executor_time_us / US_PER_S,
            num_schedules=engine.num_schedules,
            schedule_s=schedule_s,
            wall_s=wall_s,
            peak_memory_bytes=engine.peak_memory_bytes,
            history=engine.history,
            events=engine.events,
        )

    def _take(self, record: QueryRecord) -> None:
        for take in self._record_takers:
            take(record)
