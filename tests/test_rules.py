"""Rules R1-R7: instants, schedulability, schedules, events. Every case can be solved by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from builders import (
    durations,
    give,
    in_order,
    log,
    makespan,
    op,
    plan,
    query_view,
    run,
    script,
    spans,
    times,
    trace,
)

import sim
from sim import (
    Allocation,
    Cluster,
    ClusterView,
    Hold,
    InvalidSchedule,
    Schedule,
    Simulation,
    Stalled,
)

pytestmark = pytest.mark.usefixtures("engine")

SINGLE = plan(op(10), name="single")


def kinds_at(simulation: Simulation, time_us: int) -> list[str]:
    return [event.kind for event in log(simulation) if event.time_us == time_us]


# R1, R2: instants


def test_one_instant_is_completions_then_arrivals_then_one_event_then_starts() -> None:
    # The first query ends at 10, when the second arrives and the timer fires.
    decide = script(give((0, 0), until_us=10))
    simulation = run(trace((SINGLE, 0), (SINGLE, 10)), decide, executors_per_node=1)
    assert kinds_at(simulation, 10) == ["finish", "complete", "arrive", "schedule", "start"]
    assert makespan(simulation) == 20


def test_completions_at_one_instant_come_in_the_order_of_their_starts() -> None:
    # Query 1 is served first, so executor 0 is its; both end at 10.
    simulation = run(trace(SINGLE, SINGLE), give((1, 0), (0, 0)), executors_per_node=2)
    ended = [(e.query_id, e.executor) for e in log(simulation) if e.kind == "finish"]
    assert ended == [(1, 0), (0, 1)]


def test_queries_that_arrive_together_share_one_event_in_the_trace_order() -> None:
    simulation = run(trace(SINGLE, SINGLE, SINGLE), executors_per_node=3)
    assert kinds_at(simulation, 0) == ["arrive"] * 3 + ["schedule"] + ["start"] * 3
    assert simulation.num_schedules == 1  # all complete together: nobody is left to ask for


def test_all_times_are_whole_microseconds() -> None:
    simulation = run(trace(plan(op(7, 9, kind="sort"))), contention=0.0123, executors_per_node=2)
    assert all(type(event.time_us) is int for event in log(simulation))


# R3: the cluster


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_nodes", 0),
        ("executors_per_node", 1.5),
        ("executors_per_node", True),
        ("release", "never"),
        ("move_delay_us", -1),
        ("contention", float("nan")),
        ("contention", "a lot"),
        ("memory_bytes", 0),
        ("network_bytes_per_s", 0),
        ("max_spill_factor", 0.5),
        ("work_orders_per_batch", 0),
    ],
)
def test_a_cluster_that_cannot_exist_is_refused_by_field_name(field: str, value: object) -> None:
    with pytest.raises(sim.ClusterError, match=field):
        Cluster(**{field: value})  # type: ignore[arg-type]


def test_presets_are_as_large_as_their_names_say_and_unknown_ones_suggest_the_closest() -> None:
    sizes = {name: sim.preset(name).num_executors for name in sim.PRESETS}
    assert sizes == {"inmemory-32": 32, "warehouse-4x16": 64, "spark-50": 50}
    with pytest.raises(sim.ClusterError, match="did you mean 'inmemory-32'"):
        sim.preset("inmemory32")


# R4: schedulability and pipelines


def test_an_operator_waits_for_the_whole_of_every_producer() -> None:
    # 0 and 1 take 10 and 30; 2 reads both, one of them without a breaker: as a root it waits too.
    seen = []

    def decide(view: ClusterView) -> list[Allocation]:
        seen.append((view.now_us, [operator.index for operator in view.queries[0].schedulable]))
        return in_order()(view)

    joined = plan(op(10), op(30), op(5), edges="0>2 1-2")
    simulation = run(trace(joined), decide, executors_per_node=2)
    assert seen == [(0, [0, 1]), (10, []), (30, [2])]
    assert makespan(simulation) == 35


@pytest.mark.parametrize(
    ("edges", "degree", "expected"),
    [
        ("0-1 1-2", 1, 1),
        ("0-1 1-2", 2, 2),
        ("0-1 1-2", 3, 3),
        ("0-1 1-2", 99, 3),
        ("0-1 1>2", 99, 2),  # stops at a breaker
        ("0>1 1-2", 99, 1),
        ("0-1 0-2", 99, 1),  # two consumers: the output must be kept
        ("0-1 0>2", 99, 1),
        ("0-1 2-1", 99, 1),  # the other input is not complete
    ],
)
def test_a_pipeline_follows_the_only_output_edge_as_far_as_other_inputs_are_complete(
    edges: str, degree: int, expected: int
) -> None:
    the_plan = plan(op(10), op(10), op(10), edges=edges)
    decide = script(give((0, 0, 9, degree)), then=in_order())
    simulation = run(trace(the_plan), decide, executors_per_node=9)
    first = next(event for event in log(simulation) if event.kind == "start")
    assert (first.operator, first.degree) == (0, expected)


def test_a_pipeline_goes_on_when_the_other_input_has_completed_before_it_starts() -> None:
    # 1 completes at 10; then the pipeline 0-2 takes 10 + 5.
    the_plan = plan(op(10), op(10), op(5), edges="0-2 1>2")
    decide = script(give((0, 1)), give((0, 0, 1, 2)))
    simulation = run(trace(the_plan), decide, executors_per_node=1)
    assert spans(simulation) == [(0, 1, 0, 0, 10), (0, 0, 0, 10, 25)]


def test_a_task_runs_its_share_of_every_members_work_orders() -> None:
    # Root: 3 tasks. Member 1 has 6 work orders: two a task. Member 2 has 2: tasks 1 and 2 run
    # [1*2//3, 2*2//3) = [0, 1) and [1, 2), task 0 none.
    the_plan = plan(op(100, 200, 300), op(1, 2, 3, 4, 5, 6), op(10, 20), edges="0-1 1-2")
    simulation = run(trace(the_plan), in_order(degree=3), executors_per_node=1)
    assert durations(simulation) == [100 + 1 + 2, 200 + 3 + 4 + 10, 300 + 5 + 6 + 20]
    assert simulation.records[0].num_work_orders == 11


def test_the_degree_is_fixed_once_the_pipeline_has_started() -> None:
    # Started with degree 1; a later allocation with degree 2 only adds executors.
    the_plan = plan(op(10, 10, 10, 10), op(5), edges="0-1")
    decide = script(give((0, 0, 1, 1), until_us=5), give((0, 0, 2, 2)))
    simulation = run(trace(the_plan), decide, executors_per_node=2)
    starts = [event for event in log(simulation) if event.kind == "start"]
    assert [(e.time_us, e.operator, e.degree) for e in starts[:2]] == [(0, 0, 1), (5, 0, 1)]
    assert {event.degree for event in starts} == {1}


# R5: who gets a free executor


def test_allocations_are_served_in_order_up_to_the_limit_of_their_query() -> None:
    # Limit 2 for query 1 across both its operators, the other executor goes to query 0.
    two = plan(op(10), op(10, 10), name="two")
    simulation = run(
        trace(plan(op(10, 10, 10)), two),
        give((1, 0, 2), (1, 1, 2), (0, 0, 3)),
        executors_per_node=3,
    )
    at_0 = [(query, root) for query, root, _, start, _ in spans(simulation) if start == 0]
    assert at_0 == [(1, 0), (1, 1), (0, 0)]


def test_an_operator_listed_twice_takes_the_rest_after_the_others() -> None:
    # One executor for query 0, one for query 1, then query 0 again with limit 3.
    wide = plan(op(10, 10, 10, 10))
    simulation = run(trace(wide, wide), give((0, 0, 1), (1, 0, 1), (0, 0, 3)), executors_per_node=4)
    at_0 = [query for query, _, _, start, _ in spans(simulation) if start == 0]
    assert at_0 == [0, 1, 0, 0]


def test_the_schedule_stands_and_serves_executors_that_become_free_later() -> None:
    # One executor, 3 + 1 work orders: at 30 query 0 is dry, but the executor went on at 10 and 20
    # without a scheduling event.
    simulation = run(trace(plan(op(10, 10, 10)), SINGLE), executors_per_node=1)
    assert times(simulation, "schedule") == [0, 30]
    assert times(simulation, "start") == [0, 10, 20, 30]


def test_executors_beyond_the_limits_stay_free() -> None:
    free = []

    def decide(view: ClusterView) -> Schedule:
        free.append(view.num_free)
        return give((0, 0, 1))(view)  # type: ignore[return-value]

    simulation = run(
        trace(plan(op(10, 10)), (SINGLE, 5)), script(decide, decide), executors_per_node=3
    )
    assert free == [3, 2]
    assert durations(simulation) == [10, 10]


def test_a_query_gets_its_local_executors_first_the_last_freed_before_others() -> None:
    # Executors 0, 1 serve query 0 until 10 and 20; executor 2 serves query 1 until 10. At 25 query
    # 0's next operator takes 1 (free since 20), then 0 (since 10), then 2.
    first = plan(op(10, 20), op(4, 4, 4), edges="0>1", name="first")
    decide = script(
        give((0, 0, 2), (1, 0, 1)),
        give(until_us=25),
        give(until_us=25),
        give((0, 1, 3)),
    )
    simulation = run(trace(first, plan(op(10), op(90))), decide, executors_per_node=3)
    taken = [executor for query, root, executor, *_ in spans(simulation) if (query, root) == (0, 1)]
    assert taken == [1, 0, 2]


def test_other_executors_go_by_how_long_they_have_been_free() -> None:
    # Query 0 frees executor 0 at 20 and executor 1 at 10. Query 1 takes 1 before 0.
    decide = script(give((0, 0)), give(), give((1, 0)))
    first = plan(op(20, 10), op(90), edges="0>1", name="first")
    simulation = run(trace(first, plan(op(5, 5))), decide, executors_per_node=2)
    assert [executor for query, _, executor, *_ in spans(simulation) if query == 1] == [1, 0]


def test_executors_on_nodes_where_the_query_has_run_come_before_those_elsewhere() -> None:
    # Nodes {0, 1} and {2, 3}. Query 1 runs on executor 2. At 9 executors 0 and 1 have been free
    # since 5, but 3, just freed by query 2, is on its node.
    first = plan(op(5, 5), op(90), edges="0>1", name="first")
    decide = script(give((0, 0, 2), (1, 0, 1), (2, 0, 1)), give(), give((1, 0, 2)))
    the_trace = trace(first, plan(op(20, 20), name="second"), plan(op(9), name="third"))
    simulation = run(the_trace, decide, num_nodes=2, executors_per_node=2)
    assert [span[2:4] for span in spans(simulation) if span[0] == 1] == [(2, 0), (3, 9)]


def test_held_executors_are_kept_from_other_queries_but_not_from_their_own() -> None:
    # Query 0 used both executors until 10. A hold of 1 leaves one for query 1 at 10; the other
    # waits for query 0, which takes it at 15.
    first = plan(op(10, 10), op(8), edges="0>1", name="first")
    decide = script(
        give((0, 0)),
        give((1, 0), holds={0: 1}, until_us=15),
        give((0, 1), (1, 0), holds={0: 1}),
    )
    simulation = run(trace(first, plan(op(20, 20))), decide, executors_per_node=2)
    assert spans(simulation)[2:] == [(1, 0, 0, 10, 30), (0, 1, 1, 15, 23), (1, 0, 1, 23, 43)]


def test_a_hold_keeps_only_executors_that_are_local_to_its_query() -> None:
    decide = give((1, 0), (0, 0), holds={0: 2})
    simulation = run(trace(SINGLE, plan(op(10, 10))), decide, executors_per_node=2)
    assert times(simulation, "start") == [0, 0, 10]  # nobody is local to query 0 yet


def test_until_us_asks_again_at_that_time_and_is_forgotten_when_answered_earlier() -> None:
    # Timer at 4; then one for 8 is replaced at 6, when a query arrives.
    decide = script(give((0, 0), until_us=4), give((0, 0), until_us=8), give((0, 0), (1, 0)))
    simulation = run(trace((SINGLE, 0), (SINGLE, 6)), decide, executors_per_node=1)
    assert times(simulation, "schedule") == [0, 4, 6, 10]


def test_an_empty_schedule_waits() -> None:
    decide = script(give(until_us=7), in_order())
    assert makespan(run(trace(SINGLE), decide)) == 17


# R6: scheduling events, release, stalling


def test_an_operator_that_completes_and_a_pipeline_that_runs_dry_are_events_once() -> None:
    # Executors 0, 1 on 4 work orders of 10, 12, 20, 30: dry at 32 (0 ends 10 and 30, 1 ends 12 and
    # 42: the first completion without an unclaimed task is at 30), complete at 42.
    the_plan = plan(op(10, 12, 20, 30), op(5), edges="0>1")
    simulation = run(trace(the_plan), executors_per_node=2)
    assert times(simulation, "schedule") == [0, 30, 42]


def test_three_completions_after_the_last_claim_are_one_dry_event() -> None:
    # Three executors end at 10, 20, 30 with nothing unclaimed: dry at 10, complete at 30.
    simulation = run(trace(plan(op(10, 20, 30), op(1), edges="0>1")), executors_per_node=3)
    assert times(simulation, "schedule") == [0, 10, 30]


@pytest.mark.parametrize("release", ["work-order", "pipeline"])
@pytest.mark.parametrize("last_us", [10, 11])
def test_running_dry_does_not_depend_on_whether_completions_coincide(
    release: str, last_us: int
) -> None:
    # At 10 (and 10 or 11) both executors go on with the last two tasks. The first completion that
    # finds nothing unclaimed is at 30, whether or not the two ended together before.
    the_plan = plan(op(10, last_us, 20, 40), op(5), edges="0>1")
    simulation = run(trace(the_plan), executors_per_node=2, release=release)
    assert times(simulation, "schedule") == [0, 30, last_us + 40]


def test_the_last_query_completes_without_asking_anybody() -> None:
    simulation = run(trace(SINGLE, (SINGLE, 50)))
    assert times(simulation, "schedule") == [0, 50]


def test_after_each_work_order_an_executor_may_change_but_a_sticky_one_stays() -> None:
    # Query 1 arrives at 5 and is preferred: at 10, or after all three work orders at 30.
    the_trace = trace((plan(op(10, 10, 10)), 0), (SINGLE, 5))
    first_choice = give((1, 0), (0, 0))
    free = run(the_trace, first_choice, executors_per_node=1, release="work-order")
    sticky = run(the_trace, first_choice, executors_per_node=1, release="pipeline")
    assert [span[3] for span in spans(free) if span[0] == 1] == [10]
    assert [span[3] for span in spans(sticky) if span[0] == 1] == [30]


def test_sticky_executors_stay_even_when_their_query_is_over_its_limit_or_unscheduled() -> None:
    decide = script(give((0, 0, 2)), give((1, 0, 1)))
    simulation = run(
        trace((plan(op(10, 10, 10, 10)), 0), (SINGLE, 5)),
        decide,
        executors_per_node=2,
        release="pipeline",
    )
    assert [span[3] for span in spans(simulation) if span[0] == 0] == [0, 0, 10, 10]


def test_published_spark_run_of_tpch_q6_alone_takes_exactly_20_857_s() -> None:
    # 58 tasks of 3.067 s, then 1 of 0.455 s, on 10 executors that move once for 2 s:
    # 2 + ceil(58 / 10) * 3.067 + 0.455 = 20.857.
    q6 = plan(op(3_067_000, count=58, kind="stage"), op(455_000, kind="stage"), edges="0>1")
    simulation = run(trace(q6), executors_per_node=10, release="pipeline", move_delay_us=2_000_000)
    assert makespan(simulation) == 20_857_000
    assert simulation.records[0].latency_s == 20.857
    assert simulation.records[0].delay_s == 20.0  # all ten moved


def test_nothing_scheduled_with_nothing_running_or_coming_stalls_and_says_who_is_left() -> None:
    with pytest.raises(Stalled, match=r"1 queries \(query_id 0\)"):
        run(trace(SINGLE), give())


def test_timers_that_never_lead_anywhere_stall_instead_of_running_forever() -> None:
    with pytest.raises(Stalled):
        run(trace(SINGLE), lambda view: Schedule([], until_us=view.now_us + 1))


def test_waiting_for_an_arrival_is_not_stalling() -> None:
    decide = script(give())
    assert makespan(run(trace((SINGLE, 0), (SINGLE, 100)), decide, executors_per_node=1)) == 120


# R7: illegal schedules

Make = Callable[[ClusterView], Any]


def waiting(view: ClusterView) -> sim.OperatorView:
    return query_view(view).operators[1]


def ready(view: ClusterView) -> sim.OperatorView:
    return query_view(view).operators[0]


ILLEGAL: dict[str, tuple[Make, str]] = {
    "waits for a producer": (
        lambda view: [Allocation(waiting(view), 1)],
        r"R4: .*operator 1 .*waits for operators 0; allowed: .*: 0",
    ),
    "limit of zero": (lambda view: [Allocation(ready(view), 0)], r"R5: .*is 0; allowed: 1 to 2"),
    "limit too large": (lambda view: [Allocation(ready(view), 3)], r"R5: .*is 3; allowed: 1 to 2"),
    "limit not a number": (lambda view: [Allocation(ready(view), "2")], r"R5: .*'2'"),  # type: ignore[arg-type]
    "limit a truth value": (lambda view: [Allocation(ready(view), True)], r"R5: .*True"),
    "limit a float": (lambda view: [Allocation(ready(view), 1.0)], r"R5: .*1\.0"),  # type: ignore[arg-type]
    "degree of zero": (
        lambda view: [Allocation(ready(view), 1, 0)],
        r"R5: pipeline_degree is 0; allowed: 1 or more",
    ),
    "not an allocation": (lambda view: [(ready(view), 1)], r"R5: .*allowed: Allocation"),
    "not an operator": (lambda view: [Allocation(0, 1)], r"R5: .*allowed: an operator"),  # type: ignore[arg-type]
    "a number": (lambda view: 5, r"R5: decide\(\) returned 5"),
    "nothing": (lambda view: None, r"R5: decide\(\) returned None"),
    "hold without a query": (lambda view: Schedule([], [3]), r"R5: a hold is 3"),  # type: ignore[list-item]
    "hold of -1": (lambda view: Schedule([], [Hold(query_view(view), -1)]), r"R5: .*-1.*0 to 2"),
    "hold of 3": (lambda view: Schedule([], [Hold(query_view(view), 3)]), r"R5: .*3.*0 to 2"),
    "timer now": (lambda view: Schedule([], until_us=view.now_us), r"R5: until_us .*after now"),
    "timer of text": (lambda view: Schedule([], until_us="soon"), r"R5: until_us"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", ILLEGAL)
def test_an_illegal_schedule_names_rule_given_and_allowed_and_changes_nothing(name: str) -> None:
    make, message = ILLEGAL[name]
    the_trace = trace(plan(op(10), op(5), edges="0>1"))
    simulation = Simulation(the_trace, Cluster(executors_per_node=2), record_events=True)
    view = simulation.next_event()
    assert view is not None
    before = list(log(simulation))
    with pytest.raises(InvalidSchedule, match=message):
        simulation.apply(make(view))
    assert log(simulation) == before
    assert view.num_free == 2
    while view is not None:  # it waits for another answer, and goes on as if nothing had been
        simulation.apply(in_order()(view))
        view = simulation.next_event()
    assert log(simulation) == log(run(the_trace, executors_per_node=2))


def test_a_running_or_complete_operator_and_a_query_that_has_left_are_refused() -> None:
    kept: list[ClusterView] = []
    operators: list[sim.OperatorView] = []

    def decide(view: ClusterView) -> list[Allocation]:
        kept.append(view)
        if not operators:
            operators.extend(query_view(view).operators)
        return in_order()(view)

    simulation = Simulation(trace((SINGLE, 0), (SINGLE, 5), (SINGLE, 30)), Cluster())
    for expected in ("no unclaimed work orders", "a query in the system"):
        view = simulation.next_event()
        assert view is not None
        simulation.apply(decide(view))
        view = simulation.next_event()
        assert view is not None
        with pytest.raises(InvalidSchedule, match=f"R4: .*{expected}"):
            simulation.apply([Allocation(operators[0], 1)])
        simulation.apply(in_order()(view))


def test_a_view_of_another_simulation_is_refused() -> None:
    first, second = (Simulation(trace(SINGLE), Cluster()) for _ in range(2))
    foreign = first.next_event()
    assert foreign is not None
    assert second.next_event() is not None
    with pytest.raises(InvalidSchedule, match=r"R4: .*a query in the system"):
        second.apply(in_order()(foreign))
    with pytest.raises(InvalidSchedule, match=r"R5: a hold .*in the system"):
        second.apply(Schedule([], [Hold(foreign.queries[0], 1)]))


def test_a_member_of_a_running_pipeline_is_refused_as_a_root() -> None:
    simulation = Simulation(trace(plan(op(10), op(5), edges="0-1"), (SINGLE, 3)), Cluster())
    view = simulation.next_event()
    assert view is not None
    simulation.apply([Allocation(query_view(view).operators[0], 1, 2)])
    view = simulation.next_event()
    assert view is not None
    with pytest.raises(InvalidSchedule, match="runs in the pipeline of operator 0"):
        simulation.apply([Allocation(query_view(view).operators[1], 1)])


def test_next_event_and_apply_must_take_turns() -> None:
    simulation = Simulation(trace(SINGLE), Cluster())
    with pytest.raises(RuntimeError, match="next_event"):
        simulation.apply([])
    simulation.next_event()
    with pytest.raises(RuntimeError, match="apply"):
        simulation.next_event()


def test_a_generator_is_a_schedule() -> None:
    simulation = run(trace(SINGLE), lambda view: (a for a in in_order()(view)))  # type: ignore[union-attr]
    assert makespan(simulation) == 10


def test_seeds_that_cannot_be_are_refused() -> None:
    for seed in (-1, 2**63, 1.0, True):
        with pytest.raises(ValueError, match="seed"):
            Simulation(trace(SINGLE), Cluster(), seed)  # type: ignore[arg-type]
