"""What each rule orders first, on cases small enough to solve by hand."""

from __future__ import annotations

import gc
import math
import weakref

import pytest
from builders import op, plan, trace

from sim import (
    ClairvoyantView,
    Cluster,
    Schedule,
    Scheduler,
    Simulation,
    UnknownScheduler,
    make_scheduler,
)
from sim.schedulers.common import FreshRun, rounded_shares
from sim.schedulers.hesrpt import hesrpt_shares
from sim.schedulers.pipelining import cached_bytes
from sim.schedulers.priced import best_count
from sim.schedulers.short import ShortQueries
from sim.schedulers.stride import Stride
from traces import Operator, Plan, Query, Trace

pytestmark = pytest.mark.usefixtures("engine")

MB = 1024**2


def completions(
    the_trace: Trace, scheduler: str | Scheduler, num_executors: int = 1, **cluster: object
) -> dict[int, int]:
    """Completion time of each query, µs."""
    simulation, policy = start(the_trace, scheduler, num_executors, **cluster)
    view = ClairvoyantView(simulation.engine) if getattr(policy, "is_clairvoyant", False) else None
    while (asked := simulation.next_event()) is not None:
        simulation.apply(policy.decide(view or asked))
    return {e.query_id: e.time_us for e in simulation.events or () if e.kind == "complete"}


def start(
    the_trace: Trace, scheduler: str | Scheduler, num_executors: int = 1, **cluster: object
) -> tuple[Simulation, Scheduler]:
    configured = Cluster(executors_per_node=num_executors, **cluster)  # type: ignore[arg-type]
    policy = make_scheduler(scheduler, seed=0) if isinstance(scheduler, str) else scheduler
    return Simulation(the_trace, configured, record_events=True), policy


def first_limits(
    the_trace: Trace, scheduler: str, num_executors: int, **cluster: object
) -> list[tuple[int, int]]:
    """(query, limit) of each allocation of the first schedule."""
    simulation, policy = start(the_trace, scheduler, num_executors, **cluster)
    view = simulation.next_event()
    assert view is not None
    schedule = policy.decide(view)
    allocations = getattr(schedule, "allocations", schedule)
    return [(a.operator.query.query_id, a.num_executors) for a in allocations]


def single(name: str, time_us: int, count: int = 1, **fields: object) -> Plan:
    return plan(op(time_us, count=count, **fields), name=name)


LONG, SHORT = single("long", 10, 8), single("short", 10, 2)


def test_fifo_runs_queries_in_order_of_arrival() -> None:
    assert completions(trace(LONG, SHORT), "fifo", 2) == {0: 40, 1: 50}


def test_fair_gives_each_query_the_same_number_of_executors() -> None:
    # Two each: the short one ends at 10, then the long one, with 6 left, has all four.
    assert completions(trace(LONG, SHORT), "fair", 4) == {0: 30, 1: 10}


def test_fair_shares_what_is_spare_or_leaves_it_idle() -> None:
    queries = trace(single("wide", 10, 6), single("narrow", 30))
    assert completions(queries, "fair:spare=share", 4) == {0: 20, 1: 30}
    assert completions(queries, "fair:spare=idle", 4) == {0: 30, 1: 30}


def test_fair_takes_executors_back_or_leaves_them_with_their_query() -> None:
    queries = Trace(
        name="late",
        plans=(LONG, SHORT),
        queries=(
            Query(query_id=0, plan="long", arrival_us=0),
            Query(query_id=1, plan="short", arrival_us=5),
        ),
    )
    assert completions(queries, "fair:spare=idle", 4) == {0: 30, 1: 20}
    assert completions(queries, "fair:spare=idle+held=keep", 4) == {0: 20, 1: 30}


def test_fair_rounds_its_limit_up() -> None:
    assert first_limits(trace(LONG, LONG, LONG), "fair:spare=idle", 4) == [(0, 2), (1, 2), (2, 2)]


