"""Simulations side by side: the same as one by one, whatever is answered and in which order."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import RandomScheduler, clusters, traces

pytest.importorskip("numba")

import sim
from sim import (
    FIELDS,
    KIND_NAMES,
    Allocation,
    BatchSchedule,
    BatchView,
    Cluster,
    ClusterView,
    InvalidSchedule,
    OperatorView,
    Result,
    Schedule,
    Simulation,
    Simulations,
    Stalled,
    batch_view_of,
    simulate_many,
)
from sim.batch_fields import field_table
from sim.registry import scheduler_name
from traces import Edge, Operator, Plan, Query, Trace, TraceError, TraceStream, load


def rows_of(view: BatchView, group: str, row: int) -> range:
    """Rows of the simulation in a row of the view."""
    offsets = {
        "queries": view.query_offsets,
        "operators": view.operator_offsets,
        "edges": view.edge_offsets,
    }[group]
    return range(int(offsets[row]), int(offsets[row + 1]))


def check_view(batch: BatchView, row: int, view: ClusterView) -> None:
    """All columns of one simulation equal what its view says, to the last bit."""
    expected = batch_view_of(view)
    firsts = {"simulations": row} | {
        group: rows_of(batch, group, row).start for group in ("queries", "operators", "edges")
    }
    for field in FIELDS:
        if (field.group, field.name) in BY_NAME:
            continue
        first, count = firsts[field.group], len(getattr(expected, field.group))
        if field.group != "simulations":
            assert len(rows_of(batch, field.group, row)) == count
        column = getattr(getattr(batch, field.group), field.name)
        assert column.dtype == field.dtype
        values = getattr(getattr(expected, field.group), field.name)
        if field.unit == "row":
            values = np.where(values < 0, values, values + firsts[GROUP_OF[field.name]])
        given = column[first : first + count].tolist()
        place = f"{field.group} {field.name} at {view.now_us} µs"
        assert repr(given) == repr(values.tolist()), place
    check_names(batch, row, view)
    check_names(expected, 0, view)


GROUP_OF = {
    "simulation": "simulations",
    "query": "queries",
    "first_operator": "operators",
    "root": "operators",
    "producer": "operators",
    "consumer": "operators",
}
"""What columns of rows point at."""
BY_NAME = {
    ("simulations", "simulation"),
    ("queries", "plan"),
    ("queries", "tenant"),
    ("queries", "query_class"),
    ("operators", "plan_operator"),
}
"""Columns that are compared through what they point at, see ``check_names``."""


def check_names(batch: BatchView, row: int, view: ClusterView) -> None:
    """Columns that are indices of names and of plans."""
    queries, operators = batch.queries, batch.operators
    for at, query in zip(rows_of(batch, "queries", row), view.queries, strict=True):
        plan = queries.plan[at]
        assert batch.plans.names[plan] == query.plan
        assert batch.tenants[queries.tenant[at]] == query.tenant
        assert batch.query_classes[queries.query_class[at]] == query.query_class
        first, count = batch.plans.first_operator[plan], batch.plans.num_operators[plan]
        rows = slice(queries.first_operator[at], queries.first_operator[at] + count)
        assert operators.plan_operator[rows].tolist() == list(range(first, first + count))
        assert (batch.plans.kind[operators.plan_operator[rows]] == operators.kind[rows]).all()


Answer = tuple[list[tuple[int, int, int]], list[tuple[int, int]], int | None]
"""Allocations, holds and timer of one simulation, by rows of a view."""


def in_rows(schedule: Schedule, view: ClusterView, batch: BatchView, row: int) -> Answer:
    first_query = rows_of(batch, "queries", row).start
    row_of = {query.slot: first_query + at for at, query in enumerate(view.queries)}

    def operator_row(operator: OperatorView) -> int:
        first = batch.queries.first_operator[row_of[operator.query.slot]]
        return int(first) + operator.index

    allocations = [
        (operator_row(a.operator), a.num_executors, a.pipeline_degree) for a in schedule.allocations
    ]
    holds = [(row_of[h.query.slot], h.num_executors) for h in schedule.holds]
    return allocations, holds, schedule.until_us


def together(batch: BatchView, answers: dict[int, Answer], draw: random.Random) -> BatchSchedule:
    """One schedule of many, by row; allocations of different simulations are mixed."""
    order = [row for row, answer in answers.items() for _ in answer[0]]
    draw.shuffle(order)
    left = {row: iter(answer[0]) for row, answer in answers.items()}
    allocations = np.array([next(left[row]) for row in order], np.int64).reshape(-1, 3)
    holds = [hold for answer in answers.values() for hold in answer[1]]
    until_us = np.full(len(batch), sim.NEVER)
    for row, (_, _, timer) in answers.items():
        if timer is not None:
            until_us[row] = timer
    operators, limits, degrees = allocations.T
    queries, counts = np.array(holds, np.int64).reshape(-1, 2).T
    return BatchSchedule(operators, limits, degrees, queries, counts, until_us, list(answers))


def check_same(batch: Iterable[Result], alone: Iterable[Result]) -> None:
    for one, other in zip(batch, alone, strict=True):
        assert one.events == other.events
        assert one.queries == other.queries
        assert one.history == other.history
        for name in ("num_schedules", "executor_time_s", "peak_memory_bytes", "seed", "trace"):
            assert getattr(one, name) == getattr(other, name)


@st.composite
def named_traces(draw: st.DrawFn) -> Trace:
    """Some queries have a template, a tenant and a class."""
    trace = draw(traces())
    words = st.sampled_from(["", "one", "two"])
    queries = []
    for query in trace.queries:
        name = draw(words)
        template = f"{query.plan}-{name}" if name else ""
        names = {"template": template, "tenant": draw(words), "query_class": draw(words)}
        queries.append(msgspec.structs.replace(query, **names))
    return msgspec.structs.replace(trace, queries=tuple(queries))


MUST_REACH = {
    "holds",
    "a timer",
    "nothing allocated",
    "several simulations",
    "some answered, some not",
    "history of a template or a plan",
    "memory in use",
    "a pipeline of several operators",
    "fewer executors than the cluster can have",
    "an unknown kind",
}


def cases_in(view: BatchView, answers: dict[int, Answer]) -> Iterator[str]:
    """Special cases of a view and of what is answered to it."""
    operators = view.operators
    if any(holds for _, holds, _ in answers.values()):
        yield "holds"
    if any(timer is not None for _, _, timer in answers.values()):
        yield "a timer"
    if any(not allocations for allocations, _, _ in answers.values()):
        yield "nothing allocated"
    if len(view) > 1:
        yield "several simulations"
    if 0 < len(answers) < len(view):
        yield "some answered, some not"
    if (view.queries.num_past_runs > 0).any():
        yield "history of a template or a plan"
    if operators.memory_bytes.any():
        yield "memory in use"
    if ((operators.root >= 0) & (operators.root != np.arange(len(operators)))).any():
        yield "a pipeline of several operators"
    if (view.simulations.num_executors < view.cluster.num_executors).any():
        yield "fewer executors than the cluster can have"
    if (operators.kind == len(KIND_NAMES)).any():
        yield "an unknown kind"


def test_columns_and_runs_equal_those_one_by_one_and_every_case_is_reached() -> None:
    reached: set[str] = set()

    @settings(max_examples=80)
    @given(
        st.lists(named_traces(), min_size=1, max_size=3),
        clusters(),
        st.booleans(),
        st.integers(0, 2**32),
    )
    def compare(some: list[Trace], cluster: Cluster, has_history: bool, seed: int) -> None:
        check_batch(some, cluster, has_history, seed, reached)

    compare()
    assert reached >= MUST_REACH


def check_batch(
    some: list[Trace], cluster: Cluster, has_history: bool, seed: int, reached: set[str]
) -> None:
    """A batch and its simulations one by one, in step with each other."""
    draw = random.Random(seed)
    chosen = [draw.choice(some) for _ in range(draw.randint(1, 5))]
    seeds = [draw.randint(0, 99) for _ in chosen]
    options: dict[str, Any] = {"history": has_history, "record_events": True}
    alone = [
        Simulation(trace, cluster, one, engine="fast", **options)
        for trace, one in zip(chosen, seeds, strict=True)
    ]
    schedulers = [RandomScheduler(seed + at) for at in range(len(chosen))]
    batch = Simulations(chosen, cluster, seeds, **options)
    views: dict[int, ClusterView] = {}
    try:
        while (view := batch.next_events()) is not None:
            for row, at in enumerate(view.simulations.simulation.tolist()):
                if at not in views:
                    event = alone[at].next_event()
                    assert event is not None
                    views[at] = event
                check_view(view, row, views[at])
            reached.update(answer_some(batch, view, alone, views, schedulers, draw))
    except Stalled as error:
        at = int(str(error).split(":")[0].split()[1])
        with pytest.raises(Stalled, match=str(error).split(": ", 1)[1].replace("(", r"\(")[:40]):
            alone[at].next_event()
        return
    assert all(simulation.next_event() is None for simulation in alone)
    check_same(batch.results("random"), [each.result("random") for each in alone])


def answer_some(
    batch: Simulations,
    view: BatchView,
    alone: list[Simulation],
    views: dict[int, ClusterView],
    schedulers: list[RandomScheduler],
    draw: random.Random,
) -> set[str]:
    """Answer some of those that wait, in one call or in several, and their twins alike."""
    reached = set[str]()
    rows = [row for row in range(len(view)) if draw.random() < 0.7] or [0]
    draw.shuffle(rows)
    cut = draw.randint(0, len(rows))
    for part in (rows[:cut], rows[cut:]):
        answers = {}
        for row in part:
            at = int(view.simulations.simulation[row])
            twin = views.pop(at)
            schedule = schedulers[at].decide(twin)
            answers[row] = in_rows(schedule, twin, view, row)
            alone[at].apply(schedule)
        reached.update(cases_in(view, answers))
        batch.apply(together(view, answers, draw))
    return reached


def tiny(num_queries: int = 3, gap_us: int = 50) -> Trace:
    """A scan and a filter in one pipeline, and an aggregate behind a breaking edge."""
    operators = (
        Operator(kind="scan", num_work_orders=4, work_order_us=(10, 20, 30, 40), state_bytes=5),
        Operator(kind="unheard-of", num_work_orders=4, work_order_us=(3, 3, 3, 3)),
        Operator(kind="aggregate", num_work_orders=2, work_order_us=(25, 15)),
    )
    plan = Plan(name="p", operators=operators, edges=(Edge(0, 1, False), Edge(1, 2)))
    queries = tuple(
        Query(query_id=at, plan="p", arrival_us=gap_us * at) for at in range(num_queries)
    )
    return Trace(name="tiny", plans=(plan,), queries=queries)


class Shortest:
    """Shortest remaining work first, one by one and for many at once."""

    def decide(self, view: ClusterView) -> list[Allocation]:
        queries = sorted(view.queries, key=lambda query: query.est_remaining_us)
        limit = view.cluster.num_executors
        return [Allocation(operator, limit) for query in queries for operator in query.schedulable]

    def decide_many(self, view: BatchView) -> BatchSchedule:
        rows = np.flatnonzero(view.operators.is_schedulable)
        remaining = view.queries.est_remaining_us[view.operators.query[rows]]
        return BatchSchedule(rows[np.lexsort((rows, remaining))], view.cluster.num_executors)


class OnlyOneByOne:
    """Has no ``decide_many``."""

    def decide(self, view: ClusterView) -> list[Allocation]:
        return Shortest().decide(view)


@pytest.mark.parametrize(
    "scheduler",
    ["fifo", "priced:size=history", "stride", Shortest(), OnlyOneByOne()],
    ids=scheduler_name,
)
def test_simulate_many_equals_simulate(scheduler: Any) -> None:
    trace, cluster, seeds = load("tpch"), sim.preset("inmemory-32"), [5, 1, 5]
    small = msgspec.structs.replace(trace, queries=trace.queries[:30])
    chosen = [small, msgspec.structs.replace(trace, queries=trace.queries[30:60]), small]
    many = simulate_many(chosen, scheduler, cluster=cluster, seeds=seeds, record_events=True)
    alone = [
        sim.simulate(trace, scheduler, cluster=cluster, seed=seed, record_events=True)
        for trace, seed in zip(chosen, seeds, strict=True)
    ]
    check_same(many, alone)
    assert [each.scheduler for each in many] == [each.scheduler for each in alone]


def test_long_traces_need_service_from_python_and_a_batch_gives_it() -> None:
    trace, cluster = tiny(num_queries=2_500, gap_us=60), Cluster(executors_per_node=3)
    many = simulate_many(trace, Shortest(), cluster=cluster, seeds=[1, 2])
    assert [each.summary()["num_queries"] for each in many] == [2_500, 2_500]
    check_same(many, [sim.simulate(trace, Shortest(), cluster=cluster, seed=at) for at in (1, 2)])


def test_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    trace, fast = tiny(), simulate_many(tiny(), Shortest(), seeds=[0, 1], record_events=True)
    monkeypatch.setattr("sim.engines.is_fast_installed", lambda: False)
    with pytest.raises(ValueError, match=r"pip install 'lsched\[fast\]'"):
        Simulations(trace, Cluster(), [0])
    slow = simulate_many(trace, Shortest(), seeds=[0, 1], record_events=True, engine="simpy")
    check_same(slow, fast)


def two_at_their_first_event() -> tuple[Simulations, BatchView]:
    batch = Simulations(tiny(), Cluster(executors_per_node=2), [0, 1], record_events=True)
    view = batch.next_events()
    assert view is not None
    return batch, view


ILLEGAL: dict[str, dict[str, Any]] = {
    "R4: allocation of operator 1 .* allowed: operators of that query": {"operators": [0, 4]},
    "R5: num_executors is 3; allowed: 1 to 2": {"num_executors": [1, 3]},
    "R5: num_executors is 0;": {"num_executors": [2, 0]},
    "R5: pipeline_degree is 0; allowed: 1 or more": {"pipeline_degrees": [1, 0]},
    "R5: a hold of 3 executors; allowed: 0 to 2": {"hold_queries": [1], "hold_executors": 3},
    "R5: two holds for query 0": {"hold_queries": [0, 1, 1], "hold_executors": 1},
    "R5: until_us is 0; allowed: after now": {"until_us": [9, 0]},
    "R5: until_us is 4611686018427387905;": {"until_us": [9, 2**62 + 1]},
}


@pytest.mark.parametrize("message", ILLEGAL)
def test_an_illegal_schedule_is_named_and_changes_nothing(message: str) -> None:
    """The first simulation's part is legal; the words are those of one simulation alone."""
    batch, view = two_at_their_first_event()
    legal: dict[str, Any] = {"operators": [0, 3], "num_executors": [2, 2]}
    with pytest.raises(InvalidSchedule, match=f"simulation 1: rule {message}"):
        batch.apply(BatchSchedule(**{**legal, **ILLEGAL[message]}))
    with pytest.raises(RuntimeError, match="answer at least one"):
        batch.next_events()
    batch.apply(Shortest().decide_many(view))
    run(batch)
    alone = sim.simulate_many(
        tiny(), Shortest(), cluster=batch.cluster, seeds=[0, 1], record_events=True
    )
    check_same(batch.results("shortest"), alone)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (BatchSchedule([6], 1), "row 6 of operators; allowed: 0 to 5"),
        (BatchSchedule([-1], 1), "row -1 of operators"),
        (BatchSchedule([0], 1, 1, [2], 1), "row 2 of queries; allowed: 0 to 1"),
        (BatchSchedule([3], 1, simulations=[0]), "row 3 of operators, of simulation 1, which"),
        (BatchSchedule([0], 1, 1, [1], 1, simulations=[0]), "row 1 of queries, of simulation 1"),
        (BatchSchedule([], 1, simulations=[2]), r"simulations are \[2\]; allowed: rows 0 to 1"),
        (BatchSchedule([0.0], 1), "operators is of float64; allowed: whole numbers"),
        (BatchSchedule([0], [True]), "num_executors is of bool"),
        (BatchSchedule([0, 3], [1, 1, 1]), r"num_executors has shape \(3,\); allowed: \(2,\)"),
        (BatchSchedule(3, 1), "operators has shape"),
        ([0, 3], "allowed: a BatchSchedule"),
    ],
)
def test_an_answer_of_another_form_is_rejected(schedule: Any, message: str) -> None:
    batch, _ = two_at_their_first_event()
    with pytest.raises(InvalidSchedule, match=message):
        batch.apply(schedule)


