"""What is to come besides completions: arrivals, executors that come and go, the timer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import simpy
from simpy.events import EventPriority

from sim.outages import Change
from sim.simpy_engine.clock import Clock
from traces import Query

END, COMPLETION, CHANGE, ARRIVAL, TIMER = map(EventPriority, range(5))
"""Priorities of events at one instant."""


class Agenda:
    """Keeps the next arrival, the next change of executors, and the timer in the event queue.

    Taking an event back is slow. So a timer that is set again later does not get a new event while
    an earlier one is still to ring; that one sets it again. Only a few are ever armed.
    """

    def __init__(
        self, clock: Clock, queries: Iterable[Query], changes: Iterable[Change] = ()
    ) -> None:
        self._clock = clock
        self._queries: Iterator[Query] = iter(queries)
        self._next = next(self._queries, None)
        self._timer_us: int | None = None
        self._armed_us: set[int] = set()
        self._changes: Iterator[Change] = iter(changes)
        self._next_change = next(self._changes, None)
        self._is_arrival_due = self._is_change_due = self._is_timer_due = False
        self._arm_arrival()
        self._arm_change()

    @property
    def has_arrivals(self) -> bool:
        """Whether any query is still to arrive."""
        return self._next is not None

    @property
    def has_timer(self) -> bool:
        """Whether the timer is still to ring."""
        return self._timer_us is not None

    @property
    def has_changes(self) -> bool:
        """Whether any executor is still to leave or to join."""
        return self._next_change is not None

    def take_change(self) -> Change | None:
        """The executors that leave and join at this instant, once."""
        if not self._is_change_due:
            return None
        self._is_change_due = False
        change, self._next_change = self._next_change, next(self._changes, None)
        self._arm_change()
        return change

    def set_timer(self, until_us: int | None) -> None:
        """Ring at a time, and not at the one set before."""
        self._timer_us = until_us
        if until_us is not None and not any(armed <= until_us for armed in self._armed_us):
            self._armed_us.add(until_us)
            self._arm(TIMER, until_us, self._ring)

    def take_timer(self) -> bool:
        """Whether the timer rings at this instant; it is over then."""
        is_due, self._is_timer_due = self._is_timer_due, False
        return is_due

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

    def set_end(self, end_us: int, callback: Callable[[simpy.Event], None]) -> None:
        """Call back when the clock ends, before all else at that time."""
        self._arm(END, end_us, callback)

    def _arm_arrival(self) -> None:
        if self._next is not None:
            self._arm(ARRIVAL, self._next.arrival_us, self._note_arrival)

    def _arm_change(self) -> None:
        if self._next_change is not None:
            self._arm(CHANGE, self._next_change.time_us, self._note_change)

    def _note_change(self, _: simpy.Event) -> None:
        self._is_change_due = True

    def _note_arrival(self, _: simpy.Event) -> None:
        self._is_arrival_due = True

    def _ring(self, _: simpy.Event) -> None:
        now = int(self._clock.now)
        self._armed_us.discard(now)
        self._is_timer_due = self._timer_us == now
        self.set_timer(None if self._is_timer_due else self._timer_us)

    def _arm(
        self, priority: EventPriority, time_us: int, callback: Callable[[simpy.Event], None]
    ) -> None:
        event = simpy.Event(self._clock)
        event.callbacks = [callback]
        self._clock.schedule(event, priority, time_us - self._clock.now)
