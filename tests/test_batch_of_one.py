"""One simulation as a batch of one: schedulers that are asked for many, wherever one is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from builders import in_order, op, plan, trace
from test_schedulers import random_trace

import sim
from sim import (
    FIELDS,
    NEVER,
    Allocation,
    BatchSchedule,
    BatchView,
    Cluster,
    ClusterView,
    Hold,
    InvalidSchedule,
    Result,
    Schedule,
    SchedulerError,
    Simulation,
    Stalled,
    batch_view_of,
    decide_one,
)
from traces import Trace, TraceStream

CLUSTERS = {
    "inmemory-32": sim.preset("inmemory-32"),
    "spark-50": sim.preset("spark-50"),
    "scarce": sim.preset("inmemory-32").replace(executors_per_node=5, memory_bytes=2 * 10**7),
}


class Held:
    """Shortest work first, at most three executors each; holds, degrees, a timer."""

    def decide(self, view: ClusterView) -> Schedule:
        queries = sorted(view.queries, key=lambda query: query.remaining_us("history"))
        most = min(3, view.cluster.num_executors)
        allocations = [
            Allocation(operator, most, 1 + operator.index % 2)
            for query in queries
            for operator in query.schedulable
        ]
        holds = [Hold(query, 1) for query in view.queries if query.num_local_free > 1]
        return Schedule(allocations, holds, view.now_us + 50_000)

    def decide_many(self, view: BatchView) -> BatchSchedule:
        queries, operators = view.queries, view.operators
        rows = np.flatnonzero(operators.is_schedulable)
        keys = queries.history_remaining_us[operators.query[rows]]
        rows = rows[np.lexsort((rows, keys))]
        holds = np.flatnonzero(queries.num_local_free > 1)
        most = min(3, view.cluster.num_executors)
        degrees = 1 + operators.index[rows] % 2
        until_us = view.simulations.now_us + 50_000
        return BatchSchedule(rows, most, degrees, holds, 1, until_us)


class ByMany:
    """Answers one simulation by asking a scheduler for many."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler

    def decide(self, view: ClusterView) -> Schedule:
        return decide_one(self.scheduler, view)


class Advised:
    """Does what a rule says, in rows."""

    def __init__(self, rule: str) -> None:
        self.rule = sim.make_scheduler(rule)

    def decide_many(self, view: BatchView) -> BatchSchedule:
        return view.advice(self.rule)

    def decide(self, view: ClusterView) -> Schedule:
        return decide_one(self, view)


def asked(scheduler: Any, the_trace: Trace, cluster: Cluster, engine: Any) -> Result:
    """A run whose scheduler is asked by ``decide`` only."""
    simulation = Simulation(the_trace, cluster, 1, record_events=True, engine=engine)
    while (view := simulation.next_event()) is not None:
        simulation.apply(scheduler.decide(view))
    return simulation.result("asked")


def check_same(results: Iterable[Result]) -> None:
    first, *others = results
    assert first.events
    for other in others:
        assert other.events == first.events
        assert other.queries == first.queries
        assert other.history == first.history
        assert other.num_schedules == first.num_schedules


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_decide_and_decide_many_are_the_same_wherever_they_are_asked(
    cluster: str, engine: str
) -> None:
    the_trace, where = random_trace(1), CLUSTERS[cluster]
    check_same(
        [
            asked(Held(), the_trace, where, engine),
            asked(ByMany(Held()), the_trace, where, engine),
            sim.simulate(the_trace, Held(), cluster=where, seed=1, record_events=True),
        ]
    )


@pytest.mark.parametrize("rule", ["priced:hold_moves=2", "fair:spare=share", "stride", "random"])
@pytest.mark.parametrize("cluster", ["spark-50", "scarce"])
def test_advice_is_what_the_rule_decides(cluster: str, rule: str) -> None:
    the_trace, where = random_trace(1), CLUSTERS[cluster]
    scheduler = sim.make_scheduler(rule)
    check_same(
        [
            sim.simulate(the_trace, each, cluster=where, seed=1, record_events=True, engine="simpy")
            for each in (scheduler, Advised(rule))
        ]
    )


def test_advice_of_the_compiled_engine_is_the_same() -> None:
    pytest.importorskip("numba")
    the_trace, where = random_trace(1), CLUSTERS["spark-50"]
    check_same(
        [
            sim.simulate(the_trace, each, cluster=where, seed=1, record_events=True, engine="fast")
            for each in ("priced:hold_moves=2", Advised("priced:hold_moves=2"))
        ]
    )


