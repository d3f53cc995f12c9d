"""Conformance of every registered scheduler, so that later ones are covered too."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import msgspec
import numpy as np
import pytest

from sim import (
    PRESETS,
    Cluster,
    Event,
    Result,
    Scheduler,
    UnknownScheduler,
    digest,
    make_scheduler,
    scheduler_names,
    simulate,
)
from traces import KINDS, Edge, Operator, Plan, Query, Trace, Wave

MB = 1024**2

CLUSTERS = {
    **PRESETS,
    "one-executor": Cluster(executors_per_node=1),
    "scarce-memory": Cluster(
        executors_per_node=4,
        move_delay_us=20,
        intermediate_bytes_per_s=10**9,
        cache_bytes=8 * MB,
        memory_bytes=30 * MB,
    ),
    "two-nodes": Cluster(
        num_nodes=2,
        executors_per_node=2,
        move_delay_us=50,
        move_across_delay_us=300,
        contention=0.01,
        interference=0.2,
        intermediate_bytes_per_s=10**9,
        network_bytes_per_s=10**8,
        memory_bytes=100 * MB,
    ),
}
NAMES = scheduler_names(plugins=False)
OPTIONS = ("memory=gate", "pipeline=never", "pipeline=best+memory=gate")


@cache
def random_trace(seed: int, num_queries: int = 12) -> Trace:
    """Small plans of random shape, with streaming edges, states and some wave profiles."""
    generator = np.random.default_rng(seed)
    plans = tuple(_random_plan(generator, f"p{index}") for index in range(4))
    arrivals = np.cumsum(generator.integers(0, 3_000, num_queries))
    queries = tuple(
        Query(
            query_id=index,
            plan=plans[int(generator.integers(4))].name,
            arrival_us=int(arrival),
            size_factor=float(generator.choice([0.5, 1.0, 1.7])),
            time_factor=float(generator.choice([0.8, 1.0, 1.3])),
        )
        for index, arrival in enumerate(arrivals)
    )
    return Trace(name=f"random-{seed}", plans=plans, queries=queries)


def _random_plan(generator: np.random.Generator, name: str) -> Plan:
    size = int(generator.integers(1, 7))
    operators = tuple(_random_operator(generator) for _ in range(size))
    edges = tuple(
        Edge(producer, int(generator.integers(producer + 1, size)), bool(generator.integers(2)))
        for producer in range(size - 1)
    )
    return Plan(name=name, operators=operators, edges=edges)


def _random_operator(generator: np.random.Generator) -> Operator:
    count = int(generator.integers(1, 20))
    times = tuple(int(time) for time in generator.integers(50, 900, count))
    is_profiled = generator.random() < 0.2
    return Operator(
        kind=str(generator.choice(sorted(KINDS))),
        num_work_orders=count,
        work_order_us=times,
        est_work_order_us=int(generator.integers(20, 2_000)),
        is_scalable=bool(generator.integers(2)),
        output_bytes=int(generator.integers(0, 10 * MB)),
        state_bytes=int(generator.integers(0, 20 * MB)),
        est_state_bytes=int(generator.integers(0, 40 * MB)),
        waves=(Wave(2, rest=tuple(sorted(times))),) if is_profiled else (),
    )


def run(scheduler: str | Scheduler, trace: Trace, cluster: Cluster, **options: bool) -> Result:
    return simulate(trace, scheduler, cluster=cluster, seed=3, record_events=True, **options)


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("name", NAMES)
def test_completes_every_query_and_is_deterministic(name: str, cluster: str) -> None:
    for seed in range(2):
        trace = random_trace(seed)
        first = run(name, trace, CLUSTERS[cluster])
        assert sorted(q.query_id for q in first.queries) == list(range(len(trace.queries)))
        assert digest(first.events or ()) == digest(
            run(name, trace, CLUSTERS[cluster]).events or ()
        )


@pytest.mark.parametrize("name", NAMES)
def test_an_instance_that_has_served_a_run_starts_afresh(name: str) -> None:
    scheduler, trace = make_scheduler(name, seed=3), random_trace(5)
    digests = {digest(run(scheduler, trace, CLUSTERS["two-nodes"]).events or ()) for _ in range(2)}
    assert len(digests) == 1


def takes_sizes(name: str) -> bool:
    try:
        make_scheduler(f"{name}:size=estimate")
    except UnknownScheduler:
        return False
    return True


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", NAMES)
def test_options_that_all_take(name: str, option: str) -> None:
    if name == "critical-path-pipelining" and "pipeline" in option:
        pytest.skip("always pipelines")
    for cluster in ("scarce-memory", "inmemory-32", "spark-50"):
        result = run(f"{name}:{option}", random_trace(2), CLUSTERS[cluster])
        assert len(result.queries) == 12


@pytest.mark.parametrize("size", ["estimate", "observed", "history"])
@pytest.mark.parametrize("name", NAMES)
def test_every_source_of_sizes_with_and_without_history(name: str, size: str) -> None:
    if not takes_sizes(name):
        pytest.skip("does not look at sizes")
    text = f"{name}:size={size}"
    for history in (True, False):
        result = run(text, random_trace(4), CLUSTERS["scarce-memory"], history=history)
        assert len(result.queries) == 12


@pytest.mark.parametrize("cluster", ["scarce-memory", "spark-50"])
@pytest.mark.parametrize("name", NAMES)
def test_sees_no_time_before_it_is_observed(name: str, cluster: str) -> None:
    if getattr(make_scheduler(name), "is_clairvoyant", False):
        pytest.skip("clairvoyant")
    text = f"{name}:size=observed" if takes_sizes(name) else name
    for seed in range(3):
        trace = with_own_plans(random_trace(seed))
        events = run(text, trace, CLUSTERS[cluster]).events or ()
        now_us = sorted(event.time_us for event in events)[len(events) // 2]
        changed = with_longer_future(trace, events, now_us)
        assert changed != trace
        after = run(text, changed, CLUSTERS[cluster]).events or ()
        assert [e for e in events if e.time_us <= now_us] == [
            e for e in after if e.time_us <= now_us
        ]


def with_own_plans(trace: Trace) -> Trace:
    """The trace with a plan for each query, so that each work order's time stands in it."""
    plans = tuple(
        msgspec.structs.replace(trace.plan(query.plan), name=f"plan-{query.query_id}")
        for query in trace.queries
    )
    return Trace(
        name=trace.name,
        plans=tuple(
            msgspec.structs.replace(
                plan, operators=tuple(msgspec.structs.replace(o, waves=()) for o in plan.operators)
            )
            for plan in plans
        ),
        queries=tuple(
            Query(query_id=query.query_id, plan=plan.name, arrival_us=query.arrival_us)
            for query, plan in zip(trace.queries, plans, strict=True)
        ),
    )


