"""When a simulation gets nowhere: nothing runs, nothing is to come (R6)."""

from __future__ import annotations

from sim.errors import Stalled
from sim.formulas import MAX_IDLE_EVENTS
from sim.simpy_engine.state import State
from sim.stalled import NOTHING_SCHEDULED_AGAIN, stalled


class Patience:
    """Counts events after which nothing runs, and says what is wrong."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._num_idle = 0

    def note_start(self) -> None:
        """Something has started."""
        self._num_idle = 0

    def note_idle(self, now_us: int) -> None:
        """A timer has rung, or executors have come or gone: nothing runs, nothing will arrive.

        Raises:
            Stalled: that is all that ever happens.
        """
        self._num_idle += 1
        if self._num_idle > MAX_IDLE_EVENTS:
            raise self.stalled(now_us, NOTHING_SCHEDULED_AGAIN)

    def stalled(self, now_us: int, why: str) -> Stalled:
        """The error: which queries are left, and why."""
        waiting = [active.query.query_id for active in self._state.active.values()]
        return stalled(now_us, waiting, why)