def test_weighted_fair_follows_a_power_of_the_work() -> None:
    queries = trace(single("three", 30, 10), single("one", 10, 10))  # work 300 and 100
    limits = {
        alpha: first_limits(queries, f"weighted-fair:alpha={alpha}+spare=idle", 13)
        for alpha in (-1, 0, 1, 2)
    }
    # Thirteen in proportion 1:3, 1:1, 3:1, 9:1.
    assert limits == {
        -1: [(0, 3), (1, 10)],
        0: [(0, 7), (1, 6)],
        1: [(0, 10), (1, 3)],
        2: [(0, 12), (1, 1)],
    }


def test_weighted_fair_leaves_one_executor_to_the_lightest() -> None:
    queries = trace(single("heavy", 99, 10), single("light", 1, 10))
    assert first_limits(queries, "weighted-fair:alpha=1+spare=idle", 4) == [(0, 3), (1, 1)]


def test_shares_are_rounded_to_the_sum() -> None:
    assert rounded_shares([1, 1, 1], 10) == [4, 3, 3]
    assert rounded_shares([0.5, 0.3, 0.2], 3) == [1, 1, 1]
    assert rounded_shares([9, 1], 10, minimum=1) == [9, 1]
    assert rounded_shares([100, 1, 1], 10, minimum=1) == [8, 1, 1]  # 9.8, 0.1, 0.1
    assert rounded_shares([5, 5, 0, 0], 6, minimum=1) == [2, 2, 1, 1]  # of equals, the last gives
    assert rounded_shares([1.0, 0.0], 4, minimum=1) == [3, 1]
    assert rounded_shares([1.0, 1.0, 1.0], 2, minimum=1) == [1, 1, 1]
    assert rounded_shares([0.0, 0.0], 2) == [1, 1]
    assert rounded_shares([], 5) == []


def test_round_robin_moves_the_turn_on_at_each_event() -> None:
    # Operators of one work order: each completion passes the turn to the next query.
    chain = plan(op(10), op(10), edges="0>1", name="chain")
    assert completions(trace(chain, chain, chain), "round-robin") == {0: 40, 1: 50, 2: 60}


def test_round_robin_takes_turns_in_the_order_of_the_trace() -> None:
    # All arrive at 0; the trace has query 2 first, then 0, then 1.
    two = plan(op(10), op(10), edges="0>1", name="chain")
    queries = tuple(Query(query_id=key, plan=two.name, arrival_us=0) for key in (2, 0, 1))
    the_trace = Trace(name="ties", plans=(two,), queries=queries)
    assert completions(the_trace, "round-robin") == {2: 40, 0: 50, 1: 60}


def test_random_depends_on_its_seed_alone() -> None:
    queries = trace(*[single(f"p{i}", 10 + i) for i in range(6)])
    orders = [tuple(completions(queries, f"random:seed={seed}")) for seed in (1, 1, 2, 3)]
    assert orders[0] == orders[1]
    assert len(set(orders)) > 1


def test_sjf_takes_the_shortest_but_does_not_interrupt() -> None:
    queries = trace((single("long", 10, 5), 0), (single("short", 10, 1), 5))
    assert completions(queries, "sjf") == {0: 50, 1: 60}
    assert completions(trace(LONG, SHORT), "sjf") == {1: 20, 0: 100}


def test_srpt_interrupts_between_work_orders() -> None:
    queries = trace((single("long", 10, 5), 0), (single("short", 10, 1), 5))
    assert completions(queries, "srpt") == {1: 20, 0: 60}


def test_srpt_goes_by_what_is_left_and_not_by_the_total() -> None:
    # At 35 the long one has 1 of 5 left and one runs; the short one has 2.
    queries = trace((single("long", 10, 5), 0), (single("short", 10, 2), 35))
    assert completions(queries, "srpt") == {0: 50, 1: 70}


