"""What schedulers see (R10): thin read-only views of the live state.

Views read the state at the moment they are asked; use them inside ``decide`` and do not keep them.
True times of work orders that have not run are nowhere in them.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal

from sim.cluster import Cluster
from sim.history import PlanHistory
from sim.state import ActiveQuery

if TYPE_CHECKING:
    from sim.simulation import Simulation

Size = Literal["estimate", "observed", "history"]
"""Where a work order's time comes from: the trace's estimates; those, replaced by the running mean
where this query has completed work orders of the operator; or the mean over completed queries of
the same plan, where there are any."""


class ClusterView:
    """The cluster at a scheduling event."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._queries: dict[ActiveQuery, QueryView] = {}

    @property
    def now_us(self) -> int:
        """Time of this scheduling event, µs."""
        return self._simulation.now_us

    @property
    def cluster(self) -> Cluster:
        """Its configuration."""
        return self._simulation.cluster

    @property
    def num_executors(self) -> int:
        """Executors in the cluster."""
        return self._simulation.cluster.num_executors

    @property
    def num_free(self) -> int:
        """Executors that run nothing."""
        return len(self._simulation.dispatcher.free)

    @property
    def queries(self) -> list[QueryView]:
        """Queries in the system, in order of arrival."""
        return list(self._queries.values())

    @property
    def memory_used_bytes(self) -> list[int]:
        """Bytes of states and cut outputs held per node; zeros without a memory budget."""
        return list(self._simulation.progress.memory.used_bytes)

    def query(self, active: ActiveQuery) -> QueryView:
        """The view of a query in the system."""
        return self._queries[active]

    def add(self, active: ActiveQuery) -> None:
        """A query has arrived (for the simulation)."""
        self._queries[active] = QueryView(self._simulation, active)

    def remove(self, active: ActiveQuery) -> None:
        """A query has completed (for the simulation)."""
        del self._queries[active]


class ClairvoyantView(ClusterView):
    """The cluster with the true future, for schedulers marked ``is_clairvoyant``.

    No real scheduler can see this; it shows what perfect estimates would be worth.
    """

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(simulation)
        self._queries = simulation.view._queries

    def true_remaining_us(self, query: QueryView) -> float:
        """True base time of work orders that are not done, µs; of running ones, the mean."""
        simulation, active = self._simulation, query._active
        state, total = simulation.state, 0.0
        for operator, times in enumerate(active.draw.base_us):
            slot = active.base_slot + operator
            if state.is_complete[slot]:
                continue
            root = state.root[slot]
            share = 1.0 if root < 0 else 1.0 - state.num_done[root] / state.num_tasks[root]
            total += share * sum(times)
        return total


