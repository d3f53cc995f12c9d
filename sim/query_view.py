"""What schedulers see of a query in the system (R10)."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from sim.active import ActiveQuery
from sim.history import PlanHistory
from sim.operator_view import OperatorView, Size
from sim.sums import ordered_sum

if TYPE_CHECKING:
    from sim.engine import Engine


class QueryView:
    """A query in the system.

    Attributes:
        query_id, plan, template, tenant, query_class: of the submission; ``plan`` is the plan's
            name, ``template`` what repeats, empty where that is the plan.
        arrival_us: when it arrived, µs.
        size_factor: its visible size.
    """

    def __init__(self, engine: Engine, active: ActiveQuery) -> None:
        self._engine = engine
        self._active = active
        self.query_id = active.query.query_id
        self.plan = active.query.plan
        self.template = active.query.template
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

    @property
    def serial(self) -> int:
        """How many queries arrived before it."""
        return self._active.serial

    @cached_property
    def operators(self) -> tuple[OperatorView, ...]:
        """All operators, in the plan's order."""
        indices = range(self._active.compiled.num_operators)
        return tuple(OperatorView(self, index) for index in indices)

    @property
    def schedulable(self) -> list[OperatorView]:
        """Operators that may be execution roots now (R4), in the plan's order."""
        state, operators = self._engine.state, self.operators
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
        return self._engine.state.num_held[self._active.slot]

    @property
    def num_local_free(self) -> int:
        """Free executors that are local to it: their last work was for it."""
        return self._engine.state.num_local_free[self._active.slot]

    @property
    def age_us(self) -> int:
        """Time since it arrived, µs."""
        return self._engine.now_us - self.arrival_us

    @property
    def busy_us(self) -> int:
        """Executor time of its completed work orders, without delays, µs."""
        base = self._active.base_slot
        return sum(self._engine.state.busy_us[base : base + len(self.operators)])

    @property
    def start_us(self) -> int:
        """When its first work order started, µs; -1 before."""
        return self._engine.state.start_us[self._active.slot]

    @property
    def is_started(self) -> bool:
        """Whether any work order has been started."""
        return self.start_us >= 0

    @property
    def memory_bytes(self) -> int:
        """Bytes it holds, on all nodes; 0 without a memory budget."""
        base, size = self._active.base_slot, self._active.compiled.num_operators
        return sum(map(self._engine.held_bytes, range(base, base + size)))

    @property
    def est_state_bytes(self) -> int:
        """Estimated bytes of state that it still has to build."""
        return sum(o.est_state_bytes for o in self.operators if not o.is_complete)

    @property
    def history(self) -> PlanHistory | None:
        """Completed runs of the same template, else of the same plan.

        None if there are none, or history is off.
        """
        return self._engine.history.of(self.plan, self.template)

    @property
    def est_remaining_us(self) -> float:
        """Estimated work that is not done, µs."""
        return self.remaining_us("estimate")

    def remaining_us(self, size: Size = "estimate") -> float:
        """Work that is not done, by one of the three sources, µs."""
        return ordered_sum(self.operator_remaining_us(size))

    def operator_remaining_us(self, size: Size = "estimate") -> list[float]:
        """Work that is not done of each operator, µs."""
        state, active = self._engine.state, self._active
        num_done, num_tasks = state.num_done, state.num_tasks
        counts, estimates = active.num_work_orders, active.est_work_order_us
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
        estimate = self._active.est_work_order_us[operator]
        if size == "estimate":
            return estimate
        if size == "history":
            history = self.history
            if history is not None:
                return (
                    history.mean_recorded_us(operator)
                    * self._active.recorded_per_work_order[operator]
                )
            estimate *= self._engine.history.correction
        done = self.num_done(operator)
        return self.observed_busy_us(operator) / done if done else estimate

    def num_done(self, operator: int) -> int:
        """Completed work orders of an operator."""
        state, active = self._engine.state, self._active
        root = state.root[active.base_slot + operator]
        if root < 0:
            return 0
        return active.num_work_orders[operator] * state.num_done[root] // state.num_tasks[root]

    def num_claimed(self, operator: int) -> int:
        """Work orders of an operator that run or are done."""
        state, active = self._engine.state, self._active
        root = state.root[active.base_slot + operator]
        if root < 0:
            return 0
        return active.num_work_orders[operator] * state.next_task[root] // state.num_tasks[root]

    def observed_busy_us(self, operator: int) -> float:
        """Executor time of completed work orders of an operator, µs.

        A pipeline's time is attributed to its members as a profiler would: by their own work.
        """
        root = self._engine.state.root[self._active.base_slot + operator]
        if root < 0:
            return 0.0
        share = self._engine.observed_share(root, operator)
        return self._engine.state.busy_us[root] * share

    def belongs_to(self, engine: Engine) -> bool:
        """Whether this is a query that is in that engine's system now."""
        return self._engine is engine and self._active.is_active