@pytest.mark.parametrize(
    ("limit", "expected"), [("cap=0.5", 2), ("share=1", 2), ("share=0.5", 1), ("cap=0", 1)]
)
def test_srpt_limits_a_query(limit: str, expected: int) -> None:
    queries = trace(LONG, SHORT)
    wanted = [(1, expected), (0, expected)]
    assert first_limits(queries, f"srpt:{limit}+spare=idle", 4) == wanted
    assert first_limits(queries, f"srpt:{limit}", 4) == [*wanted, (1, 4), (0, 4)]


def test_srpt_takes_one_kind_of_limit() -> None:
    with pytest.raises(UnknownScheduler, match=r"cap is 0.5 and share is 1.0, expected one"):
        make_scheduler("srpt:cap=0.5+share=1")


def test_oracle_sees_the_true_times_where_srpt_believes_the_estimates() -> None:
    queries = trace(
        single("looks-short", 50, est_work_order_us=5), single("is-short", 10, est_work_order_us=9)
    )
    assert completions(queries, "srpt") == {0: 50, 1: 60}
    assert completions(queries, "oracle-srpt") == {1: 10, 0: 60}


def test_oracle_needs_its_view() -> None:
    simulation, policy = start(trace(SHORT), "oracle-srpt")
    view = simulation.next_event()
    assert view is not None
    with pytest.raises(TypeError, match="ClairvoyantView"):
        policy.decide(view)


def test_critical_path_starts_what_most_work_waits_for() -> None:
    # From 0 it is 15 to the end, from 1 it is 35.
    shape = plan(op(10), op(10), op(20), op(5), edges="0>3 1>2 2>3")
    assert started(trace(shape), "critical-path") == [1, 2, 0, 3]
    assert started(trace(shape), "fifo") == [0, 1, 2, 3]


def test_critical_path_pipelining_starts_the_heaviest_pipeline() -> None:
    # Pipelines {0} of 15 and {1, 2} of 10 + 10; the path from 0 is longer.
    shape = plan(op(15), op(10), op(10), op(40), edges="0>3 1-2")
    assert started(trace(shape), "critical-path-pipelining") == [1, 0, 3]
    assert started(trace(shape), "critical-path") == [0, 3, 1]


@pytest.mark.parametrize(
    "rule",
    [
        "fifo",
        "fair",
        "weighted-fair",
        "srpt",
        "srpt:size=history",
        "hesrpt",
        "reserve",
        "oracle-srpt",
    ],
)
def test_the_shortest_operator_first_builds_before_it_probes(rule: str) -> None:
    # A scan of 20 that probes, in its pipeline, what an operator of 5 builds.
    shape = plan(op(20), op(5), op(10), edges="0-2 1>2")
    joint = "+" if ":" in rule else ":"
    assert started(trace(shape), rule) == [0, 1, 2]
    assert started(trace(shape), f"{rule}{joint}operators=shortest") == [1, 0]


def started(the_trace: Trace, scheduler: str) -> list[int]:
    """Roots of pipelines in order of their start, on one executor."""
    simulation, policy = start(the_trace, scheduler)
    clairvoyant = ClairvoyantView(simulation.engine) if scheduler.startswith("oracle") else None
    while (view := simulation.next_event()) is not None:
        simulation.apply(policy.decide(clairvoyant or view))
    return [e.operator for e in simulation.events or () if e.kind == "start" and e.task == 0]


def test_hesrpt_shares() -> None:
    assert hesrpt_shares(2, 0.5) == [0.25, 0.75]  # (1/2)^2, 1 - (1/2)^2
    assert hesrpt_shares(4, 0.0) == [0.25] * 4
    assert math.isclose(sum(hesrpt_shares(7, 0.8)), 1.0)
    assert first_limits(trace(LONG, SHORT), "hesrpt:spare=idle", 4) == [(1, 3), (0, 1)]


def test_stride_priority_decays_after_ten_quanta_to_a_floor() -> None:
    stride = Stride()
    assert [stride.priority(quanta) for quanta in (0, 9.9, 10, 11)] == pytest.approx(
        [10_000, 10_000, 9_000, 8_100]
    )
    assert stride.priority(52) > 100
    assert stride.priority(53) == stride.priority(1e9) == 100
    assert Stride(decay=1.0).priority(1e9) == 10_000