class QueryView:
    """A query in the system.

    Attributes:
        query_id, plan, tenant, query_class: of the submission; ``plan`` is the plan's name.
        arrival_us: when it arrived, µs.
        size_factor: its visible size.
    """

    def __init__(self, simulation: Simulation, active: ActiveQuery) -> None:
        self._simulation = simulation
        self._active = active
        self.query_id = active.query.query_id
        self.plan = active.query.plan
        self.tenant = active.query.tenant
        self.query_class = active.query.query_class
        self.arrival_us = active.arrival_us
        self.size_factor = active.query.size_factor

    def __repr__(self) -> str:
        return f"query {self.query_id} ({self.plan})"

    @property
    def slot(self) -> int:
        """Its index in the state's query columns."""
        return self._active.slot

    @cached_property
    def operators(self) -> list[OperatorView]:
        """All operators, in the plan's order."""
        return [OperatorView(self, index) for index in range(self._active.compiled.num_operators)]

    @property
    def schedulable(self) -> list[OperatorView]:
        """Operators that may be execution roots now (R4), in the plan's order."""
        state, operators = self._simulation.state, self.operators
        base = self._active.base_slot
        end = base + len(operators)
        columns = zip(
            operators,
            state.is_ready[base:end],
            state.next_task[base:end],
            state.num_tasks[base:end],
            strict=True,
        )
        return [
            operator for operator, ready, claimed, tasks in columns if ready and claimed < tasks
        ]

    @property
    def num_executors(self) -> int:
        """Executors that work for it."""
        return self._simulation.state.num_held[self._active.slot]

    @property
    def num_local_free(self) -> int:
        """Free executors that are local to it: their last work was for it."""
        return self._simulation.state.num_local_free[self._active.slot]

    @property
    def age_us(self) -> int:
        """Time since it arrived, µs."""
        return self._simulation.now_us - self.arrival_us

    @property
    def busy_us(self) -> int:
        """Executor time of its completed work orders, without delays, µs."""
        base = self._active.base_slot
        return sum(self._simulation.state.busy_us[base : base + len(self.operators)])

    @property
    def is_started(self) -> bool:
        """Whether any work order has been started."""
        return self._active.start_us >= 0

    @property
    def memory_bytes(self) -> int:
        """Bytes it holds, on all nodes; 0 without a memory budget."""
        memory, base = self._simulation.progress.memory, self._active.base_slot
        size = self._active.compiled.num_operators
        return sum(memory.held_bytes(slot) for slot in range(base, base + size))

    @property
    def est_state_bytes(self) -> int:
        """Estimated bytes of state that it still has to build."""
        return sum(o.est_state_bytes for o in self.operators if not o.is_complete)

    @property
    def history(self) -> PlanHistory | None:
        """Completed runs of the same plan; None if there are none, or history is off."""
        return self._simulation.history.of(self.plan)

    @property
    def est_remaining_us(self) -> float:
        """Estimated work that is not done, µs."""
        return self.remaining_us("estimate")

    def remaining_us(self, size: Size = "estimate") -> float:
        """Work that is not done, by one of the three sources, µs."""
        return sum(self.operator_remaining_us(size))

    def operator_remaining_us(self, size: Size = "estimate") -> list[float]:
        """Work that is not done of each operator, µs."""
        state, active = self._simulation.state, self._active
        num_done, num_tasks = state.num_done, state.num_tasks
        counts, estimates = active.num_work_orders, active.compiled.est_work_order_us
        base, end = active.base_slot, active.base_slot + len(counts)
        is_complete, roots = state.is_complete[base:end], state.root[base:end]
        remaining = []
        for operator, root in enumerate(roots):
            if is_complete[operator]:
                remaining.append(0.0)
                continue
            left = counts[operator]
            if root >= 0:
                left -= left * num_done[root] // num_tasks[root]
            time = estimates[operator]
            if size != "estimate":
                time = self.work_order_us(operator, size)
            remaining.append(left * time)
        return remaining

    def critical_paths_us(self, size: Size = "estimate") -> list[float]:
        """Of each operator, the work not done on the heaviest path from it to the end, µs."""
        compiled = self._active.compiled
        paths = self.operator_remaining_us(size)
        for operator in reversed(compiled.topological_order):
            after = compiled.consumers[operator]
            if after:
                paths[operator] += max(paths[consumer] for consumer in after)
        return paths

    def work_order_us(self, operator: int, size: Size = "estimate") -> float:
        """Time of an operator's work order, by one of the three sources, µs."""
        estimate = self._active.compiled.est_work_order_us[operator]
        if size == "estimate":
            return estimate
        if size == "history":
            history = self.history
            if history is not None:
                return history.mean_work_order_us(operator)
            estimate *= self._simulation.history.correction
        done = self.num_done(operator)
        return self.observed_busy_us(operator) / done if done else estimate

    def num_done(self, operator: int) -> int:
        """Completed work orders of an operator."""
        state, active = self._simulation.state, self._active
        root = state.root[active.base_slot + operator]
        if root < 0:
            return 0
        return active.num_work_orders[operator] * state.num_done[root] // state.num_tasks[root]

    def num_claimed(self, operator: int) -> int:
        """Work orders of an operator that run or are done."""
        state, active = self._simulation.state, self._active
        root = state.root[active.base_slot + operator]
        if root < 0:
            return 0
        return active.num_work_orders[operator] * state.next_task[root] // state.num_tasks[root]

    def observed_busy_us(self, operator: int) -> float:
        """Executor time of completed work orders of an operator, µs.

        A pipeline's time is attributed to its members as a profiler would: by their own work.
        """
        root = self._simulation.state.root[self._active.base_slot + operator]
        if root < 0:
            return 0.0
        pipeline = self._simulation.progress.pipelines[root]
        return self._simulation.state.busy_us[root] * pipeline.observed_share(operator)

    def belongs_to(self, simulation: Simulation) -> bool:
        """Whether this is a query that is in that simulation's system now."""
        return self._simulation is simulation and self._active.is_active


