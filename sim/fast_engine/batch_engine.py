"""Many compiled engines side by side, as Python sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from sim.batch_fields import Group
from sim.batch_schedule import LACKS_ROOM, BatchSchedule, Packed
from sim.batch_view import BatchView
from sim.fast_engine import batch, entry, loop
from sim.fast_engine.batch_layout import ARRAYS, BatchArrays
from sim.fast_engine.engine import FastEngine
from sim.fast_engine.layout import RULE
from sim.fast_engine.rules import set_rule
from sim.fast_engine.shared import PreparedPlans, Shared
from sim.fast_engine.world import table_of_arrays
from sim.plan_table import plan_table
from sim.registry import Scheduler, scheduler_name
from sim.schedulers.compiled_rule import CompiledRule, compiled_rule_of
from sim.view import Size
from traces import TraceError

GROWING: tuple[tuple[Group, str], ...] = (
    ("queries", "query_offsets"),
    ("operators", "operator_offsets"),
    ("edges", "edge_offsets"),
)


class BatchEngine:
    """Steps engines of one cluster side by side, and shows them as one view.

    Args:
        engines: in the order of the batch.
        plans: of each engine's trace.
        shared: what they share.

    Attributes:
        failed: those that can never go on, and why: statuses of the loop.
        plans: of all traces.
    """

    def __init__(
        self, engines: Sequence[FastEngine], plans: Sequence[PreparedPlans], shared: Shared
    ) -> None:
        self.engines, self._shared = engines, shared
        self._cluster = engines[0].cluster.replace(outages=())
        distinct = list({id(each): each for each in plans}.values())
        self.plans = plan_table([plan for each in distinct for plan in each.compiled.values()])
        self._arrays = BatchArrays(len(engines), self._cluster.num_nodes, self.plans.kind)
        self._place(plans, distinct)
        arrays = self._arrays.arrays
        self.addresses, self.statuses = arrays["addresses"], arrays["statuses"]
        self.statuses[:] = batch.GO_ON
        self.failed: dict[int, int] = {}
        self._records: dict[CompiledRule, np.ndarray] = {}
        self._short_by: tuple[float, Size] | None = None
        for at, engine in enumerate(engines):
            engine.keep_address_in(self.addresses[at : at + 1])
        self._set_table()

    def run(self) -> None:
        """Run those that were answered to their next events."""
        while entry.run_many(self.addresses, self.statuses):
            waiting = np.flatnonzero(self.statuses == loop.SERVICE)
            self.statuses[waiting] = batch.GO_ON  # one that is not served asks again
            for at in waiting.tolist():
                self._serve(at)
            for at in np.flatnonzero(self.statuses > loop.SERVICE).tolist():
                self.failed[at] = int(self.statuses[at])
                self.statuses[at] = loop.DONE

    def _serve(self, at: int) -> None:
        try:
            self.engines[at].serve()
        except TraceError:  # of a stream
            self.statuses[at] = loop.DONE
            raise

    def fail(self, at: int) -> NoReturn:
        """Raise the error of one that has failed."""
        self.engines[at].fail(self.failed.pop(at))

    def is_awaiting(self, at: int) -> bool:
        """Whether one awaits an answer."""
        return bool(self.statuses[at] == loop.EVENT)

    def view(self) -> BatchView | None:
        """All that await an answer; None if there are none."""
        num_rows = entry.count_rows(self._address)
        if num_rows == 0:
            return None
        if self._make_room(num_rows):
            self._set_table()
        entry.fill(self._address, num_rows)
        names = self._shared.tenants.as_list(), self._shared.query_classes.as_list()
        return BatchView(
            self._arrays.arrays,
            num_rows,
            self.plans,
            self._cluster,
            *names,
            self.advice,
            self._address,
        )

    def _make_room(self, num_rows: int) -> bool:
        """For the rows that were counted; whether there was not enough."""
        has_grown = False
        for group, offsets in GROWING:
            num_needed = int(self._arrays.arrays[offsets][num_rows])
            has_grown |= self._arrays.make_room(group, num_needed)
        return has_grown

    def answer(self, view: BatchView, schedules: Packed) -> int:
        """Answer all or some of them; see ``batch_schedule.FINE`` and the others."""
        status = LACKS_ROOM
        while status == LACKS_ROOM:
            status = entry.answer(self._address, len(view), *schedules)
            if status == LACKS_ROOM:
                counts = self._arrays.arrays["num_entries"]
                for row, at in enumerate(view.simulations.simulation.tolist()):
                    self.engines[at].make_room_for(int(counts[row]))
        return status

    def rule_of(self, scheduler: Scheduler) -> np.ndarray:
        """A compiled rule as a record.

        Raises:
            ValueError: it is not compiled, or ``reserve`` had other parameters before.
        """
        rule = compiled_rule_of(scheduler)
        if rule is None or rule.kind == "oracle-srpt":
            name = scheduler_name(scheduler)
            raise ValueError(f"{name} is not a rule of the compiled engine, or sees the future")
        if rule.kind == "reserve":
            self._check_memory(rule)
        record = self._records.get(rule)
        if record is None:
            record = self._records[rule] = np.zeros(1, RULE)
            set_rule(record, rule)
        return record

    def _check_memory(self, rule: CompiledRule) -> None:
        """Simulations remember which queries are short for one pair of parameters only."""
        before, now = self._short_by or (rule.short, rule.size), (rule.short, rule.size)
        if now != before:
            raise ValueError(
                f"reserve with short and size {now}, but these simulations remember queries by "
                f"{before}; ask for others in another batch"
            )
        self._short_by = now

    def advice(self, view: BatchView, scheduler: Scheduler) -> BatchSchedule:
        """What a rule would answer, see ``BatchView.advice``."""
        record = self.rule_of(scheduler)
        if (self.statuses[view.simulations.simulation] != loop.EVENT).any():
            raise RuntimeError("advice for a view some of whose simulations were answered already")
        allocations = np.empty((3, 2 * len(view.operators)), np.int64)
        holds = np.empty((2, len(view.queries)), np.int64)
        until_us = np.empty(len(view), np.int64)
        num_allocations, num_holds = entry.advise(
            self._address, len(view), record, allocations, holds, until_us
        )
        operators, num_executors, degrees = allocations[:, :num_allocations]
        hold_queries, hold_executors = holds[:, :num_holds]
        return BatchSchedule(
            operators, num_executors, degrees, hold_queries, hold_executors, until_us
        )

    def _place(self, plans: Sequence[PreparedPlans], distinct: Sequence[PreparedPlans]) -> None:
        """Note where the plans of each engine begin in the table of all."""
        num_plans = [len(each.compiled) for each in distinct]
        firsts = np.cumsum([0, *num_plans])[:-1]
        order = {id(each): first for each, first in zip(distinct, firsts.tolist(), strict=True)}
        first_plans = [order[id(each)] for each in plans]
        self._arrays.arrays["first_plans"][:] = first_plans
        self._arrays.arrays["first_plan_operators"][:] = self.plans.first_operator[first_plans]

    def _set_table(self) -> None:
        self._table = table_of_arrays(self._arrays.arrays, ARRAYS)
        self._address = self._table.ctypes.data
