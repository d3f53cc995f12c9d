"""A running pipeline: operators that run together, task by task.

A *task* runs one work order of the root and the matching share of every other member's: of a
member with as many work orders as the root, one; of one with m times as many, m. So each work
order runs exactly once, and an executor takes a morsel from the first operator to the last, as in
a morsel-driven engine.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

from sim.formulas import first_of_share
from sim.simpy_engine.memory import Grant
from sim.simpy_engine.state import TrackedQuery


class Member:
    """An operator in a pipeline.

    Attributes:
        operator: its index in the plan.
        base_us: base time of its share of each task, µs.
        has_waves: whether a recorded profile gives its times instead.
        contention, memory_boundness: physical character.
        probed_bytes: state that its probes look up; 0 if it does not probe.
        touched_bytes: state that each task works on, its own or probed, which may be on disk.
    """

    __slots__ = (
        "base_us",
        "contention",
        "has_waves",
        "memory_boundness",
        "operator",
        "probed_bytes",
        "touched_bytes",
    )

    def __init__(self, active: TrackedQuery, operator: int, num_tasks: int) -> None:
        compiled = active.compiled
        self.operator = operator
        self.base_us = _per_task(active.draw.base_us[operator], num_tasks)
        self.has_waves = compiled.has_waves[operator]
        self.contention = compiled.contention[operator]
        self.memory_boundness = compiled.memory_boundness[operator]
        self.probed_bytes = 0
        if compiled.is_probe[operator]:
            producers = compiled.breaking_producers[operator]
            self.probed_bytes = sum(map(active.state_bytes, producers))
        self.touched_bytes = float(active.state_bytes(operator) + self.probed_bytes) / num_tasks


class Pipeline:
    """Operators that run together.

    Attributes:
        active: the query.
        members: the operators, root first.
        fused_us: base time of each task, µs.
        is_plain: whether that is all there is to know of its duration.
        times_us: base times, where that is all there is to know of a task at all; else None.
        warm_up_us: what an executor new to the query pays.
        transfer_us: per node, time per task to read and write intermediates there.
        probed_bytes: state that all its members probe.
        grants: what its members hold in memory.
        known: indices of executors that have worked on it; kept only where that matters.
        done_tasks: completed tasks in order of completion; None if there is only one member.
        order: tasks in the order in which they are claimed, once one went back; None: by index.
        num_running_on: executors per node.
        tasks_on: completed tasks per node.
    """

    __slots__ = (
        "_done_at_loss",
        "_done_us",
        "_num_lost",
        "_num_summed",
        "active",
        "done_tasks",
        "fused_us",
        "grants",
        "is_plain",
        "known",
        "members",
        "num_running_on",
        "order",
        "probed_bytes",
        "tasks_on",
        "times_us",
        "transfer_us",
        "warm_up_us",
    )

    def __init__(self, active: TrackedQuery, operators: Sequence[int], num_nodes: int) -> None:
        num_tasks = active.num_work_orders[operators[0]]
        self.active = active
        self.members = tuple(Member(active, operator, num_tasks) for operator in operators)
        self.fused_us = (
            self.members[0].base_us
            if len(operators) == 1
            else list(map(sum, zip(*(member.base_us for member in self.members), strict=True)))
        )
        self.is_plain = True
        self.times_us: list[int] | None = None
        self.warm_up_us = 0
        self.transfer_us = [0.0] * num_nodes
        self.probed_bytes = sum(member.probed_bytes for member in self.members)
        self.grants: list[Grant] = []
        self.done_tasks: list[int] | None = None if len(operators) == 1 else []
        self.order: list[int] | None = None
        self._done_us = [0] * len(operators)
        self._done_at_loss = self._num_lost = self._num_summed = 0
        self.known: set[int] = set()
        self.num_running_on = [0] * num_nodes
        self.tasks_on = [0] * num_nodes

    def put_back(self, task: int, num_claimed: int) -> None:
        """A claimed task will not complete; it is unclaimed again (R13).

        Unclaimed tasks are claimed by index, the lowest first: ``order`` from its entry number
        ``num_claimed`` on, where that counts claimed tasks after this one went back.
        """
        if self.order is None:
            self.order = list(range(len(self.fused_us)))
            self.times_us = None
        del self.order[num_claimed]
        insort(self.order, task, lo=num_claimed)

    def count_loss(self, num_done: int) -> int:
        """One more task is lost; how many that is since the last one completed."""
        if num_done != self._done_at_loss:
            self._done_at_loss, self._num_lost = num_done, 0
        self._num_lost += 1
        return self._num_lost

    def observed_share(self, operator: int) -> float:
        """Share of a member in the base work of the tasks done so far; one member has all of it.

        What a profiler would attribute to the operator. Tasks that are not done do not count: a
        scheduler must not learn from the future (R10).
        """
        if self.done_tasks is None:
            return 1.0
        for at, member in enumerate(self.members):
            new = self.done_tasks[self._num_summed :]
            self._done_us[at] += sum(member.base_us[task] for task in new)
        self._num_summed = len(self.done_tasks)
        at = next(at for at, member in enumerate(self.members) if member.operator == operator)
        return self._done_us[at] / sum(self._done_us) if self._num_summed else 0.0


def _per_task(base_us: list[int], num_tasks: int) -> list[int]:
    """Base times of a member's work orders, grouped into the root's tasks, in order."""
    count = len(base_us)
    if count == num_tasks:
        return base_us
    bounds = [first_of_share(task, count, num_tasks) for task in range(num_tasks + 1)]
    return [sum(base_us[bounds[i] : bounds[i + 1]]) for i in range(num_tasks)]
