"""Who gets a free executor: the standing schedule and the pool of free executors (R5)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

from sim.schedule import Entry
from sim.simpy_engine.executor import Executor
from sim.simpy_engine.state import NOWHERE, State


class Dispatcher:
    """Hands free executors to allocations.

    An allocation is *eligible* while its pipeline has unclaimed tasks and its query holds fewer
    executors than its limit. Free executors go, one at a time, to the first eligible allocation
    in the schedule. For it is chosen: of the executors local to its query, the one that became
    free last; else, of those not held for another query, the one that has been free longest,
    first on the nodes where the query has run.

    ``cursor`` is the first place in the schedule that may be eligible; all before it are not.
    A query that loses an executor makes its own places eligible again, never another's.

    Attributes:
        free: free executors, in the order in which they became free.
        has_holds: whether the schedule keeps free executors from queries that could use them.
    """

    def __init__(self, state: State, executors: Iterable[Executor]) -> None:
        self._state = state
        self.free: dict[Executor, None] = dict.fromkeys(executors)
        self._is_one_node = len({executor.node for executor in self.free}) == 1
        self._entries: Sequence[Entry] = ()
        self._following: list[int] = []  # the next place of the same query, or NOWHERE
        self._holds: dict[int, int] = {}
        self.has_holds = False
        self.cursor = 0

    def set_schedule(self, entries: Sequence[Entry], holds: dict[int, int]) -> None:
        """Replace the standing schedule.

        Args:
            entries: the allocations in order.
            holds: executors to keep, by query slot.
        """
        state = self._state
        position, direct, first = state.position, state.direct_limit, state.first_position
        for root, slot, _, _ in self._entries:
            position[root], direct[root] = NOWHERE, -1
            first[slot] = NOWHERE
        self._entries = entries
        self._following = [NOWHERE] * len(entries)
        self._holds = holds
        self.has_holds = bool(holds)
        self.cursor = 0
        last: dict[int, int] = {}
        for at, (root, slot, limit, _) in enumerate(entries):
            if first[slot] == NOWHERE:
                # A completed task may be followed by another of the same pipeline without looking
                # at the rest of the schedule, if this is where the query would look first.
                first[slot] = at
                direct[root] = limit
            else:
                self._following[last[slot]] = at
            last[slot] = at
            if position[root] == NOWHERE:
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
        if first < self.cursor:
            self.cursor = first

    def join(self, executor: Executor) -> None:
        """An executor that is new, and local to no query, is there (R13)."""
        self.free[executor] = None

    def leave(self, executor: Executor) -> None:
        """A free executor is no longer there (R13)."""
        del self.free[executor]
        if executor.slot >= 0:
            self._state.num_local_free[executor.slot] -= 1

    def place_for(self, slot: int) -> Entry | None:
        """Where an executor goes that alone just left the query in ``slot``, without holds.

        The first eligible allocation, None if there is none. What ``assign`` would do, without
        going through other queries' places: if others are free as well, nothing is eligible but
        what this query now lacks, and the executor is the one that became free last.
        """
        state, entries, cursor = self._state, self._entries, self.cursor
        next_task, num_tasks, held = state.next_task, state.num_tasks, state.num_held
        at = state.first_position[slot]
        while at < cursor:
            entry = entries[at]
            root = entry[0]
            if next_task[root] < num_tasks[root] and held[slot] < entry[2]:
                return entry
            at = self._following[at]
        for at in range(cursor, len(entries)):
            entry = entries[at]
            root = entry[0]
            if next_task[root] < num_tasks[root] and held[entry[1]] < entry[2]:
                self.cursor = at
                return entry
        self.cursor = len(entries)
        return None

    def assign(self, claim: Callable[[Sequence[Executor], Entry], None]) -> list[Executor]:
        """Give free executors away until none is left or nothing is eligible.

        ``claim(executors, entry)`` must take as many tasks of the root's pipeline and raise the
        query's ``num_held``. Returns the executors, in the order in which they were given.
        """
        state, entries = self._state, self._entries
        next_task, num_tasks, held = state.next_task, state.num_tasks, state.num_held
        given: list[Executor] = []
        first_blocked = len(entries)
        for at in range(self.cursor, len(entries)):
            root, slot, limit, _ = entries[at]
            wanted = min(num_tasks[root] - next_task[root], limit - held[slot])
            if wanted <= 0:
                continue
            chosen = self._take(slot, wanted)
            if chosen:
                claim(chosen, entries[at])
                given += chosen
            if len(chosen) < wanted:
                first_blocked = min(at, first_blocked)
                if not self.free:
                    break
        self.cursor = first_blocked
        return given

    def _take(self, slot: int, wanted: int) -> list[Executor]:
        """Take up to ``wanted`` executors out of the pool, those that the query should get."""
        free, num_local_free = self.free, self._state.num_local_free
        chosen: list[Executor] = []
        if num_local_free[slot]:
            local = (executor for executor in reversed(free) if executor.slot == slot)
            chosen = list(itertools.islice(local, min(wanted, num_local_free[slot])))
            num_local_free[slot] -= len(chosen)
            for executor in chosen:
                del free[executor]
        nodes = self._state.active[slot].nodes
        while free and len(chosen) < wanted:
            longest = self._longest_free(nodes)
            if longest is None:
                break
            chosen.append(longest)
            del free[longest]
            if longest.slot >= 0:
                num_local_free[longest.slot] -= 1
            nodes |= 1 << longest.node
        return chosen

    def _longest_free(self, nodes: int) -> Executor | None:
        """The executor that has been free longest, first on ``nodes``, that is not held."""
        first: Executor | None = None
        for executor in self.free:
            if self.has_holds and self._is_held(executor):
                continue
            if self._is_one_node or nodes >> executor.node & 1:
                return executor
            first = first or executor
        return first

    def _is_held(self, executor: Executor) -> bool:
        hold = self._holds.get(executor.slot, 0)
        return hold > 0 and self._state.num_local_free[executor.slot] <= hold
