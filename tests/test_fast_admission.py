"""Queries in the arrays of the compiled engine against those of the other one, field by field."""

from __future__ import annotations

import random

import numpy as np
import pytest

pytest.importorskip("numba")

import builders
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import clusters, traces
from worlds import on_world

import sim
from sim.bounds.isolated import isolated_bound_us
from sim.bounds.speedup import speedups_of
from sim.cluster import Cluster
from sim.fast_engine import admission, layout, philox
from sim.fast_engine.compile import compiled_entry
from sim.fast_engine.grow import NUM_OPERATORS, NUM_QUERIES, empty_world, grown, with_more_room
from sim.fast_engine.layout import NONE, NOWHERE, World
from sim.fast_engine.tables import Tables, cluster_record, plan_tables
from sim.simpy_engine.costs import CostModel
from sim.simpy_engine.memory import Memory
from sim.simpy_engine.state import OPERATOR_COLUMNS, State, TrackedQuery
from sim.workload import CompiledPlan, has_fresh
from traces import Query, Trace, Wave, load

has_room, admit = on_world(admission.has_room), on_world(admission.admit)
remove = on_world(admission.remove)


@compiled_entry
def fill(numbers: np.ndarray, seed: int, query_id: int, start: int) -> None:
    philox.fill(numbers, seed, query_id, start)


class Both:
    """A trace's queries, let into and out of the system in both engines together."""

    def __init__(self, trace: Trace, cluster: Cluster, seed: int) -> None:
        self.cluster, self.seed, self.state = cluster, seed, State()
        self.compiled = [CompiledPlan(plan, cluster) for plan in trace.plans]
        self.plan_index = {plan.name: index for index, plan in enumerate(trace.plans)}
        self.tables = plan_tables(self.compiled, cluster)
        record = cluster_record(cluster, seed, is_logged=False, has_history=True)
        self.world = empty_world(self.tables, record)
        self.serial = 0
        self.active: dict[int, tuple[TrackedQuery, int]] = {}

    def admit(self, query: Query) -> int:
        """Let a query in; its slot."""
        plan = self.plan_index[query.plan]
        arrival = np.zeros(1, layout.ARRIVAL)
        arrival[0] = (
            *(query.arrival_us, query.query_id, plan, 4 + plan, 0, 0, False),
            *(query.size_factor, query.time_factor),
        )
        self.world = self.world._replace(arrivals=arrival)
        while not has_room(self.world):
            self.world = with_more_room(self.world)
        slot = int(admit(self.world))
        active = TrackedQuery(query, self.compiled[plan], self.seed)
        active.isolated_us = isolated_bound_us(active, self.cluster)
        self.state.add(active)
        self.active[slot] = active, self.serial
        self.serial += 1
        return slot

    def remove(self, slot: int) -> None:
        """Take a query out."""
        active, _ = self.active.pop(slot)
        remove(self.world, slot)
        self.state.remove(active)

    def check(self) -> None:
        """Every field of every query in the system."""
        world = self.world
        run = world.run[0]
        assert run["num_active"] == len(self.active)
        assert run["serial"] == self.serial
        assert self._in_order("first_active", "after") == list(self.active)
        assert self._in_order("last_active", "before") == list(self.active)[::-1]
        assert list(self.state.active) == list(self.active)
        for active, serial in self.active.values():
            check_query(world, active, serial)
            for operator in range(active.compiled.num_operators):
                check_operator(world, self.state, active, operator)
        self._check_blocks()

    def _in_order(self, end: str, step: str) -> list[int]:
        slot, found = self.world.run[0][end], []
        while slot != NONE:
            found.append(slot)
            slot = self.world.queries[slot][step]
        return found

    def _check_blocks(self) -> None:
        """No two queries share room."""
        blocks = [(0, len(self.tables.times))]
        slots = []
        for slot in self.active:
            query = self.world.queries[slot]
            slots += range(query["base_slot"], query["base_slot"] + query["num_operators"])
            if query["times_block"] != NONE:
                blocks.append((query["times_block"], 1 << query["times_class"]))
        assert len(slots) == len(set(slots))
        blocks.sort()
        ends = [first + size for first, size in blocks]
        assert all(end <= first for end, (first, _) in zip(ends, blocks[1:], strict=False))
        assert ends[-1] <= self.world.run[0]["num_times"] <= len(self.world.times)
        assert (self.world.times[: len(self.tables.times)] == self.tables.times).all()


