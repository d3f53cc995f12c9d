"""Executors that leave and join: what is lost, and how many there are (R13)."""

from __future__ import annotations

from collections.abc import Sequence

from sim.cluster import Cluster
from sim.events import Event
from sim.outages import Change
from sim.simpy_engine.clock import Clock
from sim.simpy_engine.dispatcher import Dispatcher
from sim.simpy_engine.executor import NONE, Executor, task_event
from sim.simpy_engine.progress import Progress


class Availability:
    """Lets executors leave and join.

    Attributes:
        num_executors: that are there now.
        num_executors_on: likewise, per node.
    """

    def __init__(
        self,
        cluster: Cluster,
        executors: Sequence[Executor],
        clock: Clock,
        dispatcher: Dispatcher,
        progress: Progress,
        events: list[Event] | None,
    ) -> None:
        self.num_executors = cluster.num_executors
        self.num_executors_on = [cluster.executors_per_node] * cluster.num_nodes
        self._executors = executors
        self._clock = clock
        self._dispatcher = dispatcher
        self._progress = progress
        self._events = events
        self._total_us = self._since_us = 0

    def apply(self, change: Change, going_on: list[Executor]) -> None:
        """Executors leave, and what they run goes back to unclaimed; others join.

        ``going_on`` have claimed a task at this instant and not started it; those that leave are
        taken out.

        Raises:
            Stalled: a pipeline loses tasks again and again and completes none.
        """
        now_us = change.time_us
        for index in change.leaving:
            executor = self._executors[index]
            if executor in self._dispatcher.free:
                self._dispatcher.leave(executor)
            elif executor in going_on:
                going_on.remove(executor)
                self._progress.lose_task(executor, 0)
            else:
                self._lose_running(executor, now_us)
            executor.slot = executor.root = NONE
            self._progress.forget_executor(index)
            self._count(executor, -1, now_us)
        for index in change.joining:
            self._dispatcher.join(self._executors[index])
            self._count(self._executors[index], 1, now_us)

    def begin(self, now_us: int) -> None:
        """Executor time counts from now on."""
        self._total_us, self._since_us = 0, now_us

    def executor_time_us(self, until_us: int) -> int:
        """Executor time that there was up to ``until_us``, which is not before the last change."""
        return self._total_us + self.num_executors * (until_us - self._since_us)

    def _lose_running(self, executor: Executor, now_us: int) -> None:
        remaining_us = int(self._clock.cancel(executor)) - now_us
        if self._events is not None:
            self._events.append(task_event(now_us, "lose", executor))
        whole_us = executor.delay_us + executor.duration_us
        self._progress.lose_task(executor, whole_us - remaining_us)

    def _count(self, executor: Executor, change: int, now_us: int) -> None:
        self._total_us = self.executor_time_us(now_us)
        self._since_us = now_us
        self.num_executors += change
        self.num_executors_on[executor.node] += change
        if self._events is not None:
            event = Event(now_us, "join" if change > 0 else "leave", -1, executor=executor.index)
            self._events.append(event)
