"""Lower bounds, each on cases solved by hand."""

from __future__ import annotations

import itertools
import math

import pytest
from builders import op, plan, trace

import sim
from sim import Cluster
from sim.bounds.demand import Demand, demands_of, makespan_bound_us
from sim.bounds.lp import lag_us, levels_of, lp_total_us
from sim.bounds.pooled import busy_periods, pooled_latencies
from sim.bounds.speedup import speedup_of
from sim.bounds.subset import best_subset
from traces import Plan, Query, Trace, Wave


def demand(the_plan: Plan, executors: int = 2, **cluster: object) -> Demand:
    """What one query asks for."""
    (one,) = demands_of(
        trace(the_plan),
        Cluster(executors_per_node=executors, **cluster),  # type: ignore[arg-type]
        0,
        keep_shapes=True,
    )
    return one


def isolated(the_plan: Plan, executors: int = 2, **cluster: object) -> int:
    return demand(the_plan, executors, **cluster).isolated_us


def sums(the_trace: Trace, executors: int = 2) -> dict[str, float]:
    """Bounds on the sum of latencies, µs."""
    bounds = sim.lower_bounds(the_trace, Cluster(executors_per_node=executors), method="lp")
    return {
        name: round(mean * 1e6 * the_trace.num_queries, 6) for name, mean in bounds.means_s.items()
    }


# B1


def test_an_operator_takes_its_longest_work_order_or_its_work_by_executor() -> None:
    assert isolated(plan(op(9, 2))) == 9
    assert isolated(plan(op(9, 8, 7))) == 15  # of three work orders one executor runs two
    assert isolated(plan(op(5, 5, 5, 5))) == 10
    assert isolated(plan(op(3, 3, 3, 1))) == 6
    assert isolated(plan(op(3, 3, 1, 1, 1))) == 5
    assert isolated(plan(op(9, 8, 7)), executors=1) == 24


def test_three_work_orders_of_two_executors_take_the_two_shortest_one_after_the_other() -> None:
    assert isolated(plan(op(100, 6, 5, 1))) == 100
    assert isolated(plan(op(6, 6, 6, 1, 1))) == 12  # of the three longest, not of all
    assert isolated(plan(op(10, 10, 10)), executors=3) == 10


def test_a_consumer_waits_for_the_whole_producer_behind_a_breaking_edge() -> None:
    assert isolated(plan(op(9, 2), op(4), edges="0>1")) == 13


def test_a_pipelined_consumer_starts_with_its_producer() -> None:
    # Task 0 is 9 + 1, task 1 is 2 + 8; without the pipeline 9 and then 8.
    assert isolated(plan(op(9, 2), op(1, 8), edges="0-1")) == 10
    # One work order each: one after the other either way.
    assert isolated(plan(op(9), op(8), op(7), edges="0-1 1-2")) == 24


def test_a_producer_with_two_outputs_cannot_be_pipelined() -> None:
    assert isolated(plan(op(9), op(4), op(5), edges="0-1 0-2")) == 14


def test_an_operator_runs_with_one_of_its_producers_and_after_the_others() -> None:
    # 0 with 2 would start after 1, at 30; 1 with 2 after 0, at 9; 2 by itself after both, at 30.
    shape = demand(plan(op(9), op(30), op(5), edges="0-2 1-2"), 9).shape
    assert shape.head_us == [0, 0, 9]
    assert shape.chain_us == 35


def test_work_between_a_head_and_a_tail_is_shared_by_the_executors() -> None:
    # 10, then 4 operators of 10 on two executors, then 10; the longest chain is 30.
    the_plan = plan(*(op(10) for _ in range(6)), edges="0>1 0>2 0>3 0>4 1>5 2>5 3>5 4>5")
    assert isolated(the_plan) == 40
    assert isolated(the_plan, executors=4) == 30


def test_a_profile_counts_with_its_shortest_times_rounded_down() -> None:
    waves = (
        Wave(num_executors=1, fresh=(40,), first=(9,), rest=(8,)),
        Wave(num_executors=4, rest=(6,)),
    )
    the_plan = plan(op(50, waves=waves))
    assert isolated(the_plan) == 6
    assert isolated(the_plan, use_profiles=False) == 50
    query = Query(query_id=0, plan="plan", arrival_us=0, time_factor=0.7)
    (one,) = demands_of(Trace(name="t", plans=(the_plan,), queries=(query,)), Cluster(), 0)
    assert one.isolated_us == 4  # 4.2


def test_batches_take_the_work_of_all_they_hold() -> None:
    the_plan = plan(op(5, 6, 7, 8))
    assert isolated(the_plan, executors=4, work_orders_per_batch=2) == 15
    assert isolated(the_plan, executors=4) == 8


def test_work_orders_of_a_parallel_query_are_slower() -> None:
    # f(1) = 1, f(2) = 1 + 0.5 + 0.5 = 2: two executors do 1.5 as much as one. Rounding may save
    # half a microsecond for each of the work orders.
    the_plan = plan(op(*[100] * 300))
    expected = math.ceil((30_000 - 150) / 1.5)
    assert isolated(the_plan, contention=0.5, coherency=0.25) == expected
    assert isolated(plan(op(*[100] * 300, contention=0.0))) == 15_000