def check_query(world: World, active: TrackedQuery, serial: int) -> None:
    row = world.queries[active.slot]
    query = active.query
    expected = {
        "serial": serial,
        "query_id": query.query_id,
        "template": 4 + row["plan"],
        "arrival_us": active.arrival_us,
        "time_factor": query.time_factor,
        "size_factor": query.size_factor,
        "tenant": 0,
        "query_class": 0,
        "start_us": -1,
        "base_slot": active.base_slot,
        "num_operators": active.compiled.num_operators,
        "num_incomplete": active.num_incomplete,
        "num_held": 0,
        "num_local_free": 0,
        "first_position": NOWHERE,
        "last_position": NONE,
        "hold": 0,
        "num_nodes_on": 0,
        "delay_us": active.delay_us,
        "lost_us": active.lost_us,
        "isolated_us": active.isolated_us,
        "is_short": NONE,
    }
    checked_elsewhere = {"before", "after", "plan", "times_block", "times_class"}
    assert set(layout.QUERY.names or ()) == expected.keys() | checked_elsewhere
    assert {name: row[name] for name in expected} == expected
    assert world.plans[row["plan"]]["num_operators"] == active.compiled.num_operators
    assert not world.is_on[active.slot].any()


def check_operator(world: World, state: State, active: TrackedQuery, operator: int) -> None:
    slot = active.base_slot + operator
    row, plan = world.operators[slot], world.plans[world.queries[active.slot]["plan"]]
    expected = {name: getattr(state, name)[slot] for name in OPERATOR_COLUMNS}
    expected |= {
        "query": active.slot,
        "index": operator,
        "plan_operator": plan["first_operator"] + operator,
        "num_work_orders": active.num_work_orders[operator],
        "num_recorded": active.num_recorded[operator],
        "state_bytes": active.state_bytes(operator),
        "output_bytes": active.output_bytes(operator),
        "num_untouched": active.num_work_orders[operator],
        "est_work_order_us": active.est_work_order_us[operator],
        "recorded_per_work_order": active.recorded_per_work_order[operator],
        "byte_factor": active.byte_factors[operator],
        **dict.fromkeys(("next_member", "first_returned", "done_at_loss"), NONE),
    }
    zero = set(layout.OPERATOR.names or ()) - expected.keys() - {"first_time", "first_uniform"}
    assert {name: row[name] for name in expected} == expected
    assert not any(row[name] for name in zero)
    assert not world.known[slot].any()
    assert world.operator_nodes[slot].tobytes().strip(b"\0") == b""
    first, base_us = row["first_time"], active.draw.base_us[operator]
    assert world.times[first : first + len(base_us)].tolist() == base_us
    first, uniform = row["first_uniform"], active.draw.uniform[operator]
    assert (first == NONE) == (uniform is None)
    if uniform is not None:
        assert world.times[first : first + len(uniform)].tolist() == uniform


def scribble(world: World, slot: int) -> None:
    """Write over all that a query will leave, as a run does."""
    base, size = world.queries[slot]["base_slot"], world.queries[slot]["num_operators"]
    for name in layout.OPERATOR.names or ():
        world.operators[name][base : base + size] = 7
    for name in layout.OPERATOR_NODE.names or ():
        world.operator_nodes[name][base : base + size] = 7
    world.known[base : base + size], world.is_on[slot] = -1, True
    for name in ("start_us", "num_incomplete", "num_held", "first_position", "delay_us", "hold"):
        world.queries[name][slot] = 7


SEEDS = st.sampled_from([0, 1, 2**63 - 1])


@settings(deadline=None, max_examples=100)
@given(traces(max_queries=12), clusters(), SEEDS, st.data())
def test_random_queries_come_and_go(
    trace: Trace, cluster: Cluster, seed: int, data: st.DataObject
) -> None:
    both = Both(trace, cluster, seed)
    for query in trace.queries:
        both.admit(query)
        both.check()
        if data.draw(st.booleans()):
            slot = data.draw(st.sampled_from(sorted(both.active)))
            scribble(both.world, slot)
            both.remove(slot)
            both.check()