def test_only_those_that_are_answered_go_on() -> None:
    batch, _ = two_at_their_first_event()
    batch.apply(BatchSchedule([3], 2, simulations=[1]))
    with pytest.raises(RuntimeError, match="was answered"):
        batch.apply(BatchSchedule([0, 3], 2))
    with pytest.raises(RuntimeError, match="does not await"):
        batch.cluster_view(1)
    view_after = batch.next_events()
    assert view_after is not None
    assert view_after.simulations.simulation.tolist() == [0, 1]
    assert view_after.simulations.now_us[0] == 0 < view_after.simulations.now_us[1]
    assert batch.cluster_view(0).now_us == 0


def test_one_that_stalls_is_named_and_the_other_goes_on() -> None:
    batch = Simulations(tiny(1), Cluster(executors_per_node=2), [0, 1])
    view = batch.next_events()
    assert view is not None
    batch.apply(BatchSchedule([3], 2))
    with pytest.raises(Stalled, match="simulation 0: at 0 µs 1 queries"):
        batch.next_events()
    while (view := batch.next_events()) is not None:
        assert view.simulations.simulation.tolist() == [1]
        batch.apply(Shortest().decide_many(view))
    assert [len(each.queries) for each in batch.results("shortest")] == [0, 1]


def test_a_schedule_may_be_longer_than_any_before() -> None:
    batch, _ = two_at_their_first_event()
    alone = Simulation(tiny(), batch.cluster, 1, engine="fast")
    event = alone.next_event()
    assert event is not None
    count = 5_000
    batch.apply(BatchSchedule([3] * count, [1] * (count - 1) + [2], simulations=[1]))
    operator = event.queries[0].operators[0]
    alone.apply([Allocation(operator, 1)] * (count - 1) + [Allocation(operator, 2)])
    view, event = batch.next_events(), alone.next_event()
    assert view is not None
    assert event is not None
    check_view(view, 1, event)