def test_the_best_operator_sets_the_speedup_of_a_query() -> None:
    speedup = demand(plan(op(100, kind="sort"), op(100, kind="scan")), contention=0.1).shape.speedup
    assert speedup.total == pytest.approx(1 + 1 / 1.06)  # scans contend 0.6 times as much
    waves = (Wave(num_executors=1, rest=(6,)),)
    the_plan = plan(op(100), op(50, waves=waves))
    assert demand(the_plan, contention=0.1).shape.speedup.is_linear


def test_executors_of_one_query_interfere_with_each_other() -> None:
    # On one node of two the second begins beside one other: 1 + 0.8 × 0.5 × 1 ÷ 2 for scans.
    the_plan = plan(op(*[100] * 300, kind="scan"))
    expected = math.ceil((30_000 - 150) / (1 + 1 / 1.2))
    assert isolated(the_plan, interference=0.5) == expected
    # On two nodes of one each is alone.
    assert isolated(the_plan, executors=1, num_nodes=2, interference=0.5) == 15_000
    rates = speedup_of(0.0, 0.0, 6, 0.1, num_nodes=2).rates
    assert rates == pytest.approx([1, 1, 1 / 1.1, 1 / 1.1, 1 / 1.2, 1 / 1.2])


def test_interference_counts_as_more_work_on_the_pooled_machine() -> None:
    # Of two executors the second runs at 1 ÷ (1 + 0.8 × 0.25): both do 1.8333 per unit of time.
    scan = demand(plan(op(*[100] * 300, kind="scan")), interference=0.5)
    assert scan.work_us == pytest.approx(30_000 * 2 / (1 + 1 / 1.2), rel=0.01)
    assert scan.work_us <= 30_000 * 2 / (1 + 1 / 1.2)
    # Kinds that suffer more count for more; together they are what two executors can do.
    limit = op(*[100] * 300, kind="limit")
    the_trace = trace(plan(op(*[100] * 300, kind="probe"), name="a"), plan(limit, name="b"))
    cluster = Cluster(executors_per_node=2, interference=0.5)
    probe, other = demands_of(the_trace, cluster, 0)
    assert probe.work_us > other.work_us
    fastest, slowest = 1 + 1 / 1.05, 1 + 1 / 1.25
    assert 60_000 * 2 / fastest * 0.99 < probe.work_us + other.work_us < 60_000 * 2 / slowest
    waves = (Wave(num_executors=1, rest=(100,)),)
    recorded = demand(plan(op(100, count=300, kind="scan", waves=waves)), interference=0.5)
    assert recorded.work_us == 30_000


# B2


def test_pooled_latencies_by_hand() -> None:
    # One machine of twice the speed: 0 runs to 10 with 20 left, 1 takes 5, 0 ends at 25.
    assert pooled_latencies([(0, 40), (10, 10)], 2) == [2 * 25, 2 * 5]
    # The work that is left decides, not what there was: 0 has 2 left at 19, so 1 waits.
    assert pooled_latencies([(0, 40), (19, 10)], 2) == [2 * 20, 2 * 6]
    assert pooled_latencies([(0, 3), (0, 0), (0, 1)], 4) == [4, 0, 1]


def test_busy_periods_end_where_the_machine_is_idle() -> None:
    jobs = [(0, 10), (4, 10), (9, 2), (100, 1), (101, 5)]
    assert busy_periods(jobs, 2) == [range(3), range(3, 4), range(4, 5)]
    assert busy_periods([(0, 2), (1, 1)], 2) == [range(1), range(1, 2)]


# B3


def test_the_best_set_isolates_what_has_a_long_chain() -> None:
    # Two queries keep the machine busy; a third has little work, but all in one chain.
    wide = plan(op(*[10] * 8), name="wide")
    chain = plan(op(30), op(30), edges="0>1", name="chain")
    the_trace = trace(wide, wide, chain)
    # On 8 executors, isolated: 60 + 10 + 10. Pooled: the chain after 7.5, the others after 17.5
    # and 27.5, rounded up. The chain isolated (60) and the others pooled (10 + 20): 90.
    assert sums(the_trace, 8) == {"isolated": 80, "pooled": 53, "subset": 90, "lp": 90}


def test_the_search_finds_what_trying_every_set_finds() -> None:
    wide, chain = plan(op(*[7] * 6), name="wide"), plan(op(20), op(9), edges="0>1", name="chain")
    the_trace = trace((wide, 0), (wide, 3), (chain, 5), (wide, 5), (chain, 12), (wide, 40))
    demands = demands_of(the_trace, Cluster(executors_per_node=4), 0)
    values = []
    for pooled in itertools.product([False, True], repeat=len(demands)):
        chosen = [(d.arrival_us, d.work_us) for d, p in zip(demands, pooled, strict=True) if p]
        alone = [d.isolated_us for d, p in zip(demands, pooled, strict=True) if not p]
        values.append(sum(pooled_latencies(chosen, 4)) + 4 * sum(alone))
    found = best_subset(demands, 4)
    assert found.total == max(values)
    assert not all(found.is_pooled)
    assert any(found.is_pooled)


