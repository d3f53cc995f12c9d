"""Running pipelines, and how long their tasks take (R9).

A pipeline's *task* runs one work order of the root and the matching share of every other
member's work orders: of a member with as many work orders as the root, one; of one with m times
as many, m. So each work order runs exactly once, and an executor is busy with a morsel from the
first operator to the last, as in a morsel-driven engine.

Floating-point terms are added in one fixed order, with only + - × ÷, and rounded once, so the
result is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sim.cluster import Cluster
from sim.memory import Memory
from sim.state import ActiveQuery, State
from sim.workload import has_fresh, wave_time
from traces.cache import probe_slowdown

if TYPE_CHECKING:
    from sim.executor import Executor

US_PER_S = 1_000_000


class Pipeline:
    """Operators that run together.

    Attributes:
        active: the query.
        members: operator indices, root first.
        base_us: per member, the base time of its share of each task, µs.
        fused_us: base time of each task.
        is_plain: whether that is all there is to know.
        transfer_us: per node, time per task to read and write intermediates there.
        probed_bytes: per member, state that its probes look up, 0 if it does not probe.
        spill_bytes: per member, state that a task works on, which may have to go to disk.
        warm_up_us: what an executor new to the query pays, unless the root's profile carries it.
        grown_bytes: operator slots and the bytes they hold once all tasks are done.
        num_running_on: executors per node.
        tasks_on: completed tasks per node.
        total_probed_bytes: sum of ``probed_bytes``.
    """

    __slots__ = (
        "active",
        "base_us",
        "fused_us",
        "grown_bytes",
        "is_plain",
        "members",
        "num_running_on",
        "probed_bytes",
        "spill_bytes",
        "tasks_on",
        "total_probed_bytes",
        "transfer_us",
        "warm_up_us",
    )

    def __init__(self, active: ActiveQuery, members: tuple[int, ...], num_nodes: int) -> None:
        self.active = active
        self.members = members
        num_tasks = active.num_work_orders[members[0]]
        self.base_us = [_per_task(active.draw.base_us[o], num_tasks) for o in members]
        self.fused_us = (
            self.base_us[0]
            if len(members) == 1
            else [sum(parts) for parts in zip(*self.base_us, strict=True)]
        )
        self.is_plain = True
        self.warm_up_us = 0
        self.grown_bytes: list[tuple[int, int]] = []
        self.transfer_us = [0.0] * num_nodes
        self.probed_bytes: list[int] = [0] * len(members)
        self.total_probed_bytes = 0
        self.spill_bytes: list[float] = [0.0] * len(members)
        self.num_running_on = [0] * num_nodes
        self.tasks_on = [0] * num_nodes

    def share(self, operator: int) -> float:
        """Share of a member in the pipeline's base work, as a profiler would attribute it."""
        if len(self.members) == 1:
            return 1.0
        return sum(self.base_us[self.members.index(operator)]) / sum(self.fused_us)


