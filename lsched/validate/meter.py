"""Time averages of a run, from its event log alone."""

from __future__ import annotations

from collections.abc import Sequence

from sim import Event


class Meter:
    """Reads an event log once, piece by piece.

    Attributes:
        integral_us: queries in the system, integrated over time.
        utilization: mean number of busy executors between arrivals ``num_skipped`` and the last.
    """

    def __init__(self, num_skipped: int = 0) -> None:
        self.integral_us = 0
        self._num_skipped = num_skipped
        self._now_us = self._present = self._busy = self._busy_us = self._num_arrived = 0
        self._first = self._last = (0, 0)

    @property
    def utilization(self) -> float:
        """See above."""
        return (self._last[1] - self._first[1]) / (self._last[0] - self._first[0])

    def read(self, events: Sequence[Event]) -> None:
        """Go on with the next events of the log."""
        for event in events:
            elapsed_us = event.time_us - self._now_us
            if elapsed_us:
                self.integral_us += self._present * elapsed_us
                self._busy_us += self._busy * elapsed_us
                self._now_us = event.time_us
            if event.kind == "start":
                self._busy += 1
            elif event.kind == "finish":
                self._busy -= 1
            elif event.kind == "complete":
                self._present -= 1
            elif event.kind == "arrive":
                self._present += 1
                self._last = (self._now_us, self._busy_us)
                if self._num_arrived == self._num_skipped:
                    self._first = self._last
                self._num_arrived += 1