def test_stride_charges_each_quantum_at_its_own_priority() -> None:
    stride = Stride()
    assert [stride.charge(quanta) for quanta in (0, 4, 10)] == pytest.approx([0, 0.4, 1])
    # The eleventh costs 1000 / 9000, half of the twelfth 500 / 8100.
    assert stride.charge(11.5) == pytest.approx(1 + 1 / 9 + 5 / 81)
    # 43 quanta at 9,000, 8,100, ... and all others at 100.
    decayed = sum(0.1 / 0.9**k for k in range(1, 44))
    assert stride.charge(53) == pytest.approx(1 + decayed)
    assert stride.charge(153) == pytest.approx(1 + decayed + 100 * 10)
    assert Stride(decay=1.0).charge(1_000) == pytest.approx(100)


def test_stride_charges_the_same_however_often_it_is_asked() -> None:
    # 100 quanta of 1 µs, in one work order or in 20, with a scheduling event every 3 µs.
    whole, parts = single("whole", 100), single("parts", 5, 20)
    assert pass_value(whole, 100) == pass_value(parts, 100) == Stride().charge(100)


def pass_value(first: Plan, at_us: int) -> float:
    """What stride has charged query 0 once it has consumed so much alone."""
    tail = single("tail", 1_000)
    stacked = plan(*first.operators, *tail.operators, edges="0>1", name="stacked")
    stride = Stride(quantum_us=1)
    simulation, _ = start(trace(stacked, (tail, at_us - 1)), stride)
    while (view := simulation.next_event()) is not None:
        schedule = stride.decide(view)
        if view.now_us >= at_us:
            return stride._accounts[0].pass_value
        simulation.apply(Schedule(schedule.allocations, until_us=view.now_us + 3))
    raise AssertionError


def test_stride_asks_again_only_while_the_priority_of_a_running_query_decays() -> None:
    # One executor, quantum 1 µs. Query 0 is at the floor when query 1 comes at 995 and goes first.
    # At 1025 query 1 has consumed 30 quanta and its priority still decays, but it has to wait.
    queries = trace((single("old", 1, 2_000), 0), (single("new", 30, 2), 995))
    simulation, stride = start(queries, "stride:quantum_us=1")
    timers = {}
    while (view := simulation.next_event()) is not None:
        schedule = stride.decide(view)
        assert isinstance(schedule, Schedule)
        timers[view.now_us] = schedule.until_us
        simulation.apply(schedule)
    assert timers[0] is None  # alone
    assert (timers[995], timers[1024], timers[1025]) == (996, 1025, None)


def test_stride_lets_a_new_query_pass_one_that_has_consumed_much() -> None:
    # One executor, quantum 1 µs: the old query is at the floor when the new one comes at 105.
    queries = trace((single("old", 10, 20), 0), (single("new", 10, 3), 105))
    assert completions(queries, "stride:quantum_us=1") == {1: 140, 0: 230}


def test_stride_deals_equal_shares_to_equals() -> None:
    assert first_limits(trace(LONG, LONG), "stride:spare=idle", 4) == [(0, 2), (1, 2)]


def test_slots_run_so_many_at_a_time() -> None:
    queries = trace(single("a", 30), single("b", 10), single("c", 10))
    assert completions(queries, "slots:slots=1+lane=0", 2) == {0: 30, 1: 40, 2: 50}
    assert completions(queries, "slots:slots=2+lane=0", 2) == {0: 30, 1: 10, 2: 20}


def test_slots_have_a_lane_for_short_queries() -> None:
    # Query 1 is smaller than the one seen before it, so it does not wait for the slot.
    queries = trace(single("long", 10, 40), (single("quick", 5), 12))
    assert completions(queries, "slots:slots=1+lane=0.25", 4) == {0: 140, 1: 17}
    assert completions(queries, "slots:slots=1+lane=0", 4) == {0: 100, 1: 105}


