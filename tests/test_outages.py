"""R13: executors that fail, come back, join and leave."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import pytest
from builders import in_order, log, op, plan, run, trace
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import clusters, traces

import sim
from sim import Allocation, Cluster, ClusterError, Event, Outage, Simulation, Stalled
from sim.outages import Change, changes
from traces import Trace, Wave

pytestmark = pytest.mark.usefixtures("engine")


def lines(simulation: Simulation, *kinds: str) -> list[tuple[object, ...]]:
    """Time, kind, task and executor of the events of some kinds."""
    return [
        (event.time_us, event.kind, event.task, event.executor)
        for event in log(simulation)
        if event.kind in kinds
    ]


def test_a_failure_loses_what_runs_and_it_runs_again() -> None:
    # Two executors, three work orders of 10 µs. Executor 1 fails at 4 and is back at 7.
    simulation = run(
        trace(plan(op(10, 10, 10))), executors_per_node=2, outages=(Outage(4, 7, executors=(1,)),)
    )
    assert lines(simulation, "start", "finish", "lose", "leave", "join") == [
        (0, "start", 0, 0),
        (0, "start", 1, 1),
        (4, "lose", 1, 1),
        (4, "leave", -1, 1),
        (7, "join", -1, 1),
        (7, "start", 1, 1),  # the lowest unclaimed, before work order 2
        (10, "finish", 0, 0),
        (10, "start", 2, 0),
        (17, "finish", 1, 1),
        (20, "finish", 2, 0),
    ]
    (record,) = simulation.records
    assert (record.work_s, record.lost_s, record.num_work_orders) == (30e-6, 4e-6, 3)
    summary = simulation.result("x").summary()
    assert summary["utilization"] == pytest.approx((30 + 4) / (2 * 20 - 3))
    assert summary["lost_s"] == 4e-6


def test_a_lost_work_order_takes_its_own_time_again() -> None:
    the_plan = plan(op(10, 50, 20, 30))
    simulation = run(
        trace(the_plan), executors_per_node=2, outages=(Outage(30, 40, executors=(1,)),)
    )
    # Executor 1 loses work order 1 after 30 of 50 µs; executor 0 has run 0, then 2.
    assert lines(simulation, "lose", "finish") == [
        (10, "finish", 0, 0),
        (30, "finish", 2, 0),
        (30, "lose", 1, 1),
        (70, "finish", 3, 1),  # started at 40, when executor 1 was back
        (80, "finish", 1, 0),  # started at 30: 50 µs
    ]


def test_a_node_takes_its_executors_along() -> None:
    simulation = run(
        trace(plan(op(*[10] * 4))),
        num_nodes=2,
        executors_per_node=2,
        outages=(Outage(5, None, nodes=(1,)),),
    )
    assert lines(simulation, "lose", "leave") == [
        (5, "lose", 2, 2),
        (5, "leave", -1, 2),
        (5, "lose", 3, 3),
        (5, "leave", -1, 3),
    ]
    assert lines(simulation, "finish")[2:] == [(20, "finish", 2, 1), (20, "finish", 3, 0)]


def test_an_executor_that_joins_later_is_not_there_before() -> None:
    simulation = run(
        trace(plan(op(10, 10, 10))), executors_per_node=2, outages=(Outage(0, 5, executors=(1,)),)
    )
    assert lines(simulation, "leave", "join", "start") == [
        (0, "leave", -1, 1),
        (0, "start", 0, 0),
        (5, "join", -1, 1),
        (5, "start", 1, 1),
        (10, "start", 2, 0),
    ]


def test_what_completes_as_its_executor_leaves_is_complete() -> None:
    for release in ("work-order", "pipeline"):
        simulation = run(
            trace(plan(op(10, 10))),
            executors_per_node=1,
            release=release,
            outages=(Outage(10, 30, executors=(0,)),),
        )
        assert lines(simulation, "start", "finish", "lose", "leave", "join") == [
            (0, "start", 0, 0),
            (10, "finish", 0, 0),
            (10, "leave", -1, 0),
            (30, "join", -1, 0),
            (30, "start", 1, 0),
            (40, "finish", 1, 0),
        ]
        assert simulation.records[0].lost_s == 0


def test_nobody_is_asked_while_no_executor_is_there() -> None:
    simulation = run(
        trace((plan(op(10)), 0), (plan(op(10), name="late"), 12)),
        executors_per_node=1,
        outages=(Outage(5, 20, executors=(0,)),),
    )
    asked = [event.time_us for event in log(simulation) if event.kind == "schedule"]
    assert asked == [0, 20, 30]
    assert [record.completion_s for record in simulation.records] == [30e-6, 40e-6]


def test_queries_that_nobody_will_ever_run_are_stalled() -> None:
    gone = Cluster(executors_per_node=2, outages=(Outage(5, None, executors=(0, 1)),))
    with pytest.raises(Stalled, match=r"1 queries .* no executor is there"):
        sim.simulate(trace(plan(op(10))), "fifo", cluster=gone)


def test_an_executor_comes_back_with_nothing_it_knew() -> None:
    # It pays the move again, and its first work order is one of a fresh executor.
    profile = (Wave(num_executors=1, fresh=(7,), first=(5,), rest=(3,)),)
    simulation = run(
        trace(plan(op(3, count=3, waves=profile))),
        executors_per_node=1,
        move_delay_us=100,
        outages=(Outage(108, 110, executors=(0,)),),
    )
    assert lines(simulation, "start", "lose", "finish") == [
        (0, "start", 0, 0),
        (107, "finish", 0, 0),
        (107, "start", 1, 0),
        (108, "lose", 1, 0),
        (110, "start", 1, 0),
        (217, "finish", 1, 0),
        (217, "start", 2, 0),
        (220, "finish", 2, 0),
    ]
    (record,) = simulation.records
    assert (record.delay_s, record.lost_s, record.work_s) == (200e-6, 1e-6, 17e-6)


def test_a_lost_move_is_lost_time_and_no_delay() -> None:
    simulation = run(
        trace(plan(op(10))),
        executors_per_node=1,
        move_delay_us=100,
        outages=(Outage(60, 70, executors=(0,)),),
    )
    (record,) = simulation.records
    assert (record.delay_s, record.lost_s, record.latency_s) == (100e-6, 60e-6, 180e-6)


def test_an_executor_forgets_every_pipeline_it_worked_on() -> None:
    # Two operators, either may go first. Executor 0 works on both, fails while on the second, and
    # then works on it as one that is new to it, not as one that knows it.
    profile = (Wave(num_executors=1, fresh=(9,), first=(5,), rest=(3,)),)
    both = plan(op(3, count=2, waves=profile), op(3, count=3, waves=profile))

    def decide(view: sim.ClusterView) -> list[Allocation]:
        order = (1, 0) if view.now_us < 9 else (0, 1)
        ready = {operator.index: operator for operator in view.queries[0].schedulable}
        return [Allocation(ready[index], 1) for index in order if index in ready]

    simulation = run(
        trace(both), decide, executors_per_node=1, outages=(Outage(12, 20, executors=(0,)),)
    )
    durations = [
        (event.operator, finish.time_us - event.time_us)
        for event, finish in itertools.pairwise(
            event for event in log(simulation) if event.kind in ("start", "finish", "lose")
        )
        if event.kind == "start"
    ]
    # 1: fresh; 1: cut off after 3; from 20 on 0: fresh, 0: rest; then 1 as first, and again.
    assert durations == [(1, 9), (1, 3), (0, 9), (0, 3), (1, 5)]


def test_views_show_who_is_there_and_schedules_may_plan_for_all() -> None:
    seen = []

    def decide(view: sim.ClusterView) -> list[Allocation]:
        assert view.cluster.outages == ()
        seen.append((view.now_us, view.num_executors, view.num_executors_on, view.num_free))
        (query,) = view.queries
        return [Allocation(each, view.cluster.num_executors) for each in query.schedulable]

    run(
        trace(plan(op(*[10] * 6))),
        decide,
        num_nodes=2,
        executors_per_node=2,
        outages=(Outage(4, 8, executors=(0, 3)), Outage(6, 8, nodes=(1,))),
    )
    assert seen[:4] == [
        (0, 4, [2, 2], 4),
        (4, 2, [1, 1], 0),
        (6, 1, [1, 0], 0),
        (8, 4, [2, 2], 3),
    ]


def test_dry_is_told_again_after_a_loss() -> None:
    # Work orders end at 10 (dry: nothing unclaimed), one is lost at 15 and claimed at once by the
    # idle executor; its end at 25 completes the pipeline.
    simulation = run(
        trace(plan(op(10, 20))), executors_per_node=2, outages=(Outage(15, None, executors=(1,)),)
    )
    asked = [event.time_us for event in log(simulation) if event.kind == "schedule"]
    assert asked == [0, 10, 15]
    assert simulation.records[0].completion_s == 35e-6


def test_the_clairvoyant_view_counts_what_must_run_again() -> None:
    seen = []

    class Watcher:
        is_clairvoyant = True
        decide_in_order = staticmethod(in_order())

        def decide(self, view: sim.ClairvoyantView) -> object:
            (query,) = view.queries
            seen.append((view.now_us, view.true_remaining_us(query)))
            return self.decide_in_order(view)

    cluster = Cluster(executors_per_node=2, outages=(Outage(8, None, executors=(1,)),))
    sim.simulate(trace(plan(op(10, 20, 5))), Watcher(), cluster=cluster)  # type: ignore[arg-type]
    assert seen == [(0, 35.0), (8, 35.0)]


# At random


def test_failures_depend_on_the_seed_alone_and_have_the_rates_they_should() -> None:
    cluster = Cluster(executors_per_node=2, executor_mtbf_us=10_000, mean_repair_us=2_000)
    first = list(itertools.islice(changes(cluster, 7), 8_000))
    assert first == list(itertools.islice(changes(cluster, 7), 8_000))
    assert first != list(itertools.islice(changes(cluster, 8), 8_000))
    stays, repairs = spans(first, 0)
    for sample, mean in ((stays, 10_000), (repairs, 2_000)):
        error = np.std(sample) / np.sqrt(len(sample))
        assert error < mean / 25
        assert abs(np.mean(sample) - mean) < 4 * error
        # Exponential: standard deviation = mean.
        assert np.std(sample) == pytest.approx(mean, rel=0.12)


def spans(found: list[Change], executor: int) -> tuple[list[int], list[int]]:
    """How long an executor was there, and was away, each time."""
    stays, repairs, last_us = [], [], 0
    for change in found:
        for kept, moved in ((stays, change.leaving), (repairs, change.joining)):
            if executor in moved:
                kept.append(change.time_us - last_us)
                last_us = change.time_us
    return stays, repairs


def test_a_node_that_fails_at_random_takes_all_executors_but_those_already_away() -> None:
    cluster = Cluster(
        num_nodes=2,
        executors_per_node=2,
        node_mtbf_us=1_000,
        mean_repair_us=500,
        outages=(Outage(0, None, executors=(3,)),),
    )
    found = list(itertools.islice(changes(cluster, 0), 200))
    assert found[0] == Change(0, (3,), ())
    moved = {moves for change in found[1:] for moves in (change.leaving, change.joining) if moves}
    assert moved == {(0, 1), (2,)}


def test_overlapping_outages_are_one_and_adjoining_ones_no_return() -> None:
    cluster = Cluster(
        executors_per_node=1,
        outages=(
            Outage(10, 30, executors=(0,)),
            Outage(20, 40, nodes=(0,)),
            Outage(40, 50, executors=(0,)),
        ),
    )
    assert list(changes(cluster, 0)) == [Change(10, (0,), ()), Change(50, (), (0,))]


def test_work_orders_longer_than_executors_stay_are_an_error_not_an_endless_run() -> None:
    with pytest.raises(Stalled, match="lost 10,000 work orders and completed none"):
        run(trace(plan(op(10_000))), executors_per_node=1, **FAILING_FAST)


def test_a_scheduler_that_waits_while_executors_come_and_go_is_stalled() -> None:
    waiting = lambda _: ()  # noqa: E731
    with pytest.raises(Stalled, match="the scheduler has scheduled nothing, 10,000 times"):
        run(trace(plan(op(10))), waiting, executors_per_node=1, **FAILING_FAST)


FAILING_FAST = {"executor_mtbf_us": 5, "mean_repair_us": 5}
FAILING = [
    {"executor_mtbf_us": 400, "mean_repair_us": 60},
    {"node_mtbf_us": 900, "mean_repair_us": 100},
    {"executor_mtbf_us": 900, "node_mtbf_us": 2_000, "mean_repair_us": 200},
]


@settings(max_examples=40)
@given(
    traces(),
    clusters(),
    st.sampled_from(FAILING),
    st.sampled_from(sim.scheduler_names(plugins=False)),
    st.integers(0, 2**32),
)
def test_nothing_is_lost_or_done_twice_whatever_fails(
    the_trace: Trace, cluster: Cluster, failing: dict[str, int], scheduler: str, seed: int
) -> None:
    cluster = cluster.replace(**failing)
    result = sim.simulate(the_trace, scheduler, cluster=cluster, seed=seed, record_events=True)
    assert result.events is not None
    completed: dict[tuple[int, int, int], int] = defaultdict(int)
    open_tasks: dict[int, Event] = {}
    for event in result.events:
        task = (event.query_id, event.operator, event.task)
        if event.kind == "start":
            assert completed[task] == 0
            assert task not in {(e.query_id, e.operator, e.task) for e in open_tasks.values()}
            open_tasks[event.executor] = event
        elif event.kind in ("finish", "lose"):
            del open_tasks[event.executor]
            completed[task] += event.kind == "finish"
    assert not open_tasks
    assert set(completed.values()) == {1}
    assert len(result.queries) == len(the_trace.queries)
    again = sim.simulate(the_trace, scheduler, cluster=cluster, seed=seed, record_events=True)
    assert again.events == result.events


@settings(max_examples=50)
@given(traces(), clusters(), st.sampled_from(FAILING), st.integers(0, 99))
def test_random_failures_are_the_same_as_planned_ones(
    the_trace: Trace, cluster: Cluster, failing: dict[str, int], seed: int
) -> None:
    cluster = cluster.replace(outages=(), **failing)
    planned = []
    away: dict[int, int] = {}
    for change in itertools.takewhile(lambda c: c.time_us < 100_000, changes(cluster, seed)):
        away |= dict.fromkeys(change.leaving, change.time_us)
        planned += [Outage(away.pop(e), change.time_us, (e,)) for e in change.joining]
    planned += [Outage(from_us, 200_000, (executor,)) for executor, from_us in away.items()]
    written = cluster.replace(executor_mtbf_us=None, node_mtbf_us=None, outages=tuple(planned))
    drawn = sim.simulate(the_trace, "fair", cluster=cluster, seed=seed, record_events=True)
    same = sim.simulate(the_trace, "fair", cluster=written, seed=seed, record_events=True)
    assert drawn.events == same.events


# What may be given


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"from_us": -1, "executors": (0,)}, "from_us is -1, expected 0 to"),
        ({"from_us": 1.5, "executors": (0,)}, "from_us is 1.5, expected a whole number"),
        ({"from_us": 5, "until_us": 5, "executors": (0,)}, "more than from_us"),
        ({"from_us": 5}, "names no executors and no nodes"),
    ],
)
def test_an_outage_that_cannot_be_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Outage(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"outages": (Outage(0, 1, (8,)),)}, r"outages\[0\]: executors has 8, there are 0 to 7"),
        ({"outages": (Outage(0, 1, nodes=(1,)),)}, r"nodes has 1, there are 0 to 0"),
        ({"outages": (Outage(0, 1, ("a",)),)}, r"executors has 'a', no whole number"),  # type: ignore[arg-type]
        ({"outages": [Outage(0, 1, (0,))]}, "expected a tuple of Outage"),
        ({"outages": ("now",)}, r"outages\[0\] is 'now', expected an Outage"),
        ({"executor_mtbf_us": 0}, "executor_mtbf_us is 0"),
        ({"mean_repair_us": None}, "mean_repair_us is None, expected a number"),
    ],
)
def test_a_cluster_checks_its_outages(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ClusterError, match=message):
        Cluster(**fields)  # type: ignore[arg-type]