def stream_of(trace: Trace) -> TraceStream:
    return TraceStream(trace.name, trace.plans, len(trace.queries), trace.queries)


def test_streams_are_taken_as_their_queries_arrive() -> None:
    streams = [stream_of(tiny(40)), stream_of(tiny(60))]
    many = simulate_many(streams, Shortest(), seeds=[3, 4], record_events=True)
    alone = [
        sim.simulate(tiny(count), Shortest(), seed=seed, record_events=True)
        for count, seed in ((40, 3), (60, 4))
    ]
    check_same(many, alone)


def test_a_stream_that_breaks_off_leaves_the_others() -> None:
    """The second portion of the first one is bad; both need service at the same time."""
    queries = tiny(1_100, gap_us=60).queries
    short = TraceStream("short", tiny().plans, 9_999, queries)
    batch = Simulations([short, stream_of(tiny(1_100, gap_us=60))], Cluster(), [0, 1])
    with pytest.raises(TraceError, match="1100 queries came, 9999 were promised"):
        run(batch)
    run(batch)
    assert [each.totals.num_queries for each in batch.results("shortest")][1] == 1_100


def run(batch: Simulations) -> None:
    while (view := batch.next_events()) is not None:
        batch.apply(Shortest().decide_many(view))


def test_the_table_of_columns_names_each_once() -> None:
    lines = field_table().splitlines()[2:]
    assert len(lines) == len(FIELDS) == len({(field.group, field.name) for field in FIELDS})
    line = "| simulations | `memory_used_bytes` | int64 × nodes | bytes | states and cut outputs, "
    assert any(each.startswith(line) for each in lines)