def test_slots_gate_only_what_has_a_slot() -> None:
    # 60 MB each, 100 MB in all: b waits for memory in the second slot. c would fit, but has no
    # slot. The quick ones hold nothing, come after b, and do not wait for it.
    def holder(name: str, megabytes: int) -> Plan:
        return plan(op(50, state_bytes=megabytes * MB, count=4), name=name)

    queries = trace(holder("a", 60), holder("b", 60), holder("c", 20), (single("quick", 5), 12))
    done = completions(queries, "slots:slots=2+lane=0.25+memory=gate", 4, memory_bytes=100 * MB)
    assert done == {3: 17, 0: 100, 1: 200, 2: 250}


def test_queries_that_are_all_alike_are_not_short() -> None:
    # Two slots and a lane of two of eight executors: each runs its one work order in a slot.
    queries = trace(*[single("same", 10)] * 8)
    done = completions(queries, "slots:slots=2+lane=0.25", 8)
    assert sorted(done.values()) == [10, 10, 20, 20, 30, 30, 40, 40]


@pytest.mark.parametrize(
    ("works", "short"),
    [
        ([4, 4, 4, 4], []),
        ([9, 4, 9, 4, 4], [1, 3, 4]),  # half of those before the last had no more
        ([4, 9, 4, 4], [2]),  # two of three had no more
        ([1, 2, 3, 4], []),
        ([4, 3, 2, 1], [1, 2, 3]),
    ],
)
def test_a_query_is_short_below_the_median_of_those_before_it(
    works: list[int], short: list[int]
) -> None:
    queries = trace(*[single(f"work {work}", work) for work in works])
    simulation, _ = start(queries, "fifo")
    view = simulation.next_event()
    assert view is not None
    assert sorted(ShortQueries(0.5, "estimate").of(view)) == short


def test_reserve_keeps_executors_free_for_short_queries() -> None:
    queries = trace(single("long", 100, 8), (single("quick", 5), 12))
    assert completions(queries, "reserve:reserve=0.25", 4) == {1: 17, 0: 300}
    assert completions(queries, "srpt", 4) == {1: 105, 0: 205}


@pytest.mark.parametrize(
    ("price", "available", "expected"),
    [
        (0.0, 50, 12),  # free: as many as shorten it
        (0.0, 11, 6),  # 7 to 11 take two rounds as well
        (1.0, 50, 4),  # (3 * 10 + 5) (1 + 4) = 175; 6: 25 * 7 = 175; 3: 45 * 4 = 180
        (1.0, 3, 2),  # 60 * 3 = 180, without a move
        (100.0, 50, 2),  # 60 * 201 = 12,060; 1: 120 * 101 = 12,120; 12: 15 * 1,201 = 18,015
        (0.05, 50, 12),  # 15 * 1.6 = 24; 6: 25 * 1.3 = 32.5
    ],
)
def test_priced_chooses_k_by_time_and_price(price: float, available: int, expected: int) -> None:
    # 12 work orders of 10 µs; two executors are local, with more of them a move of 5 µs is due.
    assert best_count(12, 10.0, 0, 2, available, price, 5.0) == expected


def test_priced_counts_queries_that_wait_for_memory() -> None:
    # One of four is let in. Price 3 (3 others + 1) / 12 = 1, so 4 executors, as worked above; if
    # nobody waited it would be 3 / 12, and 12 executors: 15 * 4 = 60, 6: 25 * 2.5 = 62.5.
    holder = plan(op(10, count=12, state_bytes=60 * MB), name="holder")
    cluster = {"memory_bytes": 100 * MB, "move_delay_us": 5}
    text = "priced:weight=3+offset=1+slowdown=0+memory=gate"
    assert first_limits(trace(holder), text, 12, **cluster) == [(0, 12)]
    assert first_limits(trace(*[holder] * 4), text, 12, **cluster) == [(0, 4)]