def test_who_sees_the_future_gives_no_advice() -> None:
    view = at_first_event(two_scans()).view
    with pytest.raises(ValueError, match="oracle-srpt sees the future"):
        batch_view_of(view).advice(sim.make_scheduler("oracle-srpt"))


def two_scans() -> Trace:
    scan = plan(op(10, 20, kind="scan"))
    return trace(scan, scan)


def at_first_event(the_trace: Trace, engine: Any = "simpy") -> Simulation:
    simulation = Simulation(the_trace, Cluster(executors_per_node=2), engine=engine)
    assert simulation.next_event() is not None
    return simulation


def test_all_columns_are_there_and_cannot_be_written_to(engine: str) -> None:
    """Against the compiled columns they are tested in test_batch.py."""
    view = batch_view_of(at_first_event(two_scans(), engine).view)
    assert len(view) == 1
    for field in FIELDS:
        column = getattr(getattr(view, field.group), field.name)
        assert column.dtype == field.dtype
        assert (
            len(column) == {"simulations": 1, "queries": 2, "operators": 2, "edges": 0}[field.group]
        )
        assert not column.flags.writeable
    assert view.queries.serial.tolist() == view.operators.query.tolist() == [0, 1]
    assert view.operator_offsets.tolist() == [0, 2]


def test_plans_are_prepared_once_for_a_simulation(engine: str) -> None:
    simulation = at_first_event(two_scans(), engine)
    first = batch_view_of(simulation.view)
    simulation.apply(in_order()(simulation.view))
    assert simulation.next_event() is not None
    assert batch_view_of(simulation.view).plans is first.plans


class Answers:
    """Answers what it is given, at each event."""

    def __init__(self, schedule: object) -> None:
        self.schedule = schedule

    def decide_many(self, view: BatchView) -> BatchSchedule:
        if isinstance(self.schedule, Exception):
            raise self.schedule
        return self.schedule  # type: ignore[return-value]

    def decide(self, view: ClusterView) -> Schedule:
        return decide_one(self, view)


WRONG: dict[str, object] = {
    r"at 0 µs: rule R5: an answer is \[\]; allowed: a BatchSchedule": [],
    "at 0 µs: rule R5: row 2 of operators; allowed: 0 to 1": BatchSchedule([2], 1),
    "at 0 µs: rule R5: row -1 of queries; allowed: 0 to 1": BatchSchedule([0], 1, 1, [-1], 1),
    "at 0 µs: rule R5: num_executors is 3; allowed: 1 to 2": BatchSchedule([0], 3),
    "at 0 µs: rule R5: pipeline_degree is 0; allowed: 1 or more": BatchSchedule([0], 1, 0),
    "at 0 µs: rule R5: until_us is 0; allowed": BatchSchedule([0], 1, until_us=[0]),
}


@pytest.mark.parametrize("message", WRONG)
def test_an_illegal_answer_is_named_in_the_same_words_on_both_engines(
    message: str, engine: str
) -> None:
    with pytest.raises(InvalidSchedule, match=f"scheduler 'Answers' {message}"):
        sim.simulate(two_scans(), Answers(WRONG[message]), cluster=Cluster(executors_per_node=2))


def test_the_only_simulation_must_be_answered() -> None:
    with pytest.raises(InvalidSchedule, match="leaves the only one out"):
        sim.simulate(two_scans(), Answers(BatchSchedule([], 1, simulations=[])), engine="simpy")


def test_what_a_scheduler_raises_is_named_with_its_place(engine: str) -> None:
    with pytest.raises(SchedulerError, match=r"'Answers' raised KeyError: 'x' \(test_batch_of_one"):
        sim.simulate(two_scans(), Answers(KeyError("x")))


def test_one_that_schedules_nothing_stalls(engine: str) -> None:
    with pytest.raises(Stalled, match=r"^at 0 µs 2 queries"):
        sim.simulate(two_scans(), Answers(BatchSchedule([], 1, until_us=[NEVER])))


def test_records_are_given_to_who_asks_and_need_not_be_kept(engine: str) -> None:
    many = trace(*((plan(op(3)), 5 * at) for at in range(1_500)))
    stream = TraceStream(many.name, many.plans, len(many.queries), many.queries)
    taken: list[int] = []
    result = sim.simulate(
        stream,
        Held(),
        cluster=Cluster(executors_per_node=4),
        on_record=lambda record: taken.append(record.query_id),
        keep_records=False,
    )
    assert taken == list(range(1_500))
    assert list(result.queries) == []
    assert result.summary()["num_queries"] == 1_500
