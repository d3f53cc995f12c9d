"""The clock: simpy's environment, with a leaner step."""

from __future__ import annotations

from heapq import heapify, heappop

import simpy
from simpy.core import Infinity, SimTime


class Clock(simpy.Environment):
    """simpy's clock and event queue, for events that cannot fail.

    ``Environment.step`` also looks for failed events, of which there are none here, and the
    simulation always needs the time of the event after; without the one and with the other in the
    same call, a whole run is about 1.08 times as fast.
    """

    def advance(self) -> SimTime:
        """Process the next event; the time of the one after it, infinity if there is none."""
        queue = self._queue
        self._now, _, _, event = heappop(queue)
        callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
        for callback in callbacks:
            callback(event)
        return queue[0][0] if queue else Infinity

    def cancel(self, event: simpy.Event) -> SimTime:
        """Take an event out of the queue; the time that it would have had."""
        queue = self._queue
        at = next(at for at, item in enumerate(queue) if item[3] is event)
        time = queue[at][0]
        queue[at] = queue[-1]
        queue.pop()
        heapify(queue)
        return time
