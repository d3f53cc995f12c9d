"""The reference engine: a clock, instants, scheduling events (rules R2, R5, R6).

One instant is atomic: first everything that completes, then executors leave and join, then
arrivals, then at most one scheduling event, then free executors are given away, then the durations
of what they start are fixed, so all that start together see the same cluster. simpy is the clock
and the event queue; executors are re-armed events with a callback, because a process per work order
is four times slower.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import simpy

from sim.active import ActiveQuery
from sim.cluster import Cluster
from sim.engine import Engine, OnRecord
from sim.events import Event, EventKind
from sim.history import History
from sim.outages import changes
from sim.query_view import QueryView
from sim.schedule import Entry
from sim.simpy_engine.agenda import COMPLETION, Agenda
from sim.simpy_engine.availability import Availability
from sim.simpy_engine.clock import Clock
from sim.simpy_engine.dispatcher import Dispatcher
from sim.simpy_engine.executor import Executor, task_event
from sim.simpy_engine.patience import Patience
from sim.simpy_engine.progress import Progress
from sim.simpy_engine.state import State
from sim.stalled import NOBODY_THERE, NOTHING_SCHEDULED, OUT_OF_TIME
from sim.workload import FIRST, FRESH, REST
from traces import Trace, TraceStream


class SimpyEngine(Engine):
    """The reference engine: simpy's event queue, and one Python object per thing.

    Args:
        trace, cluster, seed, history: as for ``Simulation``.
        events: where to keep the event log.
        on_record: called with the record of each query as it completes.
    """

    def __init__(
        self,
        trace: Trace | TraceStream,
        cluster: Cluster,
        seed: int,
        history: History,
        events: list[Event] | None,
        on_record: OnRecord,
    ) -> None:
        self.cluster, self.history, self.events = cluster, history, events
        self._on_record = on_record
        self.executor_time_us = 0
        self._has_begun = False
        self.num_schedules = self.now_us = 0
        self._state = State()
        self.progress = Progress(trace, cluster, seed, self._state, history)
        self.plans = self.progress.plans
        self._clock = Clock()
        self._schedule = self._clock.schedule
        self._finished: list[Executor] = []
        self._finish_callbacks = [self._finished.append]
        self.executors = [
            Executor(self._clock, index, index // cluster.executors_per_node)
            for index in range(cluster.num_executors)
        ]
        self.dispatcher = Dispatcher(self._state, self.executors)
        self.availability = Availability(
            cluster, self.executors, self._clock, self.dispatcher, self.progress, events
        )
        self.query_views: dict[ActiveQuery, QueryView] = {}
        self._is_sticky = cluster.release == "pipeline"
        self._is_tracked = cluster.memory_bytes is not None or cluster.num_nodes > 1
        self._is_contextual = self.progress.costs.is_contextual
        self._going_on: list[Executor] = []
        self._patience = Patience(self._state)
        self._agenda = Agenda(self._clock, trace.queries, changes(cluster, seed))
        self._agenda.set_end(cluster.end_us, self._run_out_of_time)

    @property
    def state(self) -> State:
        """Columns of the queries in the system."""
        return self._state

    @property
    def num_executors(self) -> int:
        """Executors that are there now."""
        return self.availability.num_executors

    @property
    def num_executors_on(self) -> list[int]:
        """Likewise, per node."""
        return list(self.availability.num_executors_on)

    @property
    def num_free(self) -> int:
        """Executors that run nothing."""
        return len(self.dispatcher.free)

    @property
    def memory_used_bytes(self) -> list[int]:
        """Per node."""
        return list(self.progress.memory.used_bytes)

    @property
    def peak_memory_bytes(self) -> int:
        """The largest sum over nodes so far."""
        return self.progress.memory.peak_bytes

    def advance(self) -> bool:
        """Run to the next scheduling event; False when every query has completed."""
        while self._has_more():
            self._advance()
            if self._settle():
                self.num_schedules += 1
                if self.events is not None:
                    self.events.append(Event(self.now_us, "schedule", -1))
                return True
            self._give_executors()
        return False

    def set_schedule(
        self, entries: Sequence[Entry], holds: dict[int, int], until_us: int | None
    ) -> None:
        """Answer the scheduling event."""
        self.dispatcher.set_schedule(entries, holds)
        self._agenda.set_timer(until_us)
        self._give_executors()

    def members(self, root: int) -> list[int]:
        """Operators of a started pipeline."""
        return [member.operator for member in self.progress.pipelines[root].members]

    def observed_share(self, root: int, operator: int) -> float:
        """Share of a pipeline's member in the base work of the tasks done so far."""
        return self.progress.pipelines[root].observed_share(operator)

    def held_bytes(self, slot: int) -> int:
        """Memory that an operator holds."""
        return self.progress.memory.held_bytes(slot)

    def unfinished_tasks(self, root: int) -> tuple[list[int], int]:
        """Tasks of a pipeline that are not done."""
        free, order = self.dispatcher.free, self.progress.pipelines[root].order
        running = [e.task for e in self.executors if e.root == root and e not in free]
        if order is None:
            return sorted(running), self._state.next_task[root]
        return sorted(running + order[self._state.next_task[root] :]), self._state.num_tasks[root]

    def _has_more(self) -> bool:
        """Whether anything is to come that matters; raises Stalled if queries wait for nothing."""
        if self._agenda.has_arrivals:
            return True
        is_more_to_come = self._agenda.has_timer or self._agenda.has_changes
        if self._state.active and not is_more_to_come and self._is_idle():
            is_empty = self.availability.num_executors == 0
            why = NOBODY_THERE if is_empty else NOTHING_SCHEDULED
            raise self._patience.stalled(self.now_us, why)
        return bool(self._state.active)

    def _is_idle(self) -> bool:
        """Whether no executor runs anything."""
        return len(self.dispatcher.free) == self.availability.num_executors

    def _advance(self) -> None:
        """Run to the next instant that may be a scheduling event; the clock has an end.

        This is the hot loop, one turn per task. An executor that completes alone goes on at once,
        as the standing schedule says, where nothing is to be decided and nobody is held back: with
        its own pipeline if that is what it would be given anyway, else where the dispatcher says.
        """
        advance, arm = self._clock.advance, self._schedule
        finished, callbacks = self._finished, self._finish_callbacks
        state, costs, dispatcher = self._state, self.progress.costs, self.dispatcher
        next_task, num_tasks, num_done = state.next_task, state.num_tasks, state.num_done
        busy_us, num_held, is_dry_noted = state.busy_us, state.num_held, state.is_dry_noted
        position, direct_limit = state.position, state.direct_limit
        is_sticky, is_contextual = self._is_sticky, self._is_contextual
        is_tracked, is_logged = self._is_tracked, self.events is not None
        is_unobserved = not is_tracked and not is_logged
        cursor, is_free_to_go = dispatcher.cursor, not dispatcher.has_holds
        now: Any = self._clock.peek()
        while True:
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
                            if self._is_idle():
                                self.now_us = now
                                return
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
            return

    def _run_out_of_time(self, _: simpy.Event) -> None:
        self.now_us = self.cluster.end_us
        raise self._patience.stalled(self.now_us, OUT_OF_TIME)

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
        return is_event and bool(self._state.active) and self.availability.num_executors > 0

    def _settle_finished(self) -> bool:
        state, progress = self._state, self.progress
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
        active = self._state.active[slot]
        view = self.query_views.pop(active)
        self.dispatcher.forget(slot)
        record = self.progress.complete_query(active, self.now_us, view.observed_busy_us)
        self._on_record(record)
        self.executor_time_us = self.availability.executor_time_us(self.now_us)
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
        events, num_held, schedule = self.events, self._state.num_held, self._schedule
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
        state = self._state
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
        if self._is_idle() and self._state.active and not self._agenda.has_arrivals:
            self._patience.note_idle(self.now_us)

    def _log_task(self, time_us: int, kind: EventKind, executor: Executor) -> None:
        assert self.events is not None
        self.events.append(task_event(time_us, kind, executor))
