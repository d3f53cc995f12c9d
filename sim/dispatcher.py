"""Who gets a free executor: the standing schedule and the pool of free executors (R5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sim.executor import Executor
from sim.state import State

BLOCKED = 1 << 60


class Dispatcher:
    """Hands free executors to allocations.

    An allocation is *eligible* while its pipeline has unclaimed tasks and its query holds fewer
    executors than its limit. Free executors go, one at a time, to the first eligible allocation
    in the schedule. For it is chosen: of the executors local to its query, the one that became
    free last; else, of those not held for another query, the one that has been free longest,
    first on the nodes where the query has run.

    ``cursor`` is the first place in the schedule that may be eligible; all before it are not.
    A query that loses an executor makes its own places eligible again, never another's.
    """

    def __init__(self, state: State, executors: Iterable[Executor]) -> None:
        self._state = state
        self.free: dict[Executor, None] = dict.fromkeys(executors)
        """Free executors, in the order in which they became free."""
        self._roots: list[int] = []
        self._slots: list[int] = []
        self._limits: list[int] = []
        self._degrees: list[int] = []
        self._holds: dict[int, int] = {}
        self.cursor = 0

    def set_schedule(self, entries: list[tuple[int, int, int, int]], holds: dict[int, int]) -> None:
        """Replace the standing schedule.

        Args:
            entries: root slot, query slot, limit and pipeline degree of each allocation.
            holds: executors to keep, by query slot.
        """
        state = self._state
        position, direct, first = state.position, state.direct_limit, state.first_position
        for root in self._roots:
            position[root] = direct[root] = -1
        for slot in self._slots:
            first[slot] = -1
        self._roots = [entry[0] for entry in entries]
        self._slots = [entry[1] for entry in entries]
        self._limits = [entry[2] for entry in entries]
        self._degrees = [entry[3] for entry in entries]
        self._holds = holds
        self.cursor = 0
        for at, (root, slot, limit, _) in enumerate(entries):
            if first[slot] < 0:
                # A completed task may be followed by another of the same pipeline without looking
                # at the rest of the schedule, if this is where the query would look first.
                first[slot] = at
                direct[root] = limit
            if position[root] < 0:
                position[root] = at

    def forget(self, slot: int) -> None:
        """A query has left the system; nobody is local to it any more."""
        if self._state.num_local_free[slot]:
            for executor in self.free:
                if executor.slot == slot:
                    executor.slot = -1
        self._state.num_local_free[slot] = 0

    def add_free(self, executor: Executor) -> None:
        """An executor is free now, and its query holds one fewer."""
        self.free[executor] = None
        self._state.num_local_free[executor.slot] += 1
        first = self._state.first_position[executor.slot]
        if 0 <= first < self.cursor:
            self.cursor = first

    def assign(self, claim: Callable[[Executor, int, int, int], None]) -> None:
        """Give free executors away until none is left or nothing is eligible.

        ``claim(executor, root, slot, degree)`` must take a task of the root's pipeline and raise
        the query's ``num_held``.
        """
        state = self._state
        next_task, num_tasks, held = state.next_task, state.num_tasks, state.num_held
        first_blocked = BLOCKED
        at, end = self.cursor, len(self._roots)
        while at < end and self.free:
            root, slot, limit = self._roots[at], self._slots[at], self._limits[at]
            while next_task[root] < num_tasks[root] and held[slot] < limit:
                executor = self._choose(slot)
                if executor is None:
                    first_blocked = min(first_blocked, at)
                    break
                claim(executor, root, slot, self._degrees[at])
                if not self.free:
                    break
            else:
                at += 1
                continue
            if self.free:
                at += 1
        self.cursor = min(at, first_blocked)

    def _choose(self, slot: int) -> Executor | None:
        """Take the executor out of the pool that the query should get; None if all are held."""
        chosen: Executor | None = None
        if self._state.num_local_free[slot]:
            for executor in reversed(self.free):
                if executor.slot == slot:
                    chosen = executor
                    break
        else:
            nodes = self._state.active[slot].nodes
            for executor in self.free:
                if self._is_held(executor):
                    continue
                if nodes == 0 or nodes >> executor.node & 1:
                    chosen = executor
                    break
                if chosen is None:
                    chosen = executor
        if chosen is None:
            return None
        del self.free[chosen]
        if chosen.slot >= 0:
            self._state.num_local_free[chosen.slot] -= 1
        return chosen

    def _is_held(self, executor: Executor) -> bool:
        hold = self._holds.get(executor.slot, 0) if self._holds else 0
        return hold > 0 and self._state.num_local_free[executor.slot] <= hold
