"""The simulation: a clock, instants, scheduling events (rules R2, R5, R6).

One instant is atomic: first everything that completes, then executors leave and join, then
arrivals, then at most one scheduling event, then free executors are given away, then the durations
of what they start are fixed, so all that start together see the same cluster. simpy is the clock
and the event queue; executors are re-armed events with a callback, because a process per work order
is four times slower.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from simpy.core import Infinity

from sim.agenda import COMPLETION, Agenda
from sim.availability import Availability
from sim.clock import Clock
from sim.cluster import Cluster
from sim.dispatcher import Dispatcher, Entry
from sim.events import Event, EventKind, task_event
from sim.executor import Executor
from sim.history import History
from sim.legality import checked_entries
from sim.outages import changes
from sim.patience import Patience
from sim.progress import Progress
from sim.query_view import QueryView
from sim.result import US_PER_S, QueryRecord, Result
from sim.schedule import Allocation, Schedule
from sim.state import ActiveQuery, State
from sim.totals import Totals
from sim.view import ClusterView
from sim.workload import FIRST, FRESH, REST
from traces import Trace, TraceStream

OnRecord = Callable[[QueryRecord], object]


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

    Raises:
        TypeError, ValueError: an argument is not what it must be, or the history is of other plans.

    Attributes:
        now_us: the current instant.
        records: one per completed query, in order of completion, if they are kept.
        totals: sums over completed queries.
        events: the log, None unless it is recorded.
        num_schedules: scheduling events so far.
    """

    def __init__(
        self,
        trace: Trace | TraceStream,
        cluster: Cluster,
        seed: int = 0,
        *,
        history: History | bool = True,
        record_events: bool = False,
        on_record: OnRecord | None = None,
        keep_records: bool = True,
    ) -> None:
        if not isinstance(trace, Trace | TraceStream):
            raise TypeError(f"trace is {trace!r}, expected a Trace; traces.load() gives one")
        if not isinstance(cluster, Cluster):
            raise TypeError(f"cluster is {cluster!r}, expected a Cluster; sim.preset() gives one")
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
            raise ValueError(f"seed is {seed!r}, expected a whole number from 0 to 2**63 - 1")
        self.trace, self.cluster, self.seed = trace, cluster, seed
        self.history = history.copy() if isinstance(history, History) else History({}, history)
        self.history.check({plan.name: len(plan.operators) for plan in trace.plans})
        self.records: list[QueryRecord] = []
        self.totals = Totals()
        self._record_takers: list[OnRecord] = [self.totals.add]
        if keep_records:
            self._record_takers.append(self.records.append)
        if on_record is not None:
            self._record_takers.append(on_record)
        self._executor_time_us = 0
        self._has_begun = False
        self.events: list[Event] | None = [] if record_events else None
        self.num_schedules = self.now_us = 0
        self.state = State()
        self.progress = Progress(trace, cluster, seed, self.state, self.history)
        self._clock = Clock()
        self._schedule = self._clock.schedule
        self._finished: list[Executor] = []
        self._finish_callbacks = [self._finished.append]
        self.executors = [
            Executor(self._clock, index, index // cluster.executors_per_node)
            for index in range(cluster.num_executors)
        ]
        self.dispatcher = Dispatcher(self.state, self.executors)
        self.availability = Availability(
            cluster, self.executors, self._clock, self.dispatcher, self.progress, self.events
        )
        self.query_views: dict[ActiveQuery, QueryView] = {}
        self.view = ClusterView(self)
        self._is_sticky = cluster.release == "pipeline"
        self._is_tracked = cluster.memory_bytes is not None or cluster.num_nodes > 1
        self._is_contextual = self.progress.costs.is_contextual
        self._going_on: list[Executor] = []
        self._patience = Patience(self.state)
        self._is_awaiting = False
        self._agenda = Agenda(self._clock, trace.queries, changes(cluster, seed))

    def next_event(self) -> ClusterView | None:
        """Run to the next scheduling event; None when every query has completed.

        Raises:
            Stalled: queries are left that nothing will ever run.
            RuntimeError: the last scheduling event was not answered with ``apply``.
        """
        if self._is_awaiting:
            raise RuntimeError("next_event() before apply(): answer the last scheduling event")
        while self._has_more() and self._advance():
            if self._settle():
                self._is_awaiting = True
                self.num_schedules += 1
                if self.events is not None:
                    self.events.append(Event(self.now_us, "schedule", -1))
                return self.view
            self._give_executors()
        return None

    def apply(self, schedule: Schedule | Iterable[Allocation]) -> None:
        """Answer the scheduling event; the schedule stands until the next one.

        Raises:
            InvalidSchedule: it breaks a rule. The simulation is unchanged and waits for another.
            RuntimeError: there is no scheduling event to answer.
        """
        if not self._is_awaiting:
            raise RuntimeError("apply() without a scheduling event: call next_event() first")
        entries, holds, until_us = checked_entries(schedule, self)
        self._is_awaiting = False
        self.dispatcher.set_schedule(entries, holds)
        self._agenda.set_timer(until_us)
        self._give_executors()

    def result(self, scheduler: str, schedule_s: float = 0.0, wall_s: float = 0.0) -> Result:
        """What the run has left so far.

        Args:
            scheduler: a name for tables.
            schedule_s: wall-clock seconds that it took.
            wall_s: wall-clock seconds of the whole run.
        """
        return Result(
            scheduler=scheduler,
            trace=self.trace.name,
            seed=self.seed,
            cluster=self.cluster,
            queries=self.records,
            totals=self.totals,
            executor_time_s=self._executor_time_us / US_PER_S,
            num_schedules=self.num_schedules,
            schedule_s=schedule_s,
            wall_s=wall_s,
            peak_memory_bytes=self.progress.memory.peak_bytes,
            history=self.history,
            events=self.events,
        )

    def _has_more(self) -> bool:
        """Whether anything is to come that matters; raises Stalled if queries wait for nothing."""
        if self._agenda.has_arrivals:
            return True
        is_more_to_come = self._agenda.has_timer or self._agenda.has_changes
        if self.state.active and not is_more_to_come and self._is_idle():
            is_empty = self.availability.num_executors == 0
            why = "no executor is there" if is_empty else "the scheduler has scheduled nothing"
            raise self._patience.stalled(self.now_us, why)
        return bool(self.state.active)

    def _is_idle(self) -> bool:
        """Whether no executor runs anything."""
        return len(self.dispatcher.free) == self.availability.num_executors

    def _advance(self) -> bool:
        """Run to the next instant that may be a scheduling event; False at the end.

        This is the hot loop, one turn per task. An executor that completes alone goes on at once,
        as the standing schedule says, where nothing is to be decided and nobody is held back: with
        its own pipeline if that is what it would be given anyway, else where the dispatcher says.
        """
        advance, arm = self._clock.advance, self._schedule
        finished, callbacks = self._finished, self._finish_callbacks
        state, costs, dispatcher = self.state, self.progress.costs, self.dispatcher
        next_task, num_tasks, num_done = state.next_task, state.num_tasks, state.num_done
        busy_us, num_held, is_dry_noted = state.busy_us, state.num_held, state.is_dry_noted
        position, direct_limit = state.position, state.direct_limit
        is_sticky, is_contextual = self._is_sticky, self._is_contextual
        is_tracked, is_logged = self._is_tracked, self.events is not None
        is_unobserved = not is_tracked and not is_logged
        cursor, is_free_to_go = dispatcher.cursor, not dispatcher.has_holds
        now: Any = self._clock.peek()
        while now != Infinity:
            upcoming = advance()
            if finished and upcoming != now:
                executor = finished.pop()
                root, slot = executor.root, executor.slot
                task, total = next_task[root], num_tasks[root]
                goes_on = task < total and (
                    is_sticky or (position[root] <= cursor and num_held[slot] <= direct_limit[root])
                )
                if goes_on and is_unobserved and (times_us := executor.pipeline.times_us):
                    # Most tasks end here: nothing to know but the recorded time of the next.
                    busy_us[root] += executor.duration_us
                    num_done[root] += 1
                    next_task[root] = task + 1
                    executor.task = task
                    executor.duration_us = duration = times_us[task]
                    executor.callbacks = callbacks
                    arm(executor, COMPLETION, duration)
                    end = now + duration
                    now = upcoming if upcoming < end else end
                    continue
                if goes_on or (
                    # Neither the last task nor the first to find nothing unclaimed (R6).
                    is_free_to_go
                    and (task < total or (is_dry_noted[root] and num_done[root] + 1 < total))
                ):
                    if is_tracked:
                        self.progress.track_task(executor)
                    if is_logged:
                        self._log_task(now, "finish", executor)
                    busy_us[root] += executor.duration_us
                    num_done[root] += 1
                    pipeline = executor.pipeline
                    if pipeline.done_tasks is not None:
                        pipeline.done_tasks.append(executor.task)
                    if goes_on:
                        next_task[root] = task + 1
                        if pipeline.order is not None:
                            task = pipeline.order[task]
                        executor.task, executor.wave, executor.delay_us = task, REST, 0
                    else:
                        num_held[slot] -= 1
                        if is_contextual:
                            costs.vacate(executor)
                        place = dispatcher.place_for(slot)
                        cursor = dispatcher.cursor
                        if place is None:
                            dispatcher.add_free(executor)
                            now = upcoming
                            continue
                        self.now_us = now
                        self._claim((executor,), place)
                        pipeline = executor.pipeline
                    if pipeline.is_plain:
                        duration = pipeline.fused_us[executor.task]
                    else:
                        duration = costs.duration_us(executor, num_held[executor.slot])
                    executor.duration_us = duration
                    executor.callbacks = callbacks
                    duration += executor.delay_us
                    arm(executor, COMPLETION, duration)
                    if is_logged:
                        self._log_task(now, "start", executor)
                    end = now + duration
                    now = upcoming if upcoming < end else end
                    continue
                finished.append(executor)
            while upcoming == now:
                upcoming = advance()
            self.now_us = now
            return True
        return False

    def _settle(self) -> bool:
        """Count what has completed, changed and arrived now; whether to ask for a schedule."""
        is_event = bool(self._finished) and self._settle_finished()
        if (change := self._agenda.take_change()) is not None:
            self.availability.apply(change, self._going_on)
            self._note_idle()
            is_event = True
        for query in self._agenda.arrivals():
            if not self._has_begun:
                self._has_begun = True
                self.availability.begin(self.now_us)
            active = self.progress.admit(query)
            self.query_views[active] = QueryView(self, active)
            if self.events is not None:
                self.events.append(Event(self.now_us, "arrive", query.query_id))
            is_event = True
        if self._agenda.take_timer():
            self._note_idle()
            is_event = True
        return is_event and bool(self.state.active) and self.availability.num_executors > 0

    def _settle_finished(self) -> bool:
        state, progress = self.state, self.progress
        executors = list(self._finished)
        self._finished.clear()
        for executor in executors:
            root = executor.root
            if self._is_tracked:
                progress.track_task(executor)
            if self.events is not None:
                self._log_task(self.now_us, "finish", executor)
            if self._is_contextual:
                progress.costs.vacate(executor)
            state.busy_us[root] += executor.duration_us
            state.num_done[root] += 1
            if executor.pipeline.done_tasks is not None:
                executor.pipeline.done_tasks.append(executor.task)
            state.num_held[executor.slot] -= 1
        freed = []
        for executor in executors:
            if self._is_sticky and state.next_task[executor.root] < state.num_tasks[executor.root]:
                self._claim([executor], (executor.root, executor.slot, 0, 0))
                self._going_on.append(executor)
            else:
                self.dispatcher.add_free(executor)
                freed.append(executor.root)
        is_event = False
        for root in dict.fromkeys(freed):
            if state.num_done[root] == state.num_tasks[root]:
                active = progress.complete_pipeline(root)
                is_event = True
                if active.num_incomplete == 0:
                    self._complete_query(active.slot)
            elif state.next_task[root] == state.num_tasks[root] and not state.is_dry_noted[root]:
                state.is_dry_noted[root] = 1
                is_event = True
        return is_event

    def _complete_query(self, slot: int) -> None:
        active = self.state.active[slot]
        observed_us = self.query_views.pop(active).observed_busy_us
        self.dispatcher.forget(slot)
        record = self.progress.complete_query(active, self.now_us, observed_us)
        for take in self._record_takers:
            take(record)
        self._executor_time_us = self.availability.executor_time_us(self.now_us)
        if self.events is not None:
            self.events.append(Event(self.now_us, "complete", active.query.query_id))

    def _give_executors(self) -> None:
        """Give free executors away, then fix the durations of all that starts at this instant."""
        started = self._going_on
        self._going_on = []
        if self.dispatcher.free:
            started += self.dispatcher.assign(self._claim)
        if started:
            self._patience.note_start()
        events, num_held, schedule = self.events, self.state.num_held, self._schedule
        for executor in started:
            pipeline = executor.pipeline
            if pipeline.is_plain:
                duration = pipeline.fused_us[executor.task]
            else:
                duration = self.progress.costs.duration_us(executor, num_held[executor.slot])
            executor.duration_us = duration
            executor.callbacks = self._finish_callbacks
            schedule(executor, COMPLETION, executor.delay_us + duration)
            if events is not None:
                self._log_task(self.now_us, "start", executor)

    def _claim(self, executors: Sequence[Executor], place: Entry) -> None:
        """Executors that the dispatcher has chosen take the next tasks of a pipeline."""
        root, slot, _, degree = place
        state = self.state
        pipeline = self.progress.pipelines.get(root)
        if pipeline is None:
            pipeline = self.progress.start_pipeline(root, slot, degree, self.now_us)
        task = state.next_task[root]
        for executor in executors:
            if executor.slot == slot:
                executor.delay_us = 0
                executor.wave = REST if executor.index in pipeline.known else FIRST
            else:
                executor.delay_us = self.progress.costs.move(pipeline, executor.node)
                executor.slot, executor.wave = slot, FRESH
            if not pipeline.is_plain:
                pipeline.known.add(executor.index)
            executor.root, executor.pipeline = root, pipeline
            executor.task = task if pipeline.order is None else pipeline.order[task]
            task += 1
            if self._is_contextual:
                self.progress.costs.occupy(executor)
        state.next_task[root] = task
        state.num_held[slot] += len(executors)

    def _note_idle(self) -> None:
        """Something has happened that starts nothing; raise if no more than that ever will."""
        if self._is_idle() and self.state.active and not self._agenda.has_arrivals:
            self._patience.note_idle(self.now_us)

    def _log_task(self, time_us: int, kind: EventKind, executor: Executor) -> None:
        assert self.events is not None
        self.events.append(task_event(time_us, kind, executor))
