"""Rules R8, R11 and R12, non-anticipation and bounds, on random traces and decisions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from fractions import Fraction

import pytest
from builders import log
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import RandomScheduler, clusters, plain_clusters, traces

import sim
from sim import Cluster, ClusterView, Event, Schedule, Simulation, digest
from sim.engines import ENGINES, is_fast_installed
from sim.simpy_engine.engine import SimpyEngine
from traces import Operator, Plan, Query, Trace, Wave

SEEDS = st.integers(0, 2**32)


def execute(trace: Trace, cluster: Cluster, policy_seed: int, seed: int = 0) -> Simulation:
    """A run under a random scheduler, with the log."""
    scheduler = RandomScheduler(policy_seed)
    simulation = Simulation(trace, cluster, seed, record_events=True)
    while (view := simulation.next_event()) is not None:
        simulation.apply(scheduler.decide(view))
    return simulation


def members(plan: Plan, event: Event) -> list[int]:
    """Operators of the pipeline that an event belongs to."""
    found = [event.operator]
    while len(found) < event.degree:
        (edge,) = plan.outputs[found[-1]]
        assert not edge.is_pipeline_breaker
        found.append(edge.consumer)
    return found


def work_orders(num_tasks: int, task: int, count: int) -> range:
    """The work orders of a member with ``count`` of them that a task runs."""
    return range(task * count // num_tasks, (task + 1) * count // num_tasks)


def counts_of(query: Query, plan: Plan, cluster: Cluster) -> list[int]:
    return [
        -(
            -max(1, int(o.num_work_orders * (query.size_factor if o.is_scalable else 1.0) + 0.5))
            // cluster.work_orders_per_batch
        )
        for o in plan.operators
    ]


# R11: conservation


@settings(max_examples=150)
@given(traces(), clusters(), SEEDS)
def test_every_work_order_runs_once_after_its_inputs_and_no_executor_does_two_things(
    trace: Trace, cluster: Cluster, policy_seed: int
) -> None:
    simulation = execute(trace, cluster, policy_seed)
    queries = {query.query_id: query for query in trace.queries}
    plans = {query_id: trace.plan(query.plan) for query_id, query in queries.items()}
    counts = {i: counts_of(q, plans[i], cluster) for i, q in queries.items()}
    ran: dict[tuple[int, int], list[int]] = defaultdict(list)
    began: dict[tuple[int, int], int] = {}
    running: dict[int, tuple[int, int, int]] = {}
    there = set(range(cluster.num_executors))
    in_system: set[int] = set()
    ended = dict.fromkeys(queries, 0)
    lost: list[Event] = []
    last_us = 0
    for event in log(simulation):
        assert event.time_us >= last_us
        last_us = event.time_us
        query_id = event.query_id
        if event.kind == "arrive":
            assert event.time_us == queries[query_id].arrival_us
            in_system.add(query_id)
        elif event.kind == "start":
            assert query_id in in_system
            assert event.executor in there
            assert event.executor not in running
            running[event.executor] = (query_id, event.operator, event.task)
            pipeline = members(plans[query_id], event)
            for member in pipeline:
                began.setdefault((query_id, member), event.time_us)
                for edge in plans[query_id].inputs[member]:
                    done = len(ran[query_id, edge.producer])
                    together = edge.producer in pipeline and not edge.is_pipeline_breaker
                    assert together or done == counts[query_id][edge.producer]
        elif event.kind == "finish":
            assert running.pop(event.executor) == (query_id, event.operator, event.task)
            num_tasks = counts[query_id][event.operator]
            for member in members(plans[query_id], event):
                ran[query_id, member] += work_orders(
                    num_tasks, event.task, counts[query_id][member]
                )
        elif event.kind == "lose":
            assert running.pop(event.executor) == (query_id, event.operator, event.task)
            lost.append(event)
        elif event.kind == "leave":
            there.remove(event.executor)
            assert event.executor not in running
        elif event.kind == "join":
            assert event.executor not in there
            there.add(event.executor)
        elif event.kind == "complete":
            in_system.remove(query_id)
            ended[query_id] = event.time_us
    assert not running
    assert not in_system
    for query_id, plan in plans.items():
        for operator in range(len(plan.operators)):
            assert sorted(ran[query_id, operator]) == list(range(counts[query_id][operator]))
    records = {record.query_id: record for record in simulation.records}
    assert {i: round(record.completion_s * 1e6) for i, record in records.items()} == ended


@settings(max_examples=60)
@given(traces(), clusters(), SEEDS)
def test_busy_time_in_the_log_is_that_of_records_and_utilization(
    trace: Trace, cluster: Cluster, policy_seed: int
) -> None:
    result = sim.simulate(trace, RandomScheduler(policy_seed), cluster=cluster, record_events=True)
    assert result.events is not None
    started: dict[int, int] = {}
    busy: dict[int, int] = defaultdict(int)
    lost: dict[int, int] = defaultdict(int)
    num_there, last_us, there_us = cluster.num_executors, trace.queries[0].arrival_us, 0
    for event in result.events:
        there_us += num_there * max(event.time_us - last_us, 0)
        last_us = max(event.time_us, last_us)
        if event.kind == "start":
            started[event.executor] = event.time_us
        elif event.kind == "finish":
            busy[event.query_id] += event.time_us - started.pop(event.executor)
        elif event.kind == "lose":
            lost[event.query_id] += event.time_us - started.pop(event.executor)
        num_there += (event.kind == "join") - (event.kind == "leave")
    for record in result.queries:
        assert round((record.work_s + record.delay_s) * 1e6) == busy[record.query_id]
        assert round(record.lost_s * 1e6) == lost[record.query_id]
    summary = result.summary()
    expected = (sum(busy.values()) + sum(lost.values())) / there_us
    assert summary["utilization"] == pytest.approx(expected)
    assert 0 < summary["utilization"] <= 1 + 1e-9


@settings(max_examples=100)
@given(traces(), clusters(), SEEDS)
def test_counters_return_to_zero_and_slots_are_reused(
    trace: Trace, cluster: Cluster, policy_seed: int
) -> None:
    for engine in ENGINES if is_fast_installed() else ("simpy",):
        check_counters(Simulation(trace, cluster, engine=engine), policy_seed)


def check_counters(simulation: Simulation, policy_seed: int) -> None:
    scheduler, trace, cluster = RandomScheduler(policy_seed), simulation.trace, simulation.cluster
    most_queries = 0
    while (view := simulation.next_event()) is not None:
        most_queries = max(most_queries, len(view.queries))
        assert min(view.memory_used_bytes) >= 0
        held = [query.num_executors for query in view.queries]
        assert min(held) >= 0
        assert sum(held) + view.num_free == view.num_executors
        assert sum(query.num_local_free for query in view.queries) <= view.num_free
        simulation.apply(scheduler.decide(view))
    assert simulation.view.memory_used_bytes == [0] * cluster.num_nodes
    assert simulation.view.queries == []
    assert simulation.view.num_free == simulation.view.num_executors
    if isinstance(simulation.engine, SimpyEngine):
        assert not simulation.engine.state.active
        assert simulation.engine.progress.pipelines == {}
    assert list(simulation.engine.state.num_held) == [0] * len(simulation.engine.state.num_held)
    assert len(simulation.engine.state.num_held) <= most_queries
    sizes = {len(plan.operators) for plan in trace.plans}
    assert len(simulation.engine.state.root) <= most_queries * sum(sizes)


@settings(max_examples=100)
@given(traces(), clusters(), SEEDS)
def test_limits_are_kept_at_every_assignment_by_engines_that_may_change_their_mind(
    trace: Trace, cluster: Cluster, policy_seed: int
) -> None:
    cluster = cluster.replace(release="work-order")
    scheduler = RandomScheduler(policy_seed)
    simulation = Simulation(trace, cluster, record_events=True)
    standing: list[tuple[int, int, int]] = []
    held: dict[int, int] = defaultdict(int)
    seen = 0
    while True:
        view = simulation.next_event()
        for event in log(simulation)[seen:]:
            if event.kind == "finish" or event.kind == "lose":
                held[event.query_id] -= 1
            elif event.kind == "start":
                limits = [n for q, o, n in standing if (q, o) == (event.query_id, event.operator)]
                assert held[event.query_id] < max(limits)
                held[event.query_id] += 1
        seen = len(log(simulation))
        if view is None:
            break
        schedule: Schedule = scheduler.decide(view)
        standing = [
            (a.operator.query.query_id, a.operator.index, a.num_executors)
            for a in schedule.allocations
        ]
        simulation.apply(schedule)


@settings(max_examples=200)
@given(traces(), clusters(), SEEDS)
def test_no_query_is_faster_than_its_bound(
    trace: Trace, cluster: Cluster, policy_seed: int
) -> None:
    for record in execute(trace, cluster, policy_seed).records:
        assert record.slowdown >= 1.0
        assert record.latency_s >= record.queueing_s >= 0.0


# R8: common random numbers


class OneByOne:
    """Random subsets and limits, never pipelined: a task is one work order."""

    def __init__(self, seed: int) -> None:
        self._random = RandomScheduler(seed)

    def decide(self, view: ClusterView) -> Schedule:
        schedule = self._random.decide(view)
        allocations = [sim.Allocation(a.operator, a.num_executors) for a in schedule.allocations]
        return Schedule(allocations, schedule.holds, schedule.until_us)


@settings(max_examples=60)
@given(
    traces(with_waves=False), plain_clusters(), plain_clusters(), SEEDS, SEEDS, st.integers(0, 9)
)
def test_base_times_are_equal_under_two_schedulers_and_clusters(
    trace: Trace, cluster: Cluster, other: Cluster, first: int, second: int, seed: int
) -> None:
    trace = without_contention(trace)
    assert base_times(trace, cluster, first, seed) == base_times(trace, other, second, seed)


def base_times(
    trace: Trace, cluster: Cluster, policy_seed: int, seed: int
) -> dict[tuple[int, int, int], int]:
    result = sim.simulate(
        trace, OneByOne(policy_seed), cluster=cluster, seed=seed, record_events=True
    )
    assert result.events is not None
    times: dict[tuple[int, int, int], int] = {}
    for event in result.events:
        if event.kind in ("start", "finish"):
            key = (event.query_id, event.operator, event.task)
            times[key] = event.time_us - times.get(key, 0)
    return times


def without_contention(trace: Trace) -> Trace:
    return rebuilt(trace, lambda _, __, operator: copied(operator, contention=None))


def copied(operator: Operator, **changes: object) -> Operator:
    fields = {name: getattr(operator, name) for name in operator.__struct_fields__}
    return Operator(**{**fields, **changes})


def rebuilt(trace: Trace, change) -> Trace:  # type: ignore[no-untyped-def]
    """A trace with every operator replaced by ``change(plan, index, operator)``."""
    plans = tuple(
        Plan(
            name=plan.name,
            operators=tuple(change(plan, i, o) for i, o in enumerate(plan.operators)),
            edges=plan.edges,
        )
        for plan in trace.plans
    )
    return Trace(name=trace.name, plans=plans, queries=trace.queries)


# R12: repeatability


@settings(max_examples=30)
@given(traces(), clusters(), SEEDS, st.integers(0, 9))
def test_the_same_run_twice_has_the_same_log(
    trace: Trace, cluster: Cluster, policy_seed: int, seed: int
) -> None:
    first, second = (execute(trace, cluster, policy_seed, seed) for _ in range(2))
    assert digest(log(first)) == digest(log(second))


PROGRAM = """
import sim, traces
plan = traces.Plan(
    name="p",
    operators=tuple(
        traces.Operator(kind=kind, num_work_orders=9, work_order_us=(30, 70, 200), state_bytes=900)
        for kind in ("scan", "build", "scan", "probe", "aggregate")
    ),
    edges=(traces.Edge(0, 1, False), traces.Edge(1, 3), traces.Edge(2, 3, False),
           traces.Edge(3, 4, False)),
)
query = traces.Query(query_id=0, plan="p", arrival_us=0)
base = traces.Trace(name="t", plans=(plan,), queries=(query,))
trace = traces.poisson_arrivals(base, 30, seed=3, interval_us=900.0)
cluster = sim.Cluster(
    num_nodes=2, executors_per_node=3, move_delay_us=9, contention=0.01, coherency=0.001,
    interference=0.2, intermediate_bytes_per_s=10**8, network_bytes_per_s=10**7,
    cache_bytes=2000, memory_bytes=2000,
)
print(sim.digest(sim.simulate(trace, "fifo", cluster=cluster, seed=5, record_events=True).events))
"""


def test_the_log_is_the_same_in_processes_that_hash_differently() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1", "4242")
    }
    assert len(digests) == 1


def test_a_digest_notices_any_change() -> None:
    one = Event(5, "start", 0, 1, 2, 3, 1)
    changed = [one._replace(time_us=6), one._replace(executor=4), one._replace(kind="finish")]
    assert len({digest([event]) for event in [one, *changed]}) == 4
    assert digest([one, changed[0]]) != digest([changed[0], one])


# Non-anticipation


@st.composite
def replayed_traces(draw: st.DrawFn) -> Trace:
    """Each query has a plan of its own whose lists are replayed exactly, with estimates."""
    trace = draw(traces(max_queries=4, with_waves=False))
    plans, queries = [], []
    for query in trace.queries:
        plan = trace.plan(query.plan)
        name = f"{plan.name} of {query.query_id}"
        operators = tuple(
            copied(
                operator,
                num_work_orders=len(operator.work_order_us),
                est_work_order_us=operator.est_work_order_us or 9,
            )
            for operator in plan.operators
        )
        plans.append(Plan(name=name, operators=operators, edges=plan.edges))
        queries.append(Query(query_id=query.query_id, plan=name, arrival_us=query.arrival_us))
    return Trace(name="replayed", plans=tuple(plans), queries=tuple(queries))


@settings(max_examples=100)
@given(
    replayed_traces(),
    clusters(),
    SEEDS,
    st.fractions(min_value=0, max_value=1, max_denominator=8),
    st.integers(1, 500),
)
def test_times_not_yet_observed_change_no_earlier_event(
    trace: Trace, cluster: Cluster, policy_seed: int, share: Fraction, longer_us: int
) -> None:
    cluster = cluster.replace(work_orders_per_batch=1)
    before = log(execute(trace, cluster, policy_seed))
    cutoff_us = int(before[-1].time_us * share)
    owners = {query.plan: query.query_id for query in trace.queries}
    observed: set[tuple[int, int, int]] = set()
    plans = {query.query_id: trace.plan(query.plan) for query in trace.queries}
    for event in before:
        if event.kind == "finish" and event.time_us < cutoff_us:
            plan = plans[event.query_id]
            num_tasks = plan.operators[event.operator].num_work_orders
            for member in members(plan, event):
                count = plan.operators[member].num_work_orders
                for index in work_orders(num_tasks, event.task, count):
                    observed.add((event.query_id, member, index))

    def lengthen(plan: Plan, index: int, operator: Operator) -> Operator:
        times = tuple(
            time if (owners[plan.name], index, at) in observed else time + longer_us
            for at, time in enumerate(operator.work_order_us)
        )
        return copied(operator, work_order_us=times)

    after = log(execute(rebuilt(trace, lengthen), cluster, policy_seed))
    assert [event for event in before if event.time_us < cutoff_us] == [
        event for event in after if event.time_us < cutoff_us
    ]


def test_rounding_a_scaled_profile_does_not_beat_the_bound() -> None:
    # 7 × 0.2 = 1.4 µs, which the clock rounds to 1: the bound may not be 1.4.
    profile = (Wave(num_executors=1, rest=(7,)),)
    operator = Operator(kind="stage", num_work_orders=1, work_order_us=(7,), waves=profile)
    query = Query(query_id=0, plan="p", arrival_us=0, time_factor=0.2)
    trace = Trace(name="t", plans=(Plan(name="p", operators=(operator,)),), queries=(query,))
    (record,) = execute(trace, Cluster(), 0).records
    assert record.slowdown >= 1.0