class OperatorView:
    """An operator of a query in the system.

    Attributes:
        query: its query.
        index: its place in the plan.
        kind, name: as in the trace.
        num_work_orders: in all.
    """

    def __init__(self, query: QueryView, index: int) -> None:
        active = query._active
        recorded = active.compiled.plan.operators[index]
        self.query = query
        self.index = index
        self.kind = recorded.kind
        self.name = recorded.name
        self.num_work_orders = active.num_work_orders[index]
        self._state = query._simulation.state
        self._active = active
        self._recorded = recorded

    def __repr__(self) -> str:
        return f"operator {self.index} ({self.kind}) of {self.query!r}"

    @property
    def slot(self) -> int:
        """Its index in the state's operator columns."""
        return self._active.base_slot + self.index

    @property
    def is_schedulable(self) -> bool:
        """Whether it may be an execution root now (R4)."""
        slot = self.slot
        state = self._state
        return bool(state.is_ready[slot]) and state.next_task[slot] < state.num_tasks[slot]

    @property
    def is_started(self) -> bool:
        """Whether its pipeline has started."""
        return self._state.root[self.slot] >= 0

    @property
    def is_complete(self) -> bool:
        """Whether all work orders are done."""
        return bool(self._state.is_complete[self.slot])

    @property
    def num_done(self) -> int:
        """Work orders that are done."""
        return self.query.num_done(self.index)

    @property
    def num_running(self) -> int:
        """Work orders that run."""
        return self.query.num_claimed(self.index) - self.num_done

    @property
    def num_unclaimed(self) -> int:
        """Work orders that have not been started."""
        return self.num_work_orders - self.query.num_claimed(self.index)

    @property
    def num_executors(self) -> int:
        """Executors that work on its pipeline."""
        root = self._state.root[self.slot]
        return 0 if root < 0 else self._state.next_task[root] - self._state.num_done[root]

    @property
    def est_work_order_us(self) -> float:
        """Estimated time of a work order, µs."""
        return self.query.work_order_us(self.index)

    @property
    def est_remaining_us(self) -> float:
        """Estimated work that is not done, µs."""
        return self.remaining_us("estimate")

    def work_order_us(self, size: Size = "estimate") -> float:
        """Time of a work order, by one of the three sources, µs."""
        return self.query.work_order_us(self.index, size)

    def remaining_us(self, size: Size = "estimate") -> float:
        """Work that is not done, by one of the three sources, µs."""
        return (self.num_work_orders - self.num_done) * self.work_order_us(size)

    @property
    def producers(self) -> list[OperatorView]:
        """Operators whose output it reads."""
        return [self.query.operators[i] for i in self._active.compiled.producers[self.index]]

    @property
    def consumers(self) -> list[OperatorView]:
        """Operators that read its output."""
        return [self.query.operators[i] for i in self._active.compiled.consumers[self.index]]

    def is_breaking(self, producer: OperatorView) -> bool:
        """Whether it waits for the whole of one of its producers."""
        return producer.index in self._active.compiled.breaking_producers[self.index]

    @property
    def pipeline(self) -> list[OperatorView]:
        """The longest pipeline that it can be the root of now; once started, the actual one."""
        root = self._state.root[self.slot]
        if root >= 0:
            pipeline = self.query._simulation.progress.pipelines[root]
            return [self.query.operators[member.operator] for member in pipeline.members]
        chain = self._state.chain(self._active, self.index, len(self.query.operators))
        return [self.query.operators[operator] for operator in chain]

    @property
    def est_output_bytes(self) -> int:
        """Estimated bytes of its output."""
        return self._estimated_bytes(self._recorded.est_output_bytes, self._recorded.output_bytes)

    @property
    def est_state_bytes(self) -> int:
        """Estimated bytes of the state that it builds."""
        return self._estimated_bytes(self._recorded.est_state_bytes, self._recorded.state_bytes)

    def _estimated_bytes(self, estimate: int | None, truth: int) -> int:
        factor = self._active.byte_factors[self.index]
        return int((truth if estimate is None else estimate) * factor)

    @property
    def memory_bytes(self) -> int:
        """Bytes it holds, on all nodes; 0 without a memory budget."""
        return self.query._simulation.progress.memory.held_bytes(self.slot)

    def blocked_by(self) -> str:
        """Why it is not schedulable, in words."""
        state, slot = self._state, self.slot
        if state.is_complete[slot]:
            return "is complete"
        if state.root[slot] >= 0 and state.root[slot] != slot:
            return f"runs in the pipeline of operator {state.root[slot] - self._active.base_slot}"
        if state.root[slot] == slot:
            return "has no unclaimed work orders"
        waiting = [str(other.index) for other in self.producers if not other.is_complete]
        return f"waits for operators {', '.join(waiting)}"
