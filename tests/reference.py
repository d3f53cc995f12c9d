"""A slow, obvious simulator, written from the rules and independent of ``sim``.

It keeps a list of tasks, the pipelines that have started, and the standing schedule. Whatever else
a rule needs (who is free and since when, what is complete, what memory is held, …) it works out
again each time from those. It replays plain decisions, so it can follow any run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sim import Cluster
from sim.workload import CompiledPlan
from traces import KINDS, Kind, Operator, Plan, Query, Trace
from traces.cache import probe_slowdown

Line = tuple[int, str, int, int, int, int, int]
"""An event: time, kind, query, root, task, executor, degree."""


@dataclass
class Decision:
    """A schedule in plain values.

    Attributes:
        allocations: (query, root, limit, degree).
        holds: executors by query.
        until_us: the timer.
    """

    allocations: list[tuple[int, int, int, int]] = field(default_factory=list)
    holds: dict[int, int] = field(default_factory=dict)
    until_us: int | None = None


@dataclass
class Task:
    """One task: what, where, when. ``finished`` is when in order it ended, if it has; ``stay``
    counts how often its executor had joined when it started."""

    query_id: int
    root: int
    index: int
    executor: int
    start_us: int
    wave: str
    delay_us: int
    duration_us: int = 0
    finished: int | None = None
    is_lost: bool = False
    stay: int = 0

    @property
    def end_us(self) -> int:
        return self.start_us + self.delay_us + self.duration_us


class Reference:
    """Replays ``decisions`` on a trace; ``log`` and ``snapshots`` (one per event) are the result.

    ``reached`` names the special cases that came up.
    """

    def __init__(
        self, trace: Trace, cluster: Cluster, seed: int, decisions: Iterable[Decision]
    ) -> None:
        self.cluster = cluster
        self.decisions: Iterator[Decision] = iter(decisions)
        self.queries: dict[int, Query] = {query.query_id: query for query in trace.queries}
        self.plans: dict[int, Plan] = {q.query_id: trace.plan(q.plan) for q in trace.queries}
        self.draws = {
            query.query_id: CompiledPlan(trace.plan(query.plan), cluster).draw(
                query, self._recorded_counts(query, trace.plan(query.plan)), seed
            )
            for query in trace.queries
        }
        self.arrived: list[int] = []
        self.done: set[int] = set()
        self.pipelines: dict[tuple[int, int], list[int]] = {}
        self.dry_noted: set[tuple[int, int]] = set()
        self.tasks: list[Task] = []
        self.schedule = Decision()
        self.now_us = 0
        self.log: list[Line] = []
        self.snapshots: list[Any] = []
        self.reached: set[str] = set()
        self.there = set(range(cluster.num_executors))
        self.stays = dict.fromkeys(self.there, 0)
        self.free_since = {e: e - cluster.num_executors for e in self.there}
        self.num_noted = 0  # of completions and joins, to know what was first

    def run(self) -> None:
        """Replay until every query is complete."""
        while len(self.done) < len(self.queries):
            self.now_us = self._next_instant()
            self._instant()

    def _next_instant(self) -> int:
        coming = [task.end_us for task in self._running()]
        coming += [
            time_us
            for outage in self.cluster.outages
            for time_us in (outage.from_us, outage.until_us)
            if time_us is not None and (time_us > self.now_us or not self.log)
        ]
        coming += [q.arrival_us for i, q in self.queries.items() if i not in self.arrived]
        if self.schedule.until_us is not None:
            coming.append(self.schedule.until_us)
        coming = [time_us for time_us in coming if time_us >= self.now_us]
        assert coming, "stalled"
        return min(coming)

    def _instant(self) -> None:
        """Completions, arrivals, at most one scheduling event, assignment, durations (R2)."""
        starting: list[Task] = []
        ending = [task for task in self._running() if task.end_us == self.now_us]
        for task in ending:
            task.finished = self.free_since[task.executor] = self._note()
            self._write("finish", task)
        if len(ending) > 1:
            self.reached.add("completions at one instant")
        freed: set[tuple[int, int]] = set()
        for task in ending:
            if self.cluster.release == "pipeline" and self._unclaimed(task.query_id, task.root):
                starting.append(self._start(task.query_id, task.root, task.executor))
            else:
                freed.add((task.query_id, task.root))
        is_event = False
        touched = list(dict.fromkeys((task.query_id, task.root) for task in ending))
        for at, key in enumerate(touched):
            if self._is_complete(*key):
                is_event = True
                is_last = key[0] not in {query_id for query_id, _ in touched[at + 1 :]}
                if is_last and all(
                    self._is_complete(key[0], operator) for operator in self._operators(key[0])
                ):
                    self.done.add(key[0])
                    self.log.append((self.now_us, "complete", key[0], -1, -1, -1, 0))
            elif key in freed - self.dry_noted and not self._unclaimed(*key):
                self.dry_noted.add(key)
                is_event = True
                self.reached.add("pipeline ran dry")
        is_event |= self._come_and_go(starting)
        for query_id, query in self.queries.items():
            if query_id not in self.arrived and query.arrival_us == self.now_us:
                self.arrived.append(query_id)
                self.log.append((self.now_us, "arrive", query_id, -1, -1, -1, 0))
                is_event = True
                if ending:
                    self.reached.add("arrival with a completion")
        if self.schedule.until_us == self.now_us:
            self.schedule.until_us = None
            is_event = True
            self.reached.add("timer")
        if is_event and self._in_system() and not self.there:
            self.reached.add("nobody there")
        if is_event and self._in_system() and self.there:
            self.log.append((self.now_us, "schedule", -1, -1, -1, -1, 0))
            self.snapshots.append(self.snapshot())
            self.schedule = next(self.decisions)
            for query_id, root, _, _ in self.schedule.allocations:
                assert self._is_schedulable(query_id, root), "illegal allocation"
        while (given := self._next_gift()) is not None:
            starting.append(self._start(*given))
        for task in starting:
            task.duration_us = self._duration_us(task)
            self._write("start", task)

    # Who is there (R13)

    def _come_and_go(self, starting: list[Task]) -> bool:
        """Executors leave, which loses what they run, and join; whether any did."""
        there = {e for e in range(self.cluster.num_executors) if not self._is_out(e)}
        leaving, joining = sorted(self.there - there), sorted(there - self.there)
        for executor in leaving:
            for task in [task for task in self._running() if task.executor == executor]:
                self.dry_noted.discard((task.query_id, task.root))
                if task in starting:  # it would have started now
                    starting.remove(task)
                    self.tasks.remove(task)
                    self.reached.add("task not even started")
                else:
                    task.is_lost = True
                    self._write("lose", task)
                    self.reached.add("task lost")
            self.log.append((self.now_us, "leave", -1, -1, -1, executor, 0))
        for executor in joining:
            self.free_since[executor] = self._note()
            self.stays[executor] += 1
            self.log.append((self.now_us, "join", -1, -1, -1, executor, 0))
            self.reached.add("joined")
        self.there = there
        return bool(leaving or joining)

    def _is_out(self, executor: int) -> bool:
        return any(
            (executor in outage.executors or self._node(executor) in outage.nodes)
            and outage.from_us <= self.now_us
            and (outage.until_us is None or self.now_us < outage.until_us)
            for outage in self.cluster.outages
        )

    def _note(self) -> int:
        self.num_noted += 1
        return self.num_noted

    # Who gets an executor (R4, R5)

    def _next_gift(self) -> tuple[int, int, int] | None:
        """(query, root, executor) of the next assignment; starts its pipeline if it is new."""
        free = self._free()
        for query_id, root, limit, degree in self.schedule.allocations:
            if query_id in self.done or not self._unclaimed(query_id, root):
                continue
            if self._num_held(query_id) >= limit:
                self.reached.add("limit")
                continue
            executor = self._choose(query_id, free)
            if executor is None:
                if free:
                    self.reached.add("all free executors held")
                continue
            if (query_id, root) not in self.pipelines:
                self.pipelines[query_id, root] = self._chain(query_id, root, degree)
                if len(self.pipelines[query_id, root]) > 1:
                    self.reached.add("pipelined")
            return query_id, root, executor
        return None

    def _choose(self, query_id: int, free: list[int]) -> int | None:
        local = [executor for executor in free if self._home(executor) == query_id]
        if local:
            return local[-1]
        open_to_all = [executor for executor in free if not self._is_held(executor, free)]
        if len(open_to_all) < len(free):
            self.reached.add("hold")
        near = [e for e in open_to_all if self._node(e) in self._nodes(query_id)]
        if near and near[0] != open_to_all[0]:
            self.reached.add("near node first")
        return (near or open_to_all or [None])[0]

    def _is_held(self, executor: int, free: list[int]) -> bool:
        home = self._home(executor)
        if home is None:
            return False
        num_local = sum(self._home(other) == home for other in free)
        return num_local <= self.schedule.holds.get(home, 0)

    def _free(self) -> list[int]:
        """Free executors, by when they became free or joined; those that never ran by index."""
        busy = {task.executor for task in self._running()}
        return sorted(self.there - busy, key=lambda executor: self.free_since[executor])

    def _home(self, executor: int) -> int | None:
        """The query an executor is local to: that of its last task, while it is in the system."""
        last = self._last_task(executor)
        return None if last is None or last.query_id in self.done else last.query_id

    def _start(self, query_id: int, root: int, executor: int) -> Task:
        last = self._last_task(executor)
        if last is None or last.query_id != query_id:
            wave, delay = "fresh", self._move_us(query_id, root, executor)
        else:
            seen = [t for t in self._tasks_of(query_id, root) if t.executor == executor]
            is_known = any(task.stay == self.stays[executor] for task in seen)
            wave, delay = ("rest" if is_known else "first"), 0
        claimed = {task.index for task in self._tasks_of(query_id, root)}
        index = min(set(range(self._count(query_id, root))) - claimed)
        if index < len(claimed):
            self.reached.add("lost task again")
        task = Task(query_id, root, index, executor, self.now_us, wave, delay)
        task.stay = self.stays[executor]
        self.tasks.append(task)
        return task

    def _chain(self, query_id: int, root: int, degree: int) -> list[int]:
        members, plan = [root], self.plans[query_id]
        while len(members) < degree:
            leaving = [edge for edge in plan.edges if edge.producer == members[-1]]
            if len(leaving) != 1 or leaving[0].is_pipeline_breaker:
                break
            following = leaving[0].consumer
            if not all(
                edge.producer == members[-1] or self._is_complete(query_id, edge.producer)
                for edge in plan.edges
                if edge.consumer == following
            ):
                break
            members.append(following)
        return members

    # What is true now, worked out from the list of tasks

    def _in_system(self) -> list[int]:
        return [query_id for query_id in self.arrived if query_id not in self.done]

    def _operators(self, query_id: int) -> range:
        return range(len(self.plans[query_id].operators))

    def _recorded_counts(self, query: Query, plan: Plan) -> list[int]:
        return [
            max(1, math.floor(each.num_work_orders * query.size_factor + 0.5))
            if each.is_scalable
            else each.num_work_orders
            for each in plan.operators
        ]

    def _count(self, query_id: int, operator: int) -> int:
        recorded = self._recorded_counts(self.queries[query_id], self.plans[query_id])[operator]
        return math.ceil(recorded / self.cluster.work_orders_per_batch)

    def _tasks_of(self, query_id: int, root: int) -> list[Task]:
        """Those that run or are done."""
        return [
            task
            for task in self.tasks
            if (task.query_id, task.root) == (query_id, root) and not task.is_lost
        ]

    def _last_task(self, executor: int) -> Task | None:
        """Of its present stay."""
        mine = [task for task in self.tasks if task.executor == executor]
        return mine[-1] if mine and mine[-1].stay == self.stays[executor] else None

    def _unclaimed(self, query_id: int, root: int) -> int:
        return self._count(query_id, root) - len(self._tasks_of(query_id, root))

    def _root_of(self, query_id: int, operator: int) -> int | None:
        for (owner, root), members in self.pipelines.items():
            if owner == query_id and operator in members:
                return root
        return None

    def _num_done(self, query_id: int, root: int) -> int:
        return sum(task.finished is not None for task in self._tasks_of(query_id, root))

    def _is_complete(self, query_id: int, operator: int) -> bool:
        root = self._root_of(query_id, operator)
        return root is not None and self._num_done(query_id, root) == self._count(query_id, root)

    def _is_schedulable(self, query_id: int, operator: int) -> bool:
        return (
            query_id in self._in_system()
            and self._root_of(query_id, operator) in (None, operator)
            and self._unclaimed(query_id, operator) > 0
            and all(self._is_complete(query_id, p) for p in self._producers(query_id, operator))
        )

    def _producers(self, query_id: int, operator: int) -> list[int]:
        return [e.producer for e in self.plans[query_id].edges if e.consumer == operator]

    def _consumers(self, query_id: int, operator: int) -> list[int]:
        return [e.consumer for e in self.plans[query_id].edges if e.producer == operator]

    def _running(self) -> list[Task]:
        return [task for task in self.tasks if task.finished is None and not task.is_lost]

    def _num_held(self, query_id: int) -> int:
        return sum(task.query_id == query_id for task in self._running())

    def _node(self, executor: int) -> int:
        return executor // self.cluster.executors_per_node

    def _nodes(self, query_id: int) -> set[int]:
        """Where a query has run; everywhere, if it has not."""
        ran = {self._node(task.executor) for task in self.tasks if task.query_id == query_id}
        return ran or set(range(self.cluster.num_nodes))

    # How long it takes (R9)

    def _move_us(self, query_id: int, root: int, executor: int) -> int:
        cluster = self.cluster
        delay = cluster.move_delay_us
        if self._node(executor) not in self._nodes(query_id):
            self.reached.add("across nodes")
            if cluster.move_across_delay_us is not None:
                delay = cluster.move_across_delay_us
        operator = self.plans[query_id].operators[root]
        if self._has_waves(operator) and any(wave.fresh for wave in operator.waves):
            self.reached.add("warm-up in the profile")
            return delay
        return delay + cluster.warm_up_us

    def _kind(self, query_id: int, operator: int) -> Kind:
        return KINDS.get(self.plans[query_id].operators[operator].kind, KINDS["other"])

    def _has_waves(self, operator: Operator) -> bool:
        return self.cluster.use_profiles and len(operator.waves) > 0

    def _share(self, task: Task, operator: int) -> range:
        """Work orders of a member that a task runs."""
        count = self._count(task.query_id, operator)
        num_tasks = self._count(task.query_id, task.root)
        return range(task.index * count // num_tasks, (task.index + 1) * count // num_tasks)

    def _duration_us(self, task: Task) -> int:
        cluster, node = self.cluster, self._node(task.executor)
        members = self.pipelines[task.query_id, task.root]
        executors = self._num_held(task.query_id)
        busy = [other for other in self._running() if self._node(other.executor) == node]
        busy_share = (len(busy) - 1) / cluster.executors_per_node
        total = self._transfer_us(task.query_id, task.root, node)
        for member in members:
            operator = self.plans[task.query_id].operators[member]
            kind = self._kind(task.query_id, member)
            if self._has_waves(operator):
                total += self._wave_us(task, member, executors)
                continue
            time: float = sum(
                self.draws[task.query_id].base_us[member][index]
                for index in self._share(task, member)
            )
            sigma = operator.contention
            if sigma is None:
                sigma = cluster.contention * kind.contention
            time *= 1.0 + cluster.coherency * executors * (executors - 1) + sigma * (executors - 1)
            time *= 1.0 + cluster.interference * busy_share * kind.memory_boundness
            probed = self._probed_bytes(task.query_id, member)
            if cluster.cache_bytes is not None and probed:
                pipelines = {(other.query_id, other.root) for other in busy}
                cached = sum(
                    self._probed_bytes(query_id, each)
                    for query_id, root in pipelines
                    for each in self.pipelines[query_id, root]
                )
                if cached > probed:
                    self.reached.add("cache shared")
                time *= probe_slowdown(probed, cached, cluster.cache_bytes)
            touched = probed + self._state_bytes(task.query_id, member)
            time += self._spill_us(
                touched / self._count(task.query_id, task.root), node, len(busy), time
            )
            total += time
        return max(1, math.floor(total + 0.5))

    def _wave_us(self, task: Task, member: int, executors: int) -> float:
        """Recorded time by wave, interpolated linearly between the counts around ``executors``."""
        recorded = self.plans[task.query_id].operators[member].waves
        uniform = self.draws[task.query_id].uniform[member]
        assert uniform is not None
        above = [w for w in recorded if w.num_executors >= executors] or [recorded[-1]]
        below = [w for w in recorded if w.num_executors < executors] or [recorded[0]]
        high, low = above[0], below[-1]
        fallback = {
            "fresh": ("fresh", "first", "rest"),
            "first": ("first", "rest", "fresh"),
            "rest": ("rest", "first", "fresh"),
        }[task.wave]
        self.reached.add(f"{task.wave} wave")

        def quantile(wave: Any, luck: int) -> float:
            listed = next(getattr(wave, name) for name in fallback if getattr(wave, name))
            return float(listed[luck * len(listed) // 2**32])

        total = 0.0
        # Of the recorded work orders, before batching.
        count, num_tasks = len(uniform), self._count(task.query_id, task.root)
        for index in range(task.index * count // num_tasks, (task.index + 1) * count // num_tasks):
            at_high, at_low = quantile(high, uniform[index]), quantile(low, uniform[index])
            if low.num_executors < executors < high.num_executors:
                self.reached.add("wave interpolated")
                gap = high.num_executors - executors
                width = high.num_executors - low.num_executors
                total += at_high + (at_low - at_high) * gap / width
            else:
                total += at_high
        return total * self.queries[task.query_id].time_factor

    def _transfer_us(self, query_id: int, root: int, node: int) -> float:
        """Per task: read cut or remote inputs, write a cut output."""
        cluster, plan = self.cluster, self.plans[query_id]
        members, num_tasks = self.pipelines[query_id, root], self._count(query_id, root)
        total = 0.0
        for member in members:
            inputs = [e for e in plan.edges if e.consumer == member and e.producer not in members]
            for edge in sorted(inputs, key=lambda edge: edge.is_pipeline_breaker):
                kind = KINDS.get(plan.operators[member].kind, KINDS["other"])
                if edge.is_pipeline_breaker and kind.is_probe:
                    num_bytes = self._state_bytes(query_id, edge.producer)
                else:
                    num_bytes = self._output_bytes(query_id, edge.producer)
                if edge.is_pipeline_breaker and self._kind(query_id, member).is_probe:
                    num_bytes = self._state_bytes(query_id, edge.producer)  # the hash table
                source = self._root_of(query_id, edge.producer)
                assert source is not None
                elsewhere = 0.0
                if cluster.network_bytes_per_s is not None and cluster.num_nodes > 1:
                    made = self._tasks_of(query_id, source)
                    here = sum(self._node(task.executor) == node for task in made)
                    elsewhere = 1.0 - here / len(made)
                    if elsewhere and num_bytes:
                        self.reached.add("network")
                    total += (
                        num_bytes * elsewhere / num_tasks / cluster.network_bytes_per_s * 1_000_000
                    )
                if not edge.is_pipeline_breaker and cluster.intermediate_bytes_per_s is not None:
                    self.reached.add("cut read")
                    near = num_bytes * (1.0 - elsewhere)
                    total += near / num_tasks / cluster.intermediate_bytes_per_s * 1_000_000
        is_cut = self._is_cut_after(query_id, members[-1])
        if is_cut and cluster.intermediate_bytes_per_s is not None:
            self.reached.add("cut written")
            written = self._output_bytes(query_id, members[-1])
            total += written / num_tasks / cluster.intermediate_bytes_per_s * 1_000_000
        return total

    def _is_cut_after(self, query_id: int, operator: int) -> bool:
        edges = self.plans[query_id].edges
        return any(e.producer == operator and not e.is_pipeline_breaker for e in edges)

    def _spill_us(self, touched: float, node: int, num_busy: int, time: float) -> float:
        cluster = self.cluster
        if cluster.memory_bytes is None or not touched:
            return 0.0
        used = sum(
            self._held_bytes(query_id, operator, node)
            for query_id in self._in_system()
            for operator in self._operators(query_id)
        )
        if used <= cluster.memory_bytes:
            return 0.0
        self.reached.add("spilled")
        misfit = (used - cluster.memory_bytes) / used
        bandwidth = cluster.spill_bytes_per_s / num_busy
        extra = 2.0 * (touched * misfit) / bandwidth * 1_000_000
        most = time * (cluster.max_spill_factor - 1.0)
        if extra > most:
            self.reached.add("spill capped")
        return min(extra, most)

    # Bytes

    def _scaled_bytes(self, num_bytes: int, query_id: int, operator: int) -> int:
        query, plan = self.queries[query_id], self.plans[query_id]
        recorded = plan.operators[operator].num_work_orders
        return int(num_bytes * (self._recorded_counts(query, plan)[operator] / recorded))

    def _output_bytes(self, query_id: int, operator: int) -> int:
        recorded = self.plans[query_id].operators[operator].output_bytes
        return self._scaled_bytes(recorded, query_id, operator)

    def _state_bytes(self, query_id: int, operator: int) -> int:
        recorded = self.plans[query_id].operators[operator].state_bytes
        return self._scaled_bytes(recorded, query_id, operator)

    def _probed_bytes(self, query_id: int, operator: int) -> int:
        if not self._kind(query_id, operator).is_probe:
            return 0
        return sum(
            self._state_bytes(query_id, edge.producer)
            for edge in self.plans[query_id].edges
            if edge.consumer == operator and edge.is_pipeline_breaker
        )

    def _held_bytes(self, query_id: int, operator: int, node: int) -> int:
        """State and cut output of an operator on a node, until all that read them are complete."""
        root = self._root_of(query_id, operator)
        if root is None:
            return 0
        waiting = self._consumers(query_id, operator) or [operator]
        if all(self._is_complete(query_id, consumer) for consumer in waiting):
            return 0
        full = self._state_bytes(query_id, operator)
        if operator == self.pipelines[query_id, root][-1] and self._is_cut_after(
            query_id, operator
        ):
            full += self._output_bytes(query_id, operator)
        ended = [task for task in self._tasks_of(query_id, root) if task.finished is not None]
        ended.sort(key=lambda task: task.finished or 0)
        count = self._count(query_id, root)
        return sum(
            full * (done + 1) // count - full * done // count
            for done, task in enumerate(ended)
            if self._node(task.executor) == node
        )

    # What a scheduler is shown (R10)

    def snapshot(self) -> Any:
        """Observable numbers of this instant, in the form that ``tests.recorder`` uses."""
        free = self._free()
        nodes = range(self.cluster.num_nodes)
        has_budget = self.cluster.memory_bytes is not None
        return (
            self.now_us,
            len(self.there),
            len(free),
            [
                (
                    query_id,
                    self._num_held(query_id),
                    sum(self._home(executor) == query_id for executor in free),
                    [
                        sum(self._held_bytes(query_id, o, n) for n in nodes) if has_budget else 0
                        for o in self._operators(query_id)
                    ],
                    [self._operator_snapshot(query_id, o) for o in self._operators(query_id)],
                )
                for query_id in self._in_system()
            ],
        )

    def _operator_snapshot(self, query_id: int, operator: int) -> tuple[object, ...]:
        count, root = self._count(query_id, operator), self._root_of(query_id, operator)
        is_schedulable = self._is_schedulable(query_id, operator)
        if root is None:
            return is_schedulable, count, 0, 0, 0, 0.0
        tasks, num_tasks = self._tasks_of(query_id, root), self._count(query_id, root)
        ended = [task for task in tasks if task.finished is not None]
        done = count * len(ended) // num_tasks
        claimed = count * len(tasks) // num_tasks
        members = self.pipelines[query_id, root]
        base = {
            member: sum(
                self.draws[query_id].base_us[member][index]
                for task in ended
                for index in self._share(task, member)
            )
            for member in members
        }
        share = base[operator] / sum(base.values()) if ended else 0.0
        if len(members) == 1:
            share = 1.0
        busy = sum(task.duration_us for task in ended)
        return (
            is_schedulable,
            count - claimed,
            claimed - done,
            done,
            len(tasks) - len(ended),
            busy * share,
        )

    def _write(self, kind: str, task: Task) -> None:
        self.log.append(
            (
                self.now_us,
                kind,
                task.query_id,
                task.root,
                task.index,
                task.executor,
                len(self.pipelines[task.query_id, task.root]),
            )
        )
