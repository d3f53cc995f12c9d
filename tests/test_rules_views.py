"""Rule R10: what schedulers see, by hand: progress, estimates, observations, history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from builders import give, in_order, op, plan, query_view, run, script, trace

import sim
from sim import ClairvoyantView, Cluster, ClusterView, History, PlanHistory, Simulation
from sim.simpy_engine.engine import SimpyEngine
from traces import Query, Trace, Wave

pytestmark = pytest.mark.usefixtures("engine")


def ask(
    the_trace: Trace,
    question: Callable[[ClusterView], Any],
    *steps: Any,
    history: History | bool = True,
    **cluster: object,
) -> list[Any]:
    """Answers to ``question`` at each scheduling event of a run."""
    answers: list[Any] = []
    decide = script(*steps)

    def watching(view: ClusterView) -> Any:
        answers.append(question(view))
        return decide(view)

    run(the_trace, watching, history=history, **cluster)
    return answers


def operator(view: ClusterView, index: int = 0, query: int = 0) -> sim.OperatorView:
    return query_view(view, query).operators[index]


def test_counters_of_executors_and_work_orders() -> None:
    # 5 work orders on 2 executors; asked at 0 and at 25: 4 started (0, 0, 10, 20), 2 of them done
    # at 10 and 20.
    def question(view: ClusterView) -> tuple[int, ...]:
        first = operator(view)
        return (
            view.num_free,
            query_view(view).num_executors,
            first.num_unclaimed,
            first.num_running,
            first.num_done,
            first.num_executors,
        )

    answers = ask(
        trace(plan(op(10, 20, 90, 90, 90))),
        question,
        give((0, 0), until_us=25),
        executors_per_node=2,
    )
    assert answers[:2] == [(2, 0, 5, 0, 0, 0), (0, 2, 1, 2, 2, 2)]


def test_flags_and_pipelines_of_operators() -> None:
    def question(view: ClusterView) -> Any:
        return [
            (o.is_schedulable, o.is_started, o.is_complete, [m.index for m in o.pipeline])
            for o in query_view(view).operators
        ]

    answers = ask(
        trace(plan(op(10), op(10), op(5), edges="0>1 1-2")), question, executors_per_node=1
    )
    assert answers[0] == [
        (True, False, False, [0]),
        (False, False, False, [1, 2]),
        (False, False, False, [2]),
    ]
    assert answers[1][:2] == [(False, True, True, [0]), (True, False, False, [1, 2])]
    assert answers[2][2] == (True, False, False, [2])  # 1 ran alone: degree 1


def test_edges_are_seen_from_both_ends() -> None:
    def question(view: ClusterView) -> Any:
        last = operator(view, 2)
        producers = [(o.index, last.is_breaking(o)) for o in last.producers]
        return producers, [o.index for o in operator(view, 0).consumers]

    answers = ask(trace(plan(op(1), op(1), op(1), edges="0>2 1-2")), question)
    assert answers[0] == ([(0, True), (1, False)], [2])


def test_local_free_executors_age_and_start_are_those_of_the_query() -> None:
    def question(view: ClusterView) -> Any:
        query = query_view(view)
        return view.now_us, query.age_us, query.num_local_free, query.is_started

    first = plan(op(10, 10), op(5), edges="0>1")
    answers = ask(trace((first, 3)), question, executors_per_node=3)
    assert answers == [(3, 0, 0, False), (13, 10, 2, True)]


def test_estimates_come_from_the_trace_and_the_true_mean_stands_in_where_it_has_none() -> None:
    estimated = op(10, 30, est_work_order_us=7)
    unknown = op(10, 30, count=4)
    answers = ask(
        trace(plan(estimated, unknown)),
        lambda view: (
            [o.est_work_order_us for o in query_view(view).operators],
            query_view(view).est_remaining_us,
        ),
    )
    assert answers[0] == ([7.0, 20.0], 2 * 7.0 + 4 * 20.0)


def test_the_size_factor_is_visible_and_the_time_factor_is_not() -> None:
    sized = plan(op(10, count=2, est_work_order_us=10, state_bytes=100, est_state_bytes=60))

    def question(view: ClusterView) -> Any:
        query = query_view(view)
        return query.size_factor, query.est_remaining_us, query.est_state_bytes

    assert ask(trace(sized, size_factor=3.0), question)[0] == (3.0, 60.0, 180)
    assert ask(trace(sized, time_factor=3.0), question)[0] == (1.0, 20.0, 60)


def test_a_batch_multiplies_the_estimate_of_a_work_order() -> None:
    answers = ask(
        trace(plan(op(10, count=6, est_work_order_us=5))),
        lambda view: (operator(view).est_work_order_us, operator(view).remaining_us()),
        work_orders_per_batch=3,
    )
    assert answers[0] == (15.0, 30.0)


def test_bytes_are_estimates_with_the_truth_where_there_is_none() -> None:
    answers = ask(
        trace(plan(op(1, output_bytes=10, est_output_bytes=99, state_bytes=20))),
        lambda view: (operator(view).est_output_bytes, operator(view).est_state_bytes),
    )
    assert answers[0] == (99, 20)


def test_critical_paths_add_up_the_heaviest_work_to_the_end() -> None:
    # 0 (10) and 1 (100) feed 2 (1); 1 also feeds 3 (30).
    the_plan = plan(op(10), op(100), op(1), op(30), edges="0>2 1-2 1>3")
    answers = ask(trace(the_plan), lambda view: query_view(view).critical_paths_us())
    assert answers[0] == [11.0, 130.0, 1.0, 30.0]


def test_observations_replace_the_estimate_by_the_running_mean() -> None:
    # Estimate 5. One executor: at 35, 10 and 20 are done (mean 15), 2 of 4 left.
    answers = ask(
        trace(plan(op(10, 20, 90, 90, est_work_order_us=5))),
        lambda view: (
            operator(view).work_order_us("observed"),
            operator(view).remaining_us("observed"),
        ),
        give((0, 0), until_us=35),
        executors_per_node=1,
    )
    assert answers[:2] == [(5.0, 20.0), (15.0, 30.0)]


@pytest.mark.parametrize("unrun_us", [10, 1000])
def test_observations_of_a_pipeline_do_not_know_what_has_not_run(unrun_us: int) -> None:
    # At 20, one task of each member (10 + 10) is done; the last of operator 1 never shows.
    answers = ask(
        trace(plan(op(10, 10, 10), op(10, 10, unrun_us), edges="0-1")),
        lambda view: [query_view(view).work_order_us(o, "observed") for o in (0, 1)],
        give((0, 0, 1, 2), until_us=20),
        executors_per_node=1,
    )
    assert answers[1] == [10.0, 10.0]


def test_observed_times_leave_out_moves() -> None:
    answers = ask(
        trace(plan(op(10, 20, 90, 90))),
        lambda view: query_view(view).observed_busy_us(0),
        give((0, 0), until_us=50),
        executors_per_node=1,
        move_delay_us=8,
    )
    assert answers[1] == 30.0


def test_a_pipelines_time_is_attributed_by_the_members_own_work() -> None:
    # Work 40 and 20, slowed to 90 in all by contention 0.5 on two executors: 60 and 30.
    fused = plan(op(20, 20, contention=0.5), op(10, 10, contention=0.5), op(1), edges="0-1 1>2")
    answers = ask(
        trace(fused),
        lambda view: [query_view(view).observed_busy_us(index) for index in (0, 1)],
        give((0, 0, 2, 2)),
        executors_per_node=2,
    )
    assert answers[1] == [60.0, 30.0]


def repeated() -> Trace:
    """The same plan at 0 and 1000, estimate 5, true times 10 and 30."""
    again = plan(op(10, 30, est_work_order_us=5), name="again")
    return trace((again, 0), (again, 1000))


def test_history_is_the_mean_over_completed_queries_of_the_plan() -> None:
    def question(view: ClusterView) -> Any:
        query = view.queries[-1]
        count = query.history.num_completed if query.history else None
        return count, query.work_order_us(0, "history"), query.remaining_us("history")

    answers = ask(repeated(), question, executors_per_node=1)  # asked when one arrives
    assert answers == [(None, 5.0, 10.0), (1, 20.0, 40.0)]


def test_history_is_of_the_template_where_it_ran_before_else_of_the_plan() -> None:
    one = plan(op(10), name="one")
    submissions = [("slow", 3.0), ("fast", 0.5), ("slow", 3.0), ("new", 1.0), ("", 1.0)]
    queries = tuple(
        Query(query_id=i, plan="one", arrival_us=1000 * i, template=template, time_factor=factor)
        for i, (template, factor) in enumerate(submissions)
    )
    the_trace = Trace(name="t", plans=(one,), queries=queries)

    def question(view: ClusterView) -> Any:
        query = view.queries[-1]
        assert query.template == submissions[query.query_id][0]
        return query.work_order_us(0, "history")

    answers = ask(the_trace, question, executors_per_node=1)
    # The first has only its estimate; "slow" has run once when it comes again; "new" and no
    # template at all get the mean of what ran before them: (30 + 5 + 30) / 3, (65 + 10) / 4.
    assert answers == [10.0, 30.0, 30.0, pytest.approx(65 / 3), 75 / 4]


def test_history_can_be_switched_off_and_passed_on_unchanged_to_another_run() -> None:
    def question(view: ClusterView) -> Any:
        return view.queries[-1].history is None, view.queries[-1].work_order_us(0, "history")

    off = ask(repeated(), question, history=False, executors_per_node=1)
    assert off == [(True, 5.0), (True, 5.0)]

    first = run(repeated())
    known = first.history
    assert ask(repeated(), question, history=known)[0] == (False, 20.0)
    assert known.plans["again"].num_completed == 2  # the second run had its own copy


def test_estimates_of_plans_that_never_ran_are_corrected_by_those_that_did() -> None:
    # "again" was estimated at 10 and took 40: × 4 for the other, until it has observations.
    other = plan(op(50, 70, est_work_order_us=6), name="other")
    again = plan(op(10, 30, est_work_order_us=5), name="again")
    the_trace = trace((again, 0), (other, 1000))

    def question(view: ClusterView) -> float:
        return view.queries[-1].work_order_us(0, "history")

    answers = ask(
        the_trace, question, in_order(), give((1, 0), until_us=1060), executors_per_node=1
    )
    assert answers[-2:] == [24.0, 50.0]
    assert ask(the_trace, question, history=False, executors_per_node=1)[-1] == 6.0


def test_clairvoyance_of_a_profile_takes_later_waves() -> None:
    waves = (Wave(num_executors=1, fresh=(900,), rest=(100,)),)
    simulation = Simulation(trace(plan(op(7, count=5, waves=waves))), Cluster())
    assert simulation.next_event() is not None
    clairvoyant = ClairvoyantView(simulation.engine)
    assert clairvoyant.true_remaining_us(clairvoyant.queries[0]) == 5 * 100


def test_estimates_of_batched_work_orders_count_what_is_in_them() -> None:
    # Batches of 32: one work order of 1, and of 33 one of 32 and one of 1.
    the_trace = trace(plan(op(100), op(100, count=33), edges="0>1"))
    simulation = Simulation(the_trace, Cluster(work_orders_per_batch=32))
    view = simulation.next_event()
    assert view is not None
    assert query_view(view).operator_remaining_us() == [100.0, 3300.0]


def test_a_history_of_other_plans_is_refused() -> None:
    history = sim.simulate(trace(plan(op(1))), "fifo").history
    with pytest.raises(ValueError, match="has 1 operators, the trace's plan 2"):
        Simulation(trace(plan(op(1), op(1))), Cluster(), history=history)


def test_timers_that_are_set_again_do_not_pile_up_and_end_with_the_last_query() -> None:
    many = trace(*[(plan(op(1)), 10 * at) for at in range(50)])
    simulation = Simulation(many, Cluster())
    while (view := simulation.next_event()) is not None:
        simulation.apply(give(*[(q.query_id, 0) for q in view.queries], until_us=10**9)(view))
    assert simulation.now_us == 491
    if isinstance(simulation.engine, SimpyEngine):
        assert len(simulation.engine._agenda._armed_us) <= 1


def test_clairvoyance_is_a_view_of_its_own() -> None:
    # Base 10, 30 × 2 of which the first is done at 25, and 6 × 2 of the next operator.
    assert not hasattr(ClusterView, "true_remaining_us")
    the_trace = trace(plan(op(10, 30), op(6), edges="0>1"), time_factor=2.0)
    simulation = Simulation(the_trace, Cluster(executors_per_node=1))
    view = simulation.next_event()
    assert view is not None
    clairvoyant = ClairvoyantView(simulation.engine)
    assert clairvoyant.true_remaining_us(clairvoyant.queries[0]) == 20 + 60 + 12
    simulation.apply(give((0, 0), until_us=25)(view))
    assert simulation.next_event() is not None
    # The work order of 60 runs; a running one counts in full.
    assert clairvoyant.true_remaining_us(clairvoyant.queries[0]) == 60 + 12


def test_only_schedulers_marked_clairvoyant_are_given_that_view() -> None:
    given: list[type] = []

    class Ordinary:
        def decide(self, view: ClusterView) -> Any:
            given.append(type(view))
            return in_order()(view)

    class Seer(Ordinary):
        is_clairvoyant = True

    sim.simulate(repeated(), Ordinary())
    assert set(given) == {ClusterView}
    given.clear()
    sim.simulate(repeated(), Seer())
    assert set(given) == {ClairvoyantView}


def test_an_error_of_the_scheduler_names_it_and_the_place() -> None:
    class Broken:
        def decide(self, view: ClusterView) -> Any:
            raise KeyError("oops")

    with pytest.raises(sim.SchedulerError, match=r"'Broken' raised KeyError: 'oops' \(test_rules"):
        sim.simulate(repeated(), Broken())


def test_the_summary_is_worked_out_from_the_records() -> None:
    # Two executors with a move of 5: query 0 runs 10 and 30, so 5 + 30; query 1 the same at 1000.
    result = sim.simulate(
        repeated(), "fifo", cluster=Cluster(executors_per_node=2, move_delay_us=5)
    )
    summary = result.summary()
    assert summary["mean_latency_s"] == pytest.approx(35e-6)
    assert summary["p50_latency_s"] == summary["p99_latency_s"] == pytest.approx(35e-6)
    assert summary["makespan_s"] == pytest.approx(1035e-6)
    assert summary["work_s"] == pytest.approx(80e-6)
    assert summary["utilization"] == pytest.approx((80 + 20) / (2 * 1035))
    assert summary["mean_slowdown"] == pytest.approx(35 / 30)
    assert summary["num_queries"] == 2
    assert summary["num_work_orders"] == 4
    assert summary["num_schedules"] == result.num_schedules


@pytest.mark.parametrize(
    ("num_executors", "expected"),
    [(1, 210), (2, 160), (99, 160)],  # work 210 ÷ 1; then 50 + 100 + 10 one after the other
)
def test_slowdown_is_against_the_longest_chain_or_the_work_per_executor(
    num_executors: int, expected: int
) -> None:
    # 0 (50, 50) streams into 1 (100), which 2 (10) waits for. Together in a pipeline the one work
    # order of 1 is in a task of 0, so after 50 of it; otherwise 1 waits for 0.
    the_plan = plan(op(50, 50), op(100), op(10), edges="0-1 1>2")
    one_at_a_time = in_order(limit=1, degree=9)
    record = run(trace(the_plan), one_at_a_time, executors_per_node=num_executors).records[0]
    assert record.isolated_s == pytest.approx(expected * 1e-6)
    assert record.slowdown == pytest.approx(210 / expected)


def test_a_history_without_runs_is_refused() -> None:
    history = History({"plan": PlanHistory(0, [0.0], [1])})
    with pytest.raises(ValueError, match="plan 'plan' has 0 completed runs, expected 1 or more"):
        Simulation(trace(plan(op(1))), Cluster(), history=history)
