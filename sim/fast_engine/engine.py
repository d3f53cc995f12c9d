"""The compiled engine as Python sees it: it feeds the arrays, and reads them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NoReturn

import numpy as np

from sim.active import ActiveQuery
from sim.cluster import Cluster
from sim.engine import Engine, OnRecord
from sim.events import Event
from sim.fast_engine import loop
from sim.fast_engine.batch import GO_ON
from sim.fast_engine.beliefs import Beliefs
from sim.fast_engine.clock import CLOCKS_PER_S
from sim.fast_engine.columns import FastColumns
from sim.fast_engine.entry import run_many
from sim.fast_engine.grow import empty_world, grown, with_more_room
from sim.fast_engine.intake import Intake
from sim.fast_engine.layout import ENTRY, NEVER, RULE, RUN, World
from sim.fast_engine.log import KINDS
from sim.fast_engine.rules import set_rule
from sim.fast_engine.shared import Shared
from sim.fast_engine.tables import cluster_record
from sim.fast_engine.what_if import outcomes
from sim.fast_engine.world import table_of
from sim.history import History, PlanHistory
from sim.outcomes import Outcomes
from sim.query_view import QueryView
from sim.result import QueryRecord
from sim.schedule import Answer, Entry
from sim.schedulers.compiled_rule import CompiledRule
from sim.stalled import (
    NOBODY_THERE,
    NOTHING_SCHEDULED,
    NOTHING_SCHEDULED_AGAIN,
    OUT_OF_TIME,
    stalled,
    stalled_by_losses,
)
from traces import Query, Trace, TraceStream

PLACE = {name: place for place, name in enumerate(RUN.names or ())}
"""Of a counter in the record of the run."""
REASONS = {
    loop.NOBODY_THERE: NOBODY_THERE,
    loop.NOTHING_SCHEDULED: NOTHING_SCHEDULED,
    loop.IDLE: NOTHING_SCHEDULED_AGAIN,
    loop.OUT_OF_TIME: OUT_OF_TIME,
}


class FastEngine(Engine):
    """The engine whose state is a ``World`` of arrays, and whose loop is compiled.

    The arguments are those of ``SimpyEngine``, and ``shared``: what it shares with simulations that
    are stepped beside it.
    """

    def __init__(
        self,
        trace: Trace | TraceStream,
        cluster: Cluster,
        seed: int,
        history: History,
        events: list[Event] | None,
        on_record: OnRecord,
        shared: Shared | None = None,
    ) -> None:
        shared = shared or Shared(cluster)
        self.cluster, self.history, self.events = cluster, history, events
        self.query_views: dict[ActiveQuery, QueryView] = {}
        self._on_record = on_record
        self._seed = seed
        self._prepared = shared.prepared(trace.plans)
        self.plans = self._prepared.compiled
        self._has_waves = any(any(plan.has_waves) for plan in self.plans.values())
        record = cluster_record(
            cluster, seed, is_logged=events is not None, has_history=history.is_enabled
        )
        self._addresses, self._statuses = np.zeros(1, np.int64), np.zeros(1, np.int64)
        self.world = empty_world(self._prepared.tables, record)
        self._intake = Intake(trace, self._prepared.compiled, cluster, seed, history, shared)
        self._actives: dict[int, ActiveQuery] = {}
        self._num_viewed = 0
        self._beliefs: tuple[Trace | None, Beliefs] | None = None
        self._state = FastColumns(self)
        self.world = self._intake.begin(self.world)

    @property
    def world(self) -> World:
        """Its arrays."""
        return self._world

    @world.setter
    def world(self, world: World) -> None:
        self._world, self._table = world, table_of(world)
        self._addresses[0] = self._table.ctypes.data
        self._run = world.run.view(np.int64)
        self._entry_rows = world.entries.view(np.int64).reshape(-1, len(ENTRY.names or ()))
        self._look()

    def keep_address_in(self, cell: np.ndarray) -> None:
        """Write the address of its table there, now and whenever it changes.

        Shapes:
            cell: (1,)
        """
        cell[0] = self._addresses[0]
        self._addresses = cell

    @property
    def state(self) -> FastColumns:
        """Columns of the queries in the system."""
        return self._state

    @property
    def num_executors(self) -> int:
        """Executors that are there now."""
        return self.counter("num_executors")

    @property
    def num_executors_on(self) -> list[int]:
        """Likewise, per node."""
        return self.world.nodes["num_executors"].tolist()

    @property
    def num_free(self) -> int:
        """Executors that run nothing."""
        return self.counter("num_free")

    @property
    def memory_used_bytes(self) -> list[int]:
        """Per node."""
        return self.world.nodes["used_bytes"].tolist()

    @property
    def peak_memory_bytes(self) -> int:
        """The largest sum over nodes so far."""
        return self.counter("peak_memory_bytes")

    def counter(self, name: str) -> int:
        """A counter of the run, see ``layout.RUN``, as it was when the compiled code returned."""
        return self._counters[PLACE[name]]

    def _look(self) -> None:
        """Read the counters."""
        self._counters: list[int] = self._run.tolist()
        self.now_us = self.counter("now_us")
        self.num_schedules = self.counter("num_schedules")
        self.executor_time_us = self.counter("executor_time_us")

    def _set(self, name: str, value: int) -> None:
        place = PLACE[name]
        self._run[place] = self._counters[place] = value

    def advance(self) -> bool:
        """Run to the next scheduling event; False when every query has completed."""
        status = loop.SERVICE
        while status == loop.SERVICE:
            self._statuses[0] = GO_ON
            run_many(self._addresses, self._statuses)
            status = int(self._statuses[0])
            if status == loop.SERVICE:
                self.serve()
        self.read()
        if status not in (loop.EVENT, loop.DONE):
            self.fail(status)
        return status == loop.EVENT

    def read(self) -> None:
        """Take over what compiled code has done: events, completed queries, arrivals."""
        self._state.forget()
        self._look()
        self._read_log()
        self._read_completed()
        self._see_arrivals()

    def run_with(self, rule: CompiledRule) -> float | None:
        """Run to the end under a compiled rule; seconds that its decisions took.

        None: the rule sees the future, which is only known to compiled code if it was the rule from
        the beginning, and not where work orders take other times with other numbers of executors.
        """
        if rule.kind == "oracle-srpt" and (self.counter("serial") or self._has_waves):
            return None
        set_rule(self.world.rule, rule)
        self.advance()
        return self.counter("schedule_clocks") / CLOCKS_PER_S

    def outcomes(
        self,
        answers: Sequence[Answer],
        rule: CompiledRule,
        seen: Trace | None,
        runs: int,
        seed: int,
    ) -> Outcomes:
        """What follows from answers to the scheduling event, as far as anyone can know."""
        if self._beliefs is None or self._beliefs[0] is not seen:
            plans = list(self._prepared.compiled.values())
            self._beliefs = seen, Beliefs(plans, self.world.plan_operators, self.cluster, seen)
        record = np.zeros(1, RULE)
        set_rule(record, rule)
        expected_us = np.zeros(len(self.world.operators), np.float64)
        for query in self.query_views.values():
            for operator in query.operators:
                expected_us[operator.slot] = operator.work_order_us(rule.size)
        return outcomes(self.world, answers, record, self._beliefs[1], expected_us, runs, seed)

    def set_schedule(
        self, entries: Sequence[Entry], holds: dict[int, int], until_us: int | None
    ) -> None:
        """Answer the scheduling event."""
        count = len(entries)
        self.make_room_for(count)
        flat = np.fromiter(itertools.chain.from_iterable(entries), np.int64, 4 * count)
        self._entry_rows[:count, :4] = flat.reshape(-1, 4)
        self._set("num_entries", count)
        self._set("has_holds", bool(holds))
        for slot, num_executors in holds.items():
            self.world.queries["hold"][slot] = num_executors
        self._set("timer_us", NEVER if until_us is None else until_us)

    def make_room_for(self, num_entries: int) -> None:
        """For a schedule of so many allocations."""
        if num_entries > len(self.world.entries):
            self.world = grown(self.world, entries=2 * num_entries)

    def members(self, root: int) -> list[int]:
        """Operators of a started pipeline."""
        operators, slot, members = self.world.operators, root, []
        while slot >= 0:
            members.append(int(operators["index"][slot]))
            slot = int(operators["next_member"][slot])
        return members

    def observed_share(self, root: int, operator: int) -> float:
        """Share of a pipeline's member in the base work of the tasks done so far."""
        members = self.members(root)
        if len(members) == 1:
            return 1.0
        if self._state.num_done[root] == 0:
            return 0.0
        base_slot = root - members[0]
        done_us = {at: int(self.world.operators["done_base_us"][base_slot + at]) for at in members}
        return done_us[operator] / sum(done_us.values())

    def held_bytes(self, slot: int) -> int:
        """Memory that an operator holds."""
        return self._state.grown_bytes[slot]

    def unfinished_tasks(self, root: int) -> tuple[list[int], int]:
        """Tasks of a pipeline that are not done."""
        executors, pipeline = self.world.executors, self.world.operators[root]
        is_running = (executors["root"] == root) & (executors["is_free"] == 0)
        tasks = executors["task"][is_running & (executors["is_there"] == 1)].tolist()
        num_tasks = int(pipeline["num_tasks"])
        first_untouched = num_tasks - int(pipeline["num_untouched"])
        if not pipeline["has_lost"]:
            return sorted(tasks), first_untouched
        at = int(pipeline["first_returned"])
        while at >= 0:
            tasks.append(int(self.world.returned["task"][at]))
            at = int(self.world.returned["after"][at])
        return sorted([*tasks, *range(first_untouched, num_tasks)]), num_tasks

    def serve(self) -> None:
        """Read what is full, refill what is empty, make larger what is too small."""
        self._look()
        self._read_log()
        self._read_completed()
        world = with_more_room(self._intake.refill(self.world))
        needed = self.counter("num_returned") + len(world.executors)
        if needed > len(world.returned):
            world = grown(world, returned=2 * needed)
        self.world = world

    def _read_log(self) -> None:
        count = self.counter("num_log")
        if self.events is None or not count:
            return
        for time_us, kind, *rest in self.world.log[:count].tolist():
            self.events.append(Event(time_us, KINDS[kind], *rest))
        self._set("num_log", 0)

    def _read_completed(self) -> None:
        """Records of queries that have completed, and what history has learnt from them."""
        count = self.counter("num_completed")
        if not count:
            return
        keys = dict[int, None]()
        for row in self.world.completed[:count].tolist():
            serial, completion_us, start_us, busy_us, delay_us, lost_us, isolated_us, size = row
            query = self._intake.queries.pop(serial)
            keys.update(dict.fromkeys(self._intake.history_keys(query)))
            if (active := self._actives.pop(serial, None)) is not None:
                active.is_active = False
                del self.query_views[active]
            self._on_record(
                QueryRecord.of(
                    query, start_us, completion_us, isolated_us, busy_us, delay_us, lost_us, size
                )
            )
        self._set("num_completed", 0)
        if self.history.is_enabled:
            self._read_history(keys)

    def _read_history(self, keys: Iterable[int]) -> None:
        world = self.world
        for key in keys:
            num_completed, first, size = world.history[key].item()
            operators = world.history_operators[first : first + size]
            self.history.plans[self._intake.history_names[key]] = PlanHistory(
                num_completed, operators["busy_us"].tolist(), operators["num_recorded"].tolist()
            )
        self.history.observed_work_us = float(world.run["observed_work_us"][0])
        self.history.estimated_work_us = float(world.run["estimated_work_us"][0])

    def _see_arrivals(self) -> None:
        """Views of the queries that have arrived since the last scheduling event."""
        num_admitted, slot = self.counter("serial"), self.counter("last_active")
        if num_admitted == self._num_viewed:
            return
        queries, new = self.world.queries, []
        while slot >= 0 and queries["serial"][slot] >= self._num_viewed:
            new.append(slot)
            slot = int(queries["before"][slot])
        for slot in reversed(new):
            serial = int(queries["serial"][slot])
            query = self._intake.queries[serial]
            active = ActiveQuery(query, self._prepared.compiled[query.plan], self._seed)
            active.serial = serial
            active.slot, active.base_slot = slot, int(queries["base_slot"][slot])
            self._actives[serial] = active
            self.query_views[active] = QueryView(self, active)
        self._num_viewed = num_admitted

    def fail(self, status: int) -> NoReturn:
        """Raise the error that a status of the loop means."""
        if status == loop.TOO_LARGE:
            query = self._intake.queries[self.counter("serial")]
            self._prepared.compiled[query.plan].num_work_orders(query)  # says what is wrong
            raise AssertionError("a query that is too large")
        if status == loop.LOSSES:
            raise stalled_by_losses(self._query_in(self.counter("fault_slot")))
        waiting = [query.query_id for query in self._in_the_system()]
        raise stalled(self.now_us, waiting, REASONS[status])

    def _in_the_system(self) -> Iterator[Query]:
        slot = self.counter("first_active")
        while slot >= 0:
            yield self._query_in(slot)
            slot = int(self.world.queries["after"][slot])

    def _query_in(self, slot: int) -> Query:
        return self._intake.queries[int(self.world.queries["serial"][slot])]