def _per_task(base_us: list[int], num_tasks: int) -> list[int]:
    """Base times of a member's work orders, grouped into the root's tasks, in order."""
    count = len(base_us)
    if count == num_tasks:
        return base_us
    bounds = [task * count // num_tasks for task in range(num_tasks + 1)]
    return [sum(base_us[bounds[i] : bounds[i + 1]]) for i in range(num_tasks)]


class CostModel:
    """Rule R9 for one cluster: prepares pipelines and gives the duration of their tasks."""

    def __init__(self, cluster: Cluster, state: State, memory: Memory) -> None:
        self.cluster = cluster
        self._state = state
        self._memory = memory
        self.is_plain = (
            cluster.contention == cluster.coherency == cluster.interference == 0
            and cluster.intermediate_bytes_per_s is None
            and cluster.network_bytes_per_s is None
            and cluster.cache_bytes is None
            and cluster.memory_bytes is None
        )
        self.num_busy_on = [0] * cluster.num_nodes
        """Executors that work, per node."""
        self.cached_bytes = [0] * cluster.num_nodes
        """State that running pipelines probe, per node."""

    def prepare(self, pipeline: Pipeline, started: Mapping[int, Pipeline]) -> None:
        """Fill in what is known when a pipeline starts; all its other inputs are complete.

        ``started``: pipelines by root slot, to see on which nodes producers ran.
        """
        compiled, root = pipeline.active.compiled, pipeline.members[0]
        if not (compiled.has_waves[root] and has_fresh(compiled.plan.operators[root])):
            pipeline.warm_up_us = self.cluster.warm_up_us
        pipeline.is_plain = self.is_plain and not any(
            compiled.has_waves[o] or compiled.contention[o] for o in pipeline.members
        )
        if self.is_plain:
            return
        self._prepare_state(pipeline)
        for member in pipeline.members:
            for producer in compiled.streaming_producers[member]:
                if producer not in pipeline.members:
                    num_bytes = pipeline.active.output_bytes(producer)
                    self._add_read(pipeline, producer, num_bytes, started, is_cut=True)
            for producer in compiled.breaking_producers[member]:
                # A probe reads the table that it looks up, anything else the output.
                is_table = compiled.is_probe[member]
                read = pipeline.active.state_bytes if is_table else pipeline.active.output_bytes
                self._add_read(pipeline, producer, read(producer), started, is_cut=False)
        last = pipeline.members[-1]
        if compiled.has_streaming_output[last]:
            self._add_transfer(
                pipeline, pipeline.active.output_bytes(last), self.cluster.intermediate_bytes_per_s
            )

    def _prepare_state(self, pipeline: Pipeline) -> None:
        active, cluster = pipeline.active, self.cluster
        compiled, num_tasks = active.compiled, len(pipeline.fused_us)
        for at, operator in enumerate(pipeline.members):
            held = active.state_bytes(operator)
            probed = 0
            if compiled.is_probe[operator]:
                probed = sum(map(active.state_bytes, compiled.breaking_producers[operator]))
            if cluster.cache_bytes is not None:
                pipeline.probed_bytes[at] = probed
            if cluster.memory_bytes is not None:
                pipeline.spill_bytes[at] = (held + probed) / num_tasks
                if operator == pipeline.members[-1] and compiled.has_streaming_output[operator]:
                    held += active.output_bytes(operator)
                if held:
                    pipeline.grown_bytes.append((active.base_slot + operator, held))
        pipeline.total_probed_bytes = sum(pipeline.probed_bytes)

    def _add_read(
        self,
        pipeline: Pipeline,
        producer: int,
        num_bytes: int,
        started: Mapping[int, Pipeline],
        *,
        is_cut: bool,
    ) -> None:
        """Reading from a completed producer: from memory if cut, by network if elsewhere."""
        active, cluster = pipeline.active, self.cluster
        source = started[self._state.root[active.base_slot + producer]]
        for node in range(cluster.num_nodes):
            remote = 0.0
            if cluster.network_bytes_per_s is not None and cluster.num_nodes > 1:
                remote = 1.0 - source.tasks_on[node] / len(source.fused_us)
                self._add_transfer(pipeline, num_bytes * remote, cluster.network_bytes_per_s, node)
            if is_cut:
                here = num_bytes * (1.0 - remote)
                self._add_transfer(pipeline, here, cluster.intermediate_bytes_per_s, node)

    def _add_transfer(
        self, pipeline: Pipeline, num_bytes: float, bytes_per_s: int | None, node: int | None = None
    ) -> None:
        """Spread the time for a transfer over the tasks, on one node or on all."""
        if bytes_per_s is None:
            return
        per_task = num_bytes / len(pipeline.fused_us) / bytes_per_s * US_PER_S
        for at in range(self.cluster.num_nodes) if node is None else (node,):
            pipeline.transfer_us[at] += per_task

    def occupy(self, executor: Executor) -> None:
        """Count an executor that starts to work on its pipeline."""
        pipeline, node = executor.pipeline, executor.node
        self.num_busy_on[node] += 1
        if pipeline.num_running_on[node] == 0:
            self.cached_bytes[node] += pipeline.total_probed_bytes
        pipeline.num_running_on[node] += 1

    def vacate(self, executor: Executor) -> None:
        """Count an executor that stops working on its pipeline."""
        pipeline, node = executor.pipeline, executor.node
        self.num_busy_on[node] -= 1
        pipeline.num_running_on[node] -= 1
        if pipeline.num_running_on[node] == 0:
            self.cached_bytes[node] -= pipeline.total_probed_bytes

    def duration_us(self, executor: Executor, num_held: int) -> int:
        """Time of an executor's task, with ``num_held`` executors on its query, without delay."""
        cluster, node = self.cluster, executor.node
        pipeline, task = executor.pipeline, executor.task
        compiled = pipeline.active.compiled
        others = num_held - 1
        scalability = 1.0 + cluster.coherency * num_held * others
        busy = (self.num_busy_on[node] - 1) / cluster.executors_per_node
        interference = cluster.interference * busy
        misfit = self._memory.misfit(node)
        total = pipeline.transfer_us[node]
        for at, operator in enumerate(pipeline.members):
            if compiled.has_waves[operator]:
                total += self._wave_us(executor, at, num_held)
                continue
            time = pipeline.base_us[at][task] * (
                scalability + compiled.contention[operator] * others
            )
            time *= 1.0 + interference * compiled.memory_boundness[operator]
            if (own := pipeline.probed_bytes[at]) and cluster.cache_bytes is not None:
                time *= probe_slowdown(own, self.cached_bytes[node], cluster.cache_bytes)
            if misfit > 0.0 and pipeline.spill_bytes[at]:
                time += self._spill_us(pipeline.spill_bytes[at] * misfit, node, time)
            total += time
        return max(int(total + 0.5), 1)

    def _spill_us(self, spilled_bytes: float, node: int, time_us: float) -> float:
        """Extra time to write and read what does not fit, disk shared by the node's executors."""
        bandwidth = self.cluster.spill_bytes_per_s / self.num_busy_on[node]
        extra = 2.0 * spilled_bytes / bandwidth * US_PER_S
        return min(extra, time_us * (self.cluster.max_spill_factor - 1.0))

    def _wave_us(self, executor: Executor, at: int, num_held: int) -> float:
        pipeline, task = executor.pipeline, executor.task
        active = pipeline.active
        operator = pipeline.members[at]
        recorded = active.compiled.plan.operators[operator]
        uniform = active.draw.uniform[operator]
        assert uniform is not None
        count, num_tasks = len(uniform), len(pipeline.fused_us)
        total = 0.0
        for index in range(task * count // num_tasks, (task + 1) * count // num_tasks):
            total += wave_time(recorded, num_held, executor.wave, uniform[index])
        return total * active.query.time_factor

    def move(self, pipeline: Pipeline, node: int) -> int:
        """Bring an executor of a node to a query; the delay it pays: move, and warm-up, µs."""
        cluster, active = self.cluster, pipeline.active
        delay = cluster.move_delay_us
        is_across = active.nodes and not active.nodes >> node & 1
        if is_across and cluster.move_across_delay_us is not None:
            delay = cluster.move_across_delay_us
        delay += pipeline.warm_up_us
        active.nodes |= 1 << node
        active.delay_us += delay
        return delay