@pytest.mark.parametrize("name", ["tpch", "tpcds"])
@pytest.mark.parametrize("cluster", [*sim.PRESETS, "small"])
def test_shipped_traces_at_any_size(name: str, cluster: str) -> None:
    chance = random.Random(f"{name} {cluster}")
    trace = load(name)
    if cluster == "small":
        both = Both(trace, Cluster(executors_per_node=3, interference=0.3), 5)
    else:
        both = Both(trace, sim.preset(cluster), 5)
    for query_id in range(60):
        query = Query(
            query_id=query_id,
            plan=chance.choice(trace.plans).name,
            arrival_us=query_id,
            size_factor=chance.choice([1.0, 0.1, 1.7, 10.0]),
            time_factor=chance.choice([1.0, 1.0, 0.37, 2.5]),
        )
        both.admit(query)
        if len(both.active) > 30:
            slot = chance.choice(list(both.active))
            scribble(both.world, slot)
            both.remove(slot)
    both.check()
    assert len(both.world.operators) > NUM_OPERATORS
    assert len(both.world.queries) > NUM_QUERIES
    assert len(both.world.entries) == 2 * len(both.world.operators)


def test_room_is_used_again() -> None:
    trace = builders.trace(builders.plan(builders.op(3, 4, count=5), builders.op(1), edges="0-1"))
    both = Both(trace, Cluster(), 0)
    for query_id in range(1000):
        slot = both.admit(Query(query_id=query_id, plan="plan", arrival_us=0))
        if query_id >= 8:
            both.remove(slot)
    both.check()
    run = both.world.run[0]
    assert run["num_query_slots"] == 9
    assert run["num_operator_slots"] == 18
    assert run["num_times"] == len(both.tables.times) + 9 * 8  # five times in blocks of eight
    assert len(both.world.operators) == NUM_OPERATORS


def test_growing_keeps_all_contents() -> None:
    both = Both(builders.trace(builders.plan(builders.op(3))), Cluster(num_nodes=2), 0)
    before = both.world
    for array in before:
        array.view(np.uint8).flat[:] = 5
    after = grown(before, operators=100, queries=90, times=3000)
    longer = {}
    for name, old, new in zip(World._fields, before, after, strict=True):
        assert old.dtype == new.dtype
        assert new[: len(old)].tobytes() == old.tobytes()
        if len(new) > len(old):
            longer[name] = len(new)
    assert longer == {
        **dict.fromkeys(("operators", "operator_nodes", "known"), 100),
        **dict.fromkeys(("queries", "is_on"), 90),
        "entries": 200,
        "times": 3000,
    }
    same = grown(after, operators=7, queries=7, times=7)
    assert all(one is other for one, other in zip(same, after, strict=True))


def test_recorded_times_are_not_copied() -> None:
    """Operator 0 takes its times as recorded, operator 1 draws seven of two."""
    plan = builders.plan(builders.op(3, 4), builders.op(5, 6, count=7), edges="0>1")
    both = Both(builders.trace(plan), Cluster(), 0)
    slot = both.admit(Query(query_id=0, plan="plan", arrival_us=0))
    query = both.world.queries[slot]
    base = query["base_slot"]
    assert both.world.operators["first_time"][base : base + 2].tolist() == [0, query["times_block"]]
    assert query["times_class"] == 3
    slot = both.admit(Query(query_id=1, plan="plan", arrival_us=0, size_factor=2 / 7))
    query = both.world.queries[slot]
    base = query["base_slot"]
    assert both.world.operators["first_time"][base + 1] == 2  # behind those of operator 0


@pytest.mark.parametrize("seed", [0, 7, 2**63 - 1])
@pytest.mark.parametrize("query_id", [0, 3, 2**62])
def test_random_numbers_are_those_of_numpy(seed: int, query_id: int) -> None:
    generator = np.random.Philox(key=np.array([seed, query_id], np.uint64))
    stream = (generator.random_raw(100) >> np.uint64(32)).tolist()
    for start in range(6):
        for count in (0, 1, 3, 4, 5, 50):
            numbers = np.full(60, -1, np.int64)
            fill(numbers[2 : 2 + count], seed, query_id, start)
            assert numbers[2 : 2 + count].tolist() == stream[start : start + count]
            assert (numbers[:2] == -1).all()
            assert (numbers[2 + count :] == -1).all()


