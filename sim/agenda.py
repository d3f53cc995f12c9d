"""What is to come besides completions: arrivals in order, and the schedule's timer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import simpy
from simpy.events import EventPriority

from sim.clock import Clock
from traces import Query

COMPLETION, ARRIVAL, TIMER = EventPriority(0), EventPriority(1), EventPriority(2)
"""Priorities of events at one instant."""


class Agenda:
    """Keeps the next arrival and the timer in the event queue.

    Attributes:
        is_timer_due: whether the timer has rung at this instant.
    """

    def __init__(self, clock: Clock, queries: Iterable[Query]) -> None:
        self._clock = clock
        self._queries: Iterator[Query] = iter(queries)
        self._next = next(self._queries, None)
        self._timer: simpy.Event | None = None
        self._is_arrival_due = self.is_timer_due = False
        self._arm_arrival()

    @property
    def has_arrivals(self) -> bool:
        """Whether any query is still to arrive."""
        return self._next is not None

    def set_timer(self, until_us: int | None) -> None:
        """Ring at a time, and not at the one set before."""
        self._timer = None if until_us is None else self._arm(TIMER, until_us, self._ring)

    def arrivals(self) -> Iterator[Query]:
        """Queries that arrive at this instant."""
        if not self._is_arrival_due:
            return
        self._is_arrival_due = False
        now = self._clock.now
        while self._next is not None and self._next.arrival_us == now:
            yield self._next
            self._next = next(self._queries, None)
        self._arm_arrival()

    def _arm_arrival(self) -> None:
        if self._next is not None:
            self._arm(ARRIVAL, self._next.arrival_us, self._note_arrival)

    def _note_arrival(self, _: simpy.Event) -> None:
        self._is_arrival_due = True

    def _ring(self, event: simpy.Event) -> None:
        self.is_timer_due = self.is_timer_due or event is self._timer

    def _arm(
        self, priority: EventPriority, time_us: int, callback: Callable[[simpy.Event], None]
    ) -> simpy.Event:
        event = simpy.Event(self._clock)
        event.callbacks = [callback]
        self._clock.schedule(event, priority, time_us - self._clock.now)
        return event