def with_longer_future(trace: Trace, events: Sequence[Event], now_us: int) -> Trace:
    """The trace with other times for all work orders that have not been completed by ``now_us``."""
    done = {
        (event.query_id, operator, work_order)
        for event in events
        if event.kind == "finish" and event.time_us <= now_us
        for operator, work_order in _work_orders(trace.plans[event.query_id], event)
    }
    plans = []
    for query_id, plan in enumerate(trace.plans):
        operators = tuple(
            msgspec.structs.replace(
                operator,
                work_order_us=tuple(
                    time if (query_id, index, at) in done else time * (1 + index % 2 * 60) + at
                    for at, time in enumerate(operator.work_order_us)
                ),
            )
            for index, operator in enumerate(plan.operators)
        )
        plans.append(msgspec.structs.replace(plan, operators=operators))
    return msgspec.structs.replace(trace, plans=tuple(plans))


def _work_orders(plan: Plan, event: Event) -> list[tuple[int, int]]:
    """(operator, work order) of a task: the root's, and the other members' share."""
    members = [event.operator]
    while len(members) < event.degree:
        members.append(plan.outputs[members[-1]][0].consumer)
    num_tasks = plan.operators[event.operator].num_work_orders
    return [
        (member, at)
        for member in members
        for count in [plan.operators[member].num_work_orders]
        for at in range(event.task * count // num_tasks, (event.task + 1) * count // num_tasks)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_wrong_parameters_are_named(name: str) -> None:
    with pytest.raises(UnknownScheduler, match="no parameter 'nonsense'"):
        make_scheduler(f"{name}:nonsense=1")
    with pytest.raises(UnknownScheduler, match="memory"):
        make_scheduler(f"{name}:memory=maybe")
    with pytest.raises(UnknownScheduler, match="memory is 'maybe', expected gate or ignore"):
        make_scheduler(name, memory="maybe")
