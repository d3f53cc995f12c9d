"""What schedulers see of an operator (R10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sim.formulas import estimated_bytes

if TYPE_CHECKING:
    from sim.query_view import QueryView

Size = Literal["estimate", "observed", "history"]
"""Where a work order's time comes from: the trace's estimates; those, replaced by the running mean
where this query has completed work orders of the operator; or the mean over completed queries of
the same plan, where there are any."""


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
        self._state = query._engine.state
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
            members = self.query._engine.members(root)
        else:
            most = len(self.query.operators)
            members = self._active.chain(self.index, most, self._state.missing_producers)
        return [self.query.operators[operator] for operator in members]

    @property
    def est_output_bytes(self) -> int:
        """Estimated bytes of its output, at most 1 PB."""
        return self._estimated_bytes(self._recorded.est_output_bytes, self._recorded.output_bytes)

    @property
    def est_state_bytes(self) -> int:
        """Estimated bytes of the state that it builds, at most 1 PB."""
        return self._estimated_bytes(self._recorded.est_state_bytes, self._recorded.state_bytes)

    def _estimated_bytes(self, estimate: int | None, truth: int) -> int:
        factor = self._active.byte_factors[self.index]
        return estimated_bytes(truth if estimate is None else estimate, factor)

    @property
    def memory_bytes(self) -> int:
        """Bytes it holds, on all nodes; 0 without a memory budget."""
        return self.query._engine.held_bytes(self.slot)

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
