"""Queries and pipelines under way: their start, their tasks, their end."""

from __future__ import annotations

import operator
from collections.abc import Callable

from sim.bounds.isolated import isolated_bound_us
from sim.cluster import Cluster
from sim.formulas import MAX_LOSSES
from sim.history import History
from sim.result import QueryRecord
from sim.simpy_engine.costs import CostModel
from sim.simpy_engine.executor import Executor
from sim.simpy_engine.memory import Memory
from sim.simpy_engine.pipeline import Pipeline
from sim.simpy_engine.state import State, TrackedQuery
from sim.stalled import stalled_by_losses
from sim.sums import ordered_sum
from sim.workload import CompiledPlan
from traces import Query, Trace, TraceStream


class Progress:
    """Lets queries in, starts and completes pipelines, and keeps what must be known of them.

    Attributes:
        plans: of the trace, by name.
        pipelines: started pipelines of queries in the system, by slot of their root.
    """

    def __init__(
        self,
        trace: Trace | TraceStream,
        cluster: Cluster,
        seed: int,
        state: State,
        history: History,
    ) -> None:
        self.state = state
        self.memory = Memory(cluster)
        self.costs = CostModel(cluster, state, self.memory)
        self.pipelines: dict[int, Pipeline] = {}
        self.history = history
        self._cluster = cluster
        self._seed = seed
        self.plans = {plan.name: CompiledPlan(plan, cluster) for plan in trace.plans}
        self._num_admitted = 0

    def admit(self, query: Query) -> TrackedQuery:
        """Let a query into the system."""
        active = TrackedQuery(query, self.plans[query.plan], self._seed)
        active.serial = self._num_admitted
        self._num_admitted += 1
        active.isolated_us = isolated_bound_us(active, self._cluster)
        self.state.add(active)
        return active

    def start_pipeline(self, root: int, slot: int, degree: int, now_us: int) -> Pipeline:
        """Start the pipeline of up to ``degree`` operators whose root is at slot ``root``."""
        state, active = self.state, self.state.active[slot]
        base = active.base_slot
        operators = active.chain(root - base, degree, state.missing_producers)
        pipeline = Pipeline(active, operators, self._cluster.num_nodes)
        for index in operators:
            state.root[base + index] = root
        self.costs.prepare(pipeline, self.pipelines)
        self.pipelines[root] = pipeline
        if state.start_us[slot] < 0:
            state.start_us[slot] = now_us
        return pipeline

    def track_task(self, executor: Executor) -> None:
        """Note where a task ran and what it leaves in memory; call before ``num_done`` rises."""
        pipeline, node = executor.pipeline, executor.node
        pipeline.tasks_on[node] += 1
        for grant in pipeline.grants:
            done, total = self.state.num_done[executor.root] + 1, len(pipeline.fused_us)
            self.memory.grow(grant, node, done, total)

    def lose_task(self, executor: Executor, spent_us: int) -> None:
        """What an executor runs will not complete: its task is unclaimed again (R13).

        ``spent_us`` is the executor time that went into it, its delay included.

        Raises:
            Stalled: the pipeline has lost ``MAX_LOSSES`` tasks since it completed one.
        """
        state, root, pipeline = self.state, executor.root, executor.pipeline
        if pipeline.count_loss(state.num_done[root]) > MAX_LOSSES:
            raise stalled_by_losses(pipeline.active.query)
        if self.costs.is_contextual:
            self.costs.vacate(executor)
        state.next_task[root] -= 1
        state.num_held[executor.slot] -= 1
        state.is_dry_noted[root] = 0
        pipeline.put_back(executor.task, state.next_task[root])
        pipeline.active.lost_us += spent_us
        pipeline.active.delay_us -= executor.delay_us

    def forget_executor(self, index: int) -> None:
        """An executor has left; it comes back as one that has worked on nothing."""
        for pipeline in self.pipelines.values():
            pipeline.known.discard(index)

    def complete_pipeline(self, root: int) -> TrackedQuery:
        """All tasks are done: free what it made unnecessary, ready what waited for it."""
        state, pipeline = self.state, self.pipelines[root]
        active = pipeline.active
        base, compiled = active.base_slot, active.compiled
        for index in (member.operator for member in pipeline.members):
            state.is_complete[base + index] = 1
            state.is_ready[base + index] = 0
            active.num_incomplete -= 1
            if not compiled.consumers[index]:
                self.memory.release(base + index)
            for consumer in compiled.consumers[index]:
                at = base + consumer
                state.missing_producers[at] -= 1
                if state.missing_producers[at] == 0 and state.root[at] < 0:
                    state.is_ready[at] = 1
            for producer in compiled.producers[index]:
                at = base + producer
                state.missing_consumers[at] -= 1
                if state.missing_consumers[at] == 0:
                    self.memory.release(at)
        return active

    def complete_query(
        self, active: TrackedQuery, now_us: int, observed_us: Callable[[int], float]
    ) -> QueryRecord:
        """All operators are done: take the query out of the system.

        ``observed_us`` gives the executor time observed of an operator.
        """
        compiled, base, state = active.compiled, active.base_slot, self.state
        operators = range(compiled.num_operators)
        self.history.record(
            compiled.name,
            [observed_us(index) for index in operators],
            active.num_recorded,
            ordered_sum(map(operator.mul, compiled.est_recorded_us, active.num_recorded)),
            active.query.template,
        )
        busy = sum(state.busy_us[base + index] for index in operators)
        record = QueryRecord.of(
            active.query,
            state.start_us[active.slot],
            now_us,
            active.isolated_us,
            busy,
            active.delay_us,
            active.lost_us,
            sum(active.num_work_orders),
        )
        for index in operators:
            self.pipelines.pop(base + index, None)
        state.remove(active)
        return record
