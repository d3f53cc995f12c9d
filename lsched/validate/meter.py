"""Time averages of a run, from its event log alone."""

from __future__ import annotations

from collections.abc import Sequence

from sim import Event
from traces.model import MAX_TIME_US


class Meter:
    """Reads an event log once, piece by piece.

    Args:
        start_us, end_us: when ``busy_us`` is measured; default always.

    Attributes:
        integral_us: queries in the system, integrated over time.
        busy_us: busy executors, integrated over the time from ``start_us`` to ``end_us``.
    """

    def __init__(self, start_us: int = 0, end_us: int = MAX_TIME_US) -> None:
        self.integral_us = self.busy_us = 0
        self._start_us, self._end_us = start_us, end_us
        self._now_us = self._present = self._busy = 0

    def read(self, events: Sequence[Event]) -> None:
        """Go on with the next events of the log."""
        for event in events:
            if event.time_us > self._now_us:
                self._go_to(event.time_us)
            if event.kind == "start":
                self._busy += 1
            elif event.kind == "finish":
                self._busy -= 1
            elif event.kind == "complete":
                self._present -= 1
            elif event.kind == "arrive":
                self._present += 1

    def _go_to(self, time_us: int) -> None:
        self.integral_us += self._present * (time_us - self._now_us)
        within_us = min(time_us, self._end_us) - max(self._now_us, self._start_us)
        self.busy_us += self._busy * max(within_us, 0)
        self._now_us = time_us
