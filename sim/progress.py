"""Queries and pipelines under way: their start, their tasks, their end."""

from __future__ import annotations

from collections.abc import Callable

from sim.bounds import isolated_bound_us
from sim.cluster import Cluster
from sim.costs import CostModel
from sim.executor import Executor
from sim.history import History
from sim.memory import Memory
from sim.pipeline import Pipeline
from sim.result import QueryRecord
from sim.state import ActiveQuery, State
from sim.workload import CompiledPlan
from traces import Query, Trace


class Progress:
    """Lets queries in, starts and completes pipelines, and keeps what must be known of them.

    Attributes:
        pipelines: started pipelines of queries in the system, by slot of their root.
        busy_us: executor time spent by completed queries, and all delays.
        num_work_orders: of completed queries.
    """

    def __init__(
        self, trace: Trace, cluster: Cluster, seed: int, state: State, history: History
    ) -> None:
        self.state = state
        self.memory = Memory(cluster)
        self.costs = CostModel(cluster, state, self.memory)
        self.pipelines: dict[int, Pipeline] = {}
        self.history = history
        self.busy_us = 0
        self.num_work_orders = 0
        self._cluster = cluster
        self._seed = seed
        self._compiled = {plan.name: CompiledPlan(plan, cluster) for plan in trace.plans}

    def admit(self, query: Query) -> ActiveQuery:
        """Let a query into the system."""
        active = ActiveQuery(query, self._compiled[query.plan], self._seed)
        active.isolated_us = isolated_bound_us(active, self._cluster.num_executors)
        self.state.add(active)
        return active

    def start_pipeline(self, root: int, slot: int, degree: int, now_us: int) -> Pipeline:
        """Start the pipeline of up to ``degree`` operators whose root is at slot ``root``."""
        state, active = self.state, self.state.active[slot]
        base = active.base_slot
        operators = state.chain(active, root - base, degree)
        pipeline = Pipeline(active, operators, self._cluster.num_nodes)
        for operator in operators:
            state.root[base + operator] = root
        self.costs.prepare(pipeline, self.pipelines)
        self.pipelines[root] = pipeline
        if active.start_us < 0:
            active.start_us = now_us
        return pipeline

    def track_task(self, executor: Executor) -> None:
        """Note where a task ran and what it leaves in memory; call before ``num_done`` rises."""
        pipeline, node = executor.pipeline, executor.node
        pipeline.tasks_on[node] += 1
        if pipeline.grown_bytes:
            done, total = self.state.num_done[executor.root], len(pipeline.fused_us)
            for slot, num_bytes in pipeline.grown_bytes:
                grown = num_bytes * (done + 1) // total - num_bytes * done // total
                if grown:
                    self.memory.grow(slot, node, grown)

    def complete_pipeline(self, root: int) -> ActiveQuery:
        """All tasks are done: free what it made unnecessary, ready what waited for it."""
        state, pipeline = self.state, self.pipelines[root]
        active = pipeline.active
        base, compiled = active.base_slot, active.compiled
        for operator in (member.operator for member in pipeline.members):
            state.is_complete[base + operator] = 1
            state.is_ready[base + operator] = 0
            active.num_incomplete -= 1
            if not compiled.consumers[operator]:
                self.memory.release(base + operator)
            for consumer in compiled.consumers[operator]:
                at = base + consumer
                state.missing_producers[at] -= 1
                if state.missing_producers[at] == 0 and state.root[at] < 0:
                    state.is_ready[at] = 1
            for producer in compiled.producers[operator]:
                at = base + producer
                state.missing_consumers[at] -= 1
                if state.missing_consumers[at] == 0:
                    self.memory.release(at)
        return active

    def complete_query(
        self, active: ActiveQuery, now_us: int, observed_us: Callable[[int], float]
    ) -> QueryRecord:
        """All operators are done: take the query out of the system.

        ``observed_us`` gives the executor time observed of an operator.
        """
        compiled, base, state = active.compiled, active.base_slot, self.state
        operators = range(compiled.num_operators)
        self.history.record(
            compiled.name,
            [observed_us(operator) for operator in operators],
            active.num_work_orders,
            sum(
                compiled.est_work_order_us[operator] * active.num_work_orders[operator]
                for operator in operators
            ),
        )
        busy = sum(state.busy_us[base + operator] for operator in operators)
        record = QueryRecord.of(active, now_us, busy)
        self.busy_us += busy + active.delay_us
        self.num_work_orders += record.num_work_orders
        for operator in operators:
            self.pipelines.pop(base + operator, None)
        state.remove(active)
        return record