# B4


def test_the_program_is_no_less_than_the_best_set() -> None:
    wide, chain = plan(op(*[7] * 6), name="wide"), plan(op(20), op(9), edges="0>1", name="chain")
    found = sums(trace((wide, 0), (chain, 3), (wide, 9), (chain, 12), (chain, 13)), 4)
    assert found["lp"] >= found["subset"] >= max(found["isolated"], found["pooled"])


def test_the_program_sees_that_parallel_chains_share_executors() -> None:
    # Three chains of 20 on two executors. Pooled: 10 + 20 + 30. Isolated: 3 × 20. The best
    # schedule is 20 + 20 + 40 (or 20 + 30 + 30); the mean busy times give more than 60.
    chain = plan(op(10), op(10), edges="0>1")
    found = sums(trace(chain, chain, chain))
    assert (found["isolated"], found["pooled"], found["subset"]) == (60, 60, 60)
    assert 60 < found["lp"] <= 80


def test_long_traces_are_cut_and_their_parts_added(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = plan(op(10), op(10), edges="0>1")
    demands = demands_of(
        trace(*[(chain, 7 * at) for at in range(9)]), Cluster(), 0, keep_shapes=True
    )
    monkeypatch.setattr("sim.bounds.lp.MAX_QUERIES", 3)
    parts = sum(lp_total_us(demands[at : at + 3], 2) for at in (0, 3, 6))
    assert lp_total_us(demands, 2) == pytest.approx(parts)


def test_the_lag_of_a_completion_behind_the_mean_busy_time() -> None:
    # 40 work orders of 10 on 4 executors: evenly over the last 100.
    assert lag_us(demand(plan(op(*[10] * 40)), 4)) == pytest.approx(50, rel=0.01)
    # Then one of 100: 400 of the work at least 100 before the end, and the last takes 100.
    tail = plan(op(*[10] * 40), op(100), edges="0>1")
    expected = (400 * (100 + 50) + 100 * 50) / 500
    assert lag_us(demand(tail, 4)) == pytest.approx(expected, rel=0.01)
    assert lag_us(demand(tail, 4)) <= expected


def test_levels_hold_all_executors_at_rates_that_are_not_too_low() -> None:
    speedup = speedup_of(0.02, 0.001, 64)
    levels = levels_of(speedup)
    assert 1 < len(levels) < 16
    assert sum(level.width for level in levels) == 64
    spread = [level.rate for level in levels for _ in range(level.width)]
    assert all(rate >= true for rate, true in zip(spread, speedup.rates, strict=True))


# B5


def test_the_makespan_is_that_of_the_last_query_or_of_all_the_work_from_a_time_on() -> None:
    wide = plan(op(*[10] * 8), name="wide")
    late = plan(op(50), name="late")
    demands = demands_of(trace((wide, 5), (wide, 6), (late, 7)), Cluster(executors_per_node=2), 0)
    assert makespan_bound_us(demands, 2) == 105  # 210 ÷ 2, from 5
    assert makespan_bound_us(demands[2:], 2) == 50
    demands = demands_of(trace((wide, 5), (late, 200)), Cluster(executors_per_node=2), 0)
    assert makespan_bound_us(demands, 2) == 245


# The public face


def test_lower_bounds_of_one_query_are_its_own() -> None:
    bounds = sim.lower_bounds(trace(plan(op(9, 8, 7))), Cluster(executors_per_node=2))
    assert bounds.mean_latency_s == bounds.makespan_s == bounds.latencies_s[0] == 15e-6
    assert bounds.best == "isolated"
    assert bounds.percentile_s(50) == 15e-6
    assert set(bounds.means_s) == {"isolated", "pooled", "subset"}


def test_percentiles_are_those_of_isolated_bounds() -> None:
    pairs = [(plan(op(time), name=str(time)), 0) for time in (10, 40, 20, 30)]
    bounds = sim.lower_bounds(trace(*pairs), Cluster(executors_per_node=9))
    assert bounds.latencies_s == (10e-6, 20e-6, 30e-6, 40e-6)
    assert bounds.percentile_s(50) == pytest.approx(25e-6)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="'best', expected fast or lp"):
        sim.lower_bounds(trace(plan(op(1))), Cluster(), method="best")  # type: ignore[arg-type]


def test_times_that_round_to_nothing_leave_nothing_to_bound_but_a_microsecond() -> None:
    profile = (Wave(num_executors=1, rest=(1,)),)
    nothing = trace(plan(op(1, waves=profile)), time_factor=0.5)
    found = sim.lower_bounds(nothing, Cluster(executors_per_node=1), method="lp")
    assert found.mean_latency_s == 1e-6