def test_priced_lets_a_running_operator_be() -> None:
    assert best_count(4, 10.0, 4, 0, 8, 0.1, 5.0) == 0
    assert best_count(8, 10.0, 1, 8, 8, 0.01, 5.0) == 7
    assert best_count(8, 10.0, 0, 0, 0, 0.01, 5.0) == 0


def test_gate_admits_what_fits_by_estimate_in_the_order_of_the_rule() -> None:
    def holder(name: str, time_us: int, megabytes: int) -> Plan:
        return plan(op(time_us, state_bytes=megabytes * MB), name=name)

    queries = trace(holder("a", 30, 60), holder("b", 10, 60), holder("c", 10, 20))
    budget = 100 * MB
    free = completions(queries, "fifo", 3, memory_bytes=budget)
    gated = completions(queries, "fifo:memory=gate", 3, memory_bytes=budget)
    assert free == {1: 10, 2: 10, 0: 30}
    assert gated == {0: 30, 1: 40, 2: 40}  # c fits, but b comes first
    by_size = completions(queries, "srpt:memory=gate", 3, memory_bytes=budget)
    assert by_size == {1: 10, 2: 10, 0: 40}


def test_gate_admits_one_query_however_large() -> None:
    queries = trace(plan(op(10, state_bytes=500 * MB), name="huge"), SHORT)
    gated = completions(queries, "fifo:memory=gate", 2, memory_bytes=100 * MB)
    assert gated == {0: 10, 1: 20}


def chain(output_bytes: int, state_bytes: int) -> Plan:
    """Two builds, and a scan that probes the one and then the other."""
    build = op(10, kind="build", state_bytes=state_bytes)
    probe = op(1_000, kind="probe")
    scan = op(10, kind="scan", output_bytes=1)
    first: Operator = op(1_000, kind="probe", output_bytes=output_bytes)
    return plan(build, build, scan, first, probe, edges="0>3 1>4 2-3 3-4")


@pytest.mark.parametrize(
    ("output_bytes", "state_mb", "expected"),
    [
        (10**9, 20, [1, 1, 3]),  # a cut costs seconds
        (10**3, 20, [1, 1, 2, 1]),  # 20 MB each: together they do not fit into 32 MB of cache
        (10**3, 0, [1, 1, 3]),  # nothing competes
    ],
)
def test_best_degree_weighs_a_cut_against_the_cache(
    output_bytes: int, state_mb: int, expected: list[int]
) -> None:
    simulation, policy = start(
        trace(chain(output_bytes, state_mb * MB)),
        "fifo:pipeline=best",
        intermediate_bytes_per_s=10**9,
        cache_bytes=32 * MB,
    )
    while (view := simulation.next_event()) is not None:
        simulation.apply(policy.decide(view))
    assert [e.degree for e in simulation.events or () if e.kind == "start"] == expected


def test_the_cache_of_one_node_holds_the_mean_of_what_is_probed() -> None:
    # The other query probes 20 MB; the mean over two nodes is 10.
    probing = plan(op(10, kind="build", state_bytes=20 * MB), op(99, kind="probe"), edges="0>1")
    for num_nodes, expected in ((1, 20), (2, 10)):
        simulation, policy = start(trace((probing, 0), (SHORT, 50)), "fifo", num_nodes=num_nodes)
        seen = []
        while (view := simulation.next_event()) is not None:
            seen.append(cached_bytes(view) // MB)
            simulation.apply(policy.decide(view))
        assert max(seen) == expected


def test_a_run_is_fresh_once_and_is_not_kept_alive() -> None:
    runs = FreshRun()
    simulation, _ = start(trace(SHORT), "fifo")
    other, _ = start(trace(SHORT), "fifo")
    assert [runs.begins(view) for view in (simulation.view, simulation.view, other.view)] == [
        True,
        False,
        True,
    ]
    gone = weakref.ref(other)
    del other
    gc.collect()
    assert gone() is None