@settings(deadline=None, max_examples=50)
@given(traces(), clusters())
def test_plans_are_in_the_tables(trace: Trace, cluster: Cluster) -> None:
    compiled = [CompiledPlan(plan, cluster) for plan in trace.plans]
    tables = plan_tables(compiled, cluster)
    assert len(tables.speedups) == len(tables.plan_operators) + len(trace.plans)
    for index, (plan, row) in enumerate(zip(compiled, tables.plans, strict=True)):
        first = row["first_operator"]
        assert row["num_operators"] == plan.num_operators
        assert row["has_any_waves"] == any(plan.has_waves)
        assert row["isolated_us"] == NONE
        rows = tables.plan_operators[first : first + plan.num_operators]
        assert rows["topological"].tolist() == list(plan.topological_order)
        assert row["num_recorded"] == sum(rows["num_times"])
        each, together = speedups_of(
            plan.contention, plan.memory_boundness, plan.has_waves, cluster
        )
        speedups = [*tables.speedups[first : first + plan.num_operators]]
        speedups.append(tables.speedups[len(tables.plan_operators) + index])
        assert [(row["is_linear"], row["total"]) for row in speedups] == [
            (speedup.is_linear, speedup.total) for speedup in (*each, together)
        ]
        for operator, operator_row in enumerate(rows):
            check_plan_operator(tables, plan, operator, operator_row)


def check_plan_operator(tables: Tables, plan: CompiledPlan, index: int, row: np.ndarray) -> None:
    operator = plan.plan.operators[index]
    estimates = operator.est_output_bytes, operator.est_state_bytes
    expected = {
        "num_work_orders": operator.num_work_orders,
        "is_scalable": operator.is_scalable,
        "has_waves": plan.has_waves[index],
        "has_fresh": plan.has_waves[index] and has_fresh(operator),
        "pipeline_next": plan.pipeline_next[index],
        "has_streaming_output": plan.has_streaming_output[index],
        "is_probe": plan.is_probe[index],
        "output_bytes": operator.output_bytes,
        "state_bytes": operator.state_bytes,
        "est_output_bytes": operator.output_bytes if estimates[0] is None else estimates[0],
        "est_state_bytes": operator.state_bytes if estimates[1] is None else estimates[1],
        "contention": plan.contention[index],
        "memory_boundness": plan.memory_boundness[index],
        "est_recorded_us": plan.est_recorded_us[index],
    }
    assert {name: row[name] for name in expected} == expected

    def span(table: np.ndarray, name: str, many: str | None = None) -> list[int]:
        first, count = row[f"first_{name}"], row[f"num_{many or name + 's'}"]
        return table[first : first + count].tolist()  # type: ignore[no-any-return]

    assert span(tables.times, "time") == list(operator.work_order_us)
    assert span(tables.neighbours, "producer") == list(plan.producers[index])
    assert span(tables.neighbours, "consumer") == list(plan.consumers[index])
    breaking, streaming = plan.breaking_producers[index], plan.streaming_producers[index]
    assert span(tables.neighbours, "breaking", "breaking") == list(breaking)
    assert span(tables.neighbours, "streaming", "streaming") == list(streaming)
    waves = tables.waves[row["first_wave"] :][: row["num_waves"]]
    assert [read_wave(tables, wave) for wave in waves] == [
        *(operator.waves if plan.has_waves[index] else ())
    ]


def read_wave(tables: Tables, row: np.ndarray) -> Wave:
    lists = {
        name: tuple(tables.wave_times[row[f"first_{name}"] :][: row[f"num_{name}"]].tolist())
        for name in ("fresh", "first", "rest")
    }
    return Wave(num_executors=int(row["num_executors"]), **lists)


@settings(deadline=None)
@given(clusters(), SEEDS)
def test_the_cluster_is_in_the_tables(cluster: Cluster, seed: int) -> None:
    row = cluster_record(cluster, seed, is_logged=True, has_history=False)[0]
    costs = CostModel(cluster, State(), Memory(cluster))
    expected = {
        "seed": seed,
        "is_logged": 1,
        "has_history": 0,
        "is_sticky": cluster.release == "pipeline",
        "is_plain": costs.is_plain,
        "is_contextual": costs.is_contextual,
        "is_tracked": cluster.memory_bytes is not None or cluster.num_nodes > 1,
        "move_across_delay_us": costs._move_across_us,
        "has_intermediate": cluster.intermediate_bytes_per_s is not None,
        "has_network": cluster.network_bytes_per_s is not None,
        "has_cache": cluster.cache_bytes is not None,
        "has_memory": cluster.memory_bytes is not None,
    }
    names = set(layout.CLUSTER.names or ()) - expected.keys()
    expected |= {name: getattr(cluster, name) or 0 for name in names}
    assert {name: row[name] for name in expected} == expected
