"""State of the queries in the system: flat integer columns, one slot per operator and per query.

A query's operators take a contiguous block of slots while it is in the system. Blocks are reused,
so memory depends on how many queries are there at once, not on the length of the trace. Columns
are lists of int: CPython reaches their elements faster than those of ``array`` or numpy (a whole
run is 1.25 times as fast), and ``numpy.array(column)`` is there for those who want all of one.
"""

from __future__ import annotations

from sim.active import ActiveQuery
from sim.workload import CompiledPlan
from traces import Query

NOWHERE = 1 << 60
"""Place in the standing schedule of what is not in it: after all that is."""

OPERATOR_COLUMNS = (
    "num_tasks",
    "next_task",
    "num_done",
    "busy_us",
    "is_ready",
    "is_dry_noted",
    "is_complete",
    "root",
    "missing_producers",
    "missing_consumers",
    "position",
    "direct_limit",
)


class TrackedQuery(ActiveQuery):
    """A query in the system, and this engine's own counters.

    Attributes:
        num_incomplete: operators.
        nodes: bit set of nodes where it has run.
        isolated_us: least latency alone on the cluster (bound B1).
        delay_us, lost_us: executor time of moves and warm-ups, and of tasks that were lost.
    """

    def __init__(self, query: Query, compiled: CompiledPlan, seed: int) -> None:
        super().__init__(query, compiled, seed)
        self.num_incomplete = compiled.num_operators
        self.nodes = self.isolated_us = self.delay_us = self.lost_us = 0


class State:
    """Columns by slot.

    Operator columns (a pipeline is identified by its root's slot):
        num_tasks, next_task, num_done: tasks of the pipeline that the operator is the root of; a
            task runs one work order of the root and its share of the other members'.
        busy_us: executor time of completed tasks.
        is_ready: 1 while the operator may be an execution root (R4), unclaimed tasks provided.
        is_dry_noted: 1 once the scheduler was told that nothing is unclaimed (R6).
        is_complete: 1 once all work orders are done.
        root: slot of its pipeline's root; -1 before the pipeline has started.
        missing_producers, missing_consumers: how many are not complete.
        position, direct_limit: place of the root in the standing schedule, see ``Dispatcher``.
    Query columns:
        num_held: executors that work for the query.
        first_position: its first place in the standing schedule.
        num_local_free: free executors local to it.
        start_us: when its first task started, -1 before that.
    """

    def __init__(self) -> None:
        self.num_tasks: list[int] = []
        self.next_task: list[int] = []
        self.num_done: list[int] = []
        self.busy_us: list[int] = []
        self.is_ready: list[int] = []
        self.is_dry_noted: list[int] = []
        self.is_complete: list[int] = []
        self.root: list[int] = []
        self.missing_producers: list[int] = []
        self.missing_consumers: list[int] = []
        self.position: list[int] = []
        self.direct_limit: list[int] = []
        self.num_held: list[int] = []
        self.first_position: list[int] = []
        self.num_local_free: list[int] = []
        self.start_us: list[int] = []
        self.active: dict[int, TrackedQuery] = {}
        """Queries in the system by slot, in arrival order."""
        self._free_blocks: dict[int, list[int]] = {}
        self._free_query_slots: list[int] = []

    def add(self, active: TrackedQuery) -> None:
        """Give a query its slots and set all its columns."""
        compiled = active.compiled
        size = compiled.num_operators
        blocks = self._free_blocks.get(size)
        if blocks:
            base = blocks.pop()
        else:
            base = len(self.root)
            for name in OPERATOR_COLUMNS:
                getattr(self, name).extend([0] * size)
        if self._free_query_slots:
            slot = self._free_query_slots.pop()
        else:
            slot = len(self.num_held)
            for column in (self.num_held, self.first_position, self.num_local_free, self.start_us):
                column.append(0)
        active.base_slot, active.slot = base, slot
        for operator in range(size):
            at = base + operator
            count = active.num_work_orders[operator]
            producers = len(compiled.producers[operator])
            self.num_tasks[at] = count
            self.next_task[at] = self.num_done[at] = self.busy_us[at] = 0
            self.is_ready[at] = producers == 0
            self.is_dry_noted[at] = self.is_complete[at] = 0
            self.root[at] = -1
            self.missing_producers[at] = producers
            self.missing_consumers[at] = len(compiled.consumers[operator])
            self.position[at], self.direct_limit[at] = NOWHERE, -1
        self.num_held[slot] = self.num_local_free[slot] = 0
        self.start_us[slot] = -1
        self.first_position[slot] = NOWHERE
        self.active[slot] = active

    def remove(self, active: TrackedQuery) -> None:
        """Take a completed query's slots back."""
        del self.active[active.slot]
        active.is_active = False
        self._free_blocks.setdefault(active.compiled.num_operators, []).append(active.base_slot)
        self._free_query_slots.append(active.slot)
