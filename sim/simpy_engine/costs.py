"""How long the tasks of a pipeline take (R9): what the formulas are applied to, in which order.

Floating-point terms are added in one fixed order and rounded once, so the result is the same on
every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from sim.cluster import Cluster
from sim.formulas import (
    first_of_share,
    interference,
    parallelism,
    remote_share,
    rounded_us,
    spill_us,
    transfer_us,
)
from sim.simpy_engine.memory import Memory
from sim.simpy_engine.pipeline import Member, Pipeline
from sim.simpy_engine.state import State
from sim.workload import has_fresh, wave_time
from traces.cache import probe_slowdown

if TYPE_CHECKING:
    from sim.simpy_engine.executor import Executor


@lru_cache(maxsize=1 << 16)
def cached_slowdown(own_bytes: int, together_bytes: int, cache_bytes: int) -> float:
    """``probe_slowdown``, of which few different values are ever needed."""
    return probe_slowdown(float(own_bytes), float(together_bytes), float(cache_bytes))


class CostModel:
    """Rule R9 for one cluster: prepares pipelines and gives the duration of their tasks.

    Attributes:
        is_plain: whether work orders take their base time, profiles apart.
        is_contextual: whether it must be told who works where (``occupy`` and ``vacate``).
        num_busy_on: executors that work, per node.
        cached_bytes: state that running pipelines probe, per node.
    """

    def __init__(self, cluster: Cluster, state: State, memory: Memory) -> None:
        self.is_plain = cluster.is_plain
        self.is_contextual = not self.is_plain or cluster.num_nodes > 1
        self.num_busy_on = [0] * cluster.num_nodes
        self.cached_bytes = [0] * cluster.num_nodes
        self._move_us = self._move_across_us = cluster.move_delay_us
        if cluster.move_across_delay_us is not None:
            self._move_across_us = cluster.move_across_delay_us
        self._cluster = cluster
        self._state = state
        self._memory = memory

    def prepare(self, pipeline: Pipeline, started: Mapping[int, Pipeline]) -> None:
        """Fill in what is known when a pipeline starts; all its other inputs are complete.

        ``started``: pipelines by root slot, to see on which nodes producers ran.
        """
        active, compiled = pipeline.active, pipeline.active.compiled
        root, last = pipeline.members[0], pipeline.members[-1]
        if not (root.has_waves and has_fresh(compiled.plan.operators[root.operator])):
            pipeline.warm_up_us = self._cluster.warm_up_us
        pipeline.is_plain = self.is_plain and not any(
            member.has_waves or member.contention for member in pipeline.members
        )
        if pipeline.is_plain and pipeline.done_tasks is None:
            pipeline.times_us = pipeline.fused_us
        if self.is_plain:
            return
        is_cut = compiled.has_streaming_output[last.operator]
        if self._memory.is_tracked:
            for member in pipeline.members:
                held = active.state_bytes(member.operator)
                if is_cut and member is last:
                    held += active.output_bytes(member.operator)
                if held:
                    slot = active.base_slot + member.operator
                    pipeline.grants.append(self._memory.open(slot, held))
        inside = {member.operator for member in pipeline.members}
        for member in pipeline.members:
            for producer in compiled.streaming_producers[member.operator]:
                if producer not in inside:
                    num_bytes = active.output_bytes(producer)
                    self._add_read(pipeline, producer, num_bytes, started, is_cut=True)
            for producer in compiled.breaking_producers[member.operator]:
                # A probe reads the table that it looks up, anything else the output.
                is_table = compiled.is_probe[member.operator]
                num_bytes = (active.state_bytes if is_table else active.output_bytes)(producer)
                self._add_read(pipeline, producer, num_bytes, started, is_cut=False)
        if is_cut:
            written = active.output_bytes(last.operator)
            self._add_transfer(pipeline, written, self._cluster.intermediate_bytes_per_s)

    def _add_read(
        self,
        pipeline: Pipeline,
        producer: int,
        num_bytes: int,
        started: Mapping[int, Pipeline],
        *,
        is_cut: bool,
    ) -> None:
        """Reading from a completed producer: by network if elsewhere, from memory if cut."""
        cluster = self._cluster
        source = started[self._state.root[pipeline.active.base_slot + producer]]
        for node in range(cluster.num_nodes):
            remote = 0.0
            if cluster.network_bytes_per_s is not None and cluster.num_nodes > 1:
                remote = remote_share(source.tasks_on[node], len(source.fused_us))
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
        per_task = transfer_us(float(num_bytes), len(pipeline.fused_us), float(bytes_per_s))
        for at in range(self._cluster.num_nodes) if node is None else (node,):
            pipeline.transfer_us[at] += per_task

    def move(self, pipeline: Pipeline, node: int) -> int:
        """Bring an executor of a node to a query; the delay it pays: move, and warm-up, µs."""
        active, at = pipeline.active, 1 << node
        is_across = active.nodes and not active.nodes & at
        delay = pipeline.warm_up_us + (self._move_across_us if is_across else self._move_us)
        active.nodes |= at
        active.delay_us += delay
        return delay

    def occupy(self, executor: Executor) -> None:
        """Count an executor that starts to work on its pipeline."""
        pipeline, node = executor.pipeline, executor.node
        self.num_busy_on[node] += 1
        if pipeline.num_running_on[node] == 0:
            self.cached_bytes[node] += pipeline.probed_bytes
        pipeline.num_running_on[node] += 1

    def vacate(self, executor: Executor) -> None:
        """Count an executor that stops working on its pipeline."""
        pipeline, node = executor.pipeline, executor.node
        self.num_busy_on[node] -= 1
        pipeline.num_running_on[node] -= 1
        if pipeline.num_running_on[node] == 0:
            self.cached_bytes[node] -= pipeline.probed_bytes

    def duration_us(self, executor: Executor, num_held: int) -> int:
        """Time of an executor's task, with ``num_held`` executors on its query, without delay."""
        cluster, node = self._cluster, executor.node
        pipeline, task = executor.pipeline, executor.task
        num_busy = self.num_busy_on[node]
        cache_bytes = cluster.cache_bytes
        used, budget = self._memory.used_bytes[node], self._memory.budget_bytes
        total = pipeline.transfer_us[node]
        for member in pipeline.members:
            if member.has_waves:
                total += self._wave_us(executor, member, num_held)
                continue
            time = member.base_us[task] * parallelism(
                num_held, member.contention, cluster.coherency
            )
            time *= interference(
                cluster.interference, num_busy, cluster.executors_per_node, member.memory_boundness
            )
            if member.probed_bytes and cache_bytes is not None:
                cached = self.cached_bytes[node]
                time *= cached_slowdown(member.probed_bytes, cached, cache_bytes)
            if used > budget and member.touched_bytes:
                time += spill_us(
                    member.touched_bytes,
                    used,
                    budget,
                    num_busy,
                    cluster.spill_bytes_per_s,
                    cluster.max_spill_factor,
                    time,
                )
            total += time
        return rounded_us(total)

    def _wave_us(self, executor: Executor, member: Member, num_held: int) -> float:
        pipeline, task = executor.pipeline, executor.task
        active = pipeline.active
        recorded = active.compiled.plan.operators[member.operator]
        uniform = active.draw.uniform[member.operator]
        assert uniform is not None
        count, num_tasks = len(uniform), len(pipeline.fused_us)
        total = 0.0
        first = first_of_share(task, count, num_tasks)
        for index in range(first, first_of_share(task + 1, count, num_tasks)):
            total += wave_time(recorded, num_held, executor.wave, uniform[index])
        return total * active.query.time_factor
