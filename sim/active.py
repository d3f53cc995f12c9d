"""A query in the system: what does not change while it is there, and where it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from sim.workload import CompiledPlan, Draw
from traces import Query


class ActiveQuery:
    """A query in the system.

    Attributes:
        num_recorded, num_work_orders: per operator, recorded work orders at the query's size, and
            this cluster's, which may batch several of them.
        recorded_per_work_order: their ratio; the last batch may be smaller than the others.
        est_work_order_us: per operator, estimated mean time of this cluster's work orders.
        byte_factors: per operator, by how much bytes are scaled.
        serial: how many queries arrived before it.
        slot, base_slot: its index in the state's query columns, and that of its first operator in
            the operator columns.
        is_active: whether it is still in the system.
    """

    def __init__(self, query: Query, compiled: CompiledPlan, seed: int) -> None:
        self.num_recorded, self.num_work_orders = compiled.num_work_orders(query)
        self.byte_factors = [
            count / operator.num_work_orders
            for count, operator in zip(self.num_recorded, compiled.plan.operators, strict=True)
        ]
        self.recorded_per_work_order = [
            recorded / count
            for recorded, count in zip(self.num_recorded, self.num_work_orders, strict=True)
        ]
        self.est_work_order_us = [
            estimate * recorded
            for estimate, recorded in zip(
                compiled.est_recorded_us, self.recorded_per_work_order, strict=True
            )
        ]
        self.query = query
        self.compiled = compiled
        self.arrival_us = query.arrival_us
        self.is_active = True
        self.serial = self.slot = self.base_slot = -1
        self._seed = seed

    @cached_property
    def draw(self) -> Draw:
        """Base times of its work orders (R8): what no scheduler sees."""
        return self.compiled.draw(self.query, self.num_recorded, self._seed)

    def state_bytes(self, operator: int) -> int:
        """True bytes of state that an operator holds once it is built."""
        return int(self.compiled.plan.operators[operator].state_bytes * self.byte_factors[operator])

    def output_bytes(self, operator: int) -> int:
        """True bytes of an operator's output."""
        factor = self.byte_factors[operator]
        return int(self.compiled.plan.operators[operator].output_bytes * factor)

    def chain(self, operator: int, degree: int, missing_producers: Sequence[int]) -> list[int]:
        """Operators that a pipeline rooted at ``operator`` would hold, at most ``degree`` (R5).

        It follows each operator's only outgoing edge, if that is non-breaking, as long as all
        other inputs of the next operator are complete. ``missing_producers``: how many are not
        complete, by operator slot.
        """
        members = [operator]
        while len(members) < degree:
            after = self.compiled.pipeline_next[members[-1]]
            # Of the missing producers one is the operator before it in the chain.
            if after < 0 or missing_producers[self.base_slot + after] > 1:
                break
            members.append(after)
        return members