def test_arguments_that_do_not_fit_are_rejected() -> None:
    with pytest.raises(ValueError, match="seeds are empty"):
        Simulations(tiny(), Cluster(), [])
    with pytest.raises(ValueError, match="1 traces and 2 seeds"):
        simulate_many([tiny()], "fifo", seeds=[1, 2])
    with pytest.raises(ValueError, match="a TraceStream can be run once"):
        Simulations(stream_of(tiny()), Cluster(), [1, 2])
    with pytest.raises(TypeError, match="trace is 't'"):
        Simulations("t", Cluster(), [1])  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="next_events"):
        Simulations(tiny(), Cluster(), [0]).apply(BatchSchedule([], 1))


def test_columns_cannot_be_written_to_and_others_do_not_exist() -> None:
    _, view = two_at_their_first_event()
    with pytest.raises(ValueError, match="read-only"):
        view.operators.num_done[0] = 1
    with pytest.raises(AttributeError, match="queries have no 'num_done', only simulation, "):
        _ = view.queries.num_done


def test_plans_as_arrays() -> None:
    """0 → 2, 1 → 2, 2 → 3 and 0 → 3, the first and the last streaming."""
    operator = Operator(kind="scan", num_work_orders=1, work_order_us=(1,))
    edges = (Edge(0, 2, False), Edge(1, 2), Edge(2, 3), Edge(0, 3, False))
    plan = Plan(name="q", operators=(operator,) * 4, edges=edges)
    other = Trace(name="q", plans=(plan,), queries=(Query(query_id=0, plan="q", arrival_us=0),))
    table = Simulations([tiny(), other], Cluster(), [0, 0]).plans
    assert list(table.names) == ["p", "q"]
    assert table.first_operator.tolist() == [0, 3]
    assert table.level.tolist() == [0, 1, 2, 0, 0, 1, 2]
    assert table.height.tolist() == [2, 1, 0, 2, 2, 1, 0]
    assert table.pipeline_next.tolist() == [1, -1, -1, -1, -1, -1, -1]
    assert table.kind[:3].tolist() == [KIND_NAMES.index("scan"), len(KIND_NAMES), 6]
    assert table.edge_offsets.tolist() == [0, 2, 6]
    ends = zip(table.producer.tolist(), table.consumer.tolist(), strict=True)
    assert list(ends) == [(0, 1), (1, 2), (4, 5), (3, 5), (5, 6), (3, 6)]
    assert table.is_breaking.tolist() == [False, True, True, False, True, False]


def test_simulations_that_are_not_recorded_are_small() -> None:
    """Besides recorded times and what all share: below 300 kB each."""
    trace = load("tpch")
    batch = Simulations(trace, sim.preset("inmemory-32"), range(3))
    first, second = (engine.world for engine in batch._engines[:2])
    assert first.plan_operators is second.plan_operators
    own = sum(
        array.nbytes
        for name, array in second._asdict().items()
        if name != "times" and array is not getattr(first, name)
    )
    assert own < 300_000
