"""The exact optimum of tiny traces: by hand, against the simulator, and with nothing left out."""

from __future__ import annotations

import numpy as np
import pytest
from builders import op, plan, trace
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import RandomScheduler
from test_docs import own_schedulers

import sim
from lsched.validate.instances import MAX_WORK_ORDERS, tiny_instance
from lsched.validate.optimum import optimum
from lsched.validate.replay import replay
from sim import Cluster
from traces import Trace

SEEDS = st.integers(0, 2**32)


def instance(seed: int) -> tuple[Trace, int]:
    return tiny_instance(np.random.default_rng(seed))


def latencies(the_trace: Trace, num_executors: int) -> int:
    return optimum(the_trace, num_executors).value_us


def last(the_trace: Trace, num_executors: int) -> int:
    return optimum(the_trace, num_executors, "makespan").value_us


def test_the_shortest_goes_first_on_one_executor() -> None:
    queries = [plan(op(time), name=str(time)) for time in (5, 3, 8)]
    assert latencies(trace(*queries), 1) == 3 + 8 + 16
    assert last(trace(*queries), 1) == 16


def test_waiting_for_a_short_query_pays() -> None:
    # From 0 the long one takes 20, the short one arrives at 1: 1 + 1 idle, then 20, is better.
    long, short = plan(op(20), name="long"), plan(op(1), name="short")
    assert latencies(trace((long, 0), (short, 1)), 1) == 22 + 1
    assert latencies(trace((long, 0), (short, 19)), 1) == 20 + 2
    assert last(trace((long, 0), (short, 1)), 1) == 21


def test_work_orders_are_packed_on_two_executors() -> None:
    # 3, 3 | 2, 2, 2 in any order of operators, but work orders of an operator in theirs.
    assert last(trace(plan(op(3, 3), op(2, 2, 2))), 2) == 6
    assert last(trace(plan(op(1, 1, 2))), 2) == 3  # 1 and 1, then 2
    assert last(trace(plan(op(2, 1, 1))), 2) == 2


def test_pipelining_helps_where_the_consumer_need_not_wait() -> None:
    # Task 0 is 9 + 1, task 1 is 2 + 8; cut, 1 starts at 9 and takes 8.
    assert latencies(trace(plan(op(9, 2), op(1, 8), edges="0-1")), 2) == 10
    assert latencies(trace(plan(op(9, 2), op(1, 8), edges="0>1")), 2) == 17
    # Cut is better where the consumer has more work orders than its producer.
    assert latencies(trace(plan(op(4), op(5, 5), edges="0-1")), 2) == 9


def test_of_two_producers_one_can_be_in_the_pipeline() -> None:
    assert latencies(trace(plan(op(9), op(30), op(5), edges="0-2 1-2")), 2) == 35


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_the_simulator_reaches_the_optimum_with_its_decisions(seed: int) -> None:
    the_trace, num_executors = instance(seed)
    best = optimum(the_trace, num_executors)
    result = replay(the_trace, num_executors, best)
    assert round(sum(query.latency_s for query in result.queries) * 1e6) == best.value_us
    best = optimum(the_trace, num_executors, "makespan")
    result = replay(the_trace, num_executors, best)
    assert round(max(query.completion_s for query in result.queries) * 1e6) == best.value_us


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.lists(SEEDS, min_size=5, max_size=5))
def test_no_schedule_beats_the_optimum(seed: int, policy_seeds: list[int]) -> None:
    the_trace, num_executors = instance(seed)
    least, end = latencies(the_trace, num_executors), last(the_trace, num_executors)
    cluster = Cluster(executors_per_node=num_executors)
    for scheduler in (*map(RandomScheduler, policy_seeds), *own_schedulers()):
        queries = sim.simulate(the_trace, scheduler, cluster=cluster).queries
        assert round(sum(query.latency_s for query in queries) * 1e6) >= least
        assert round(max(query.completion_s for query in queries) * 1e6) >= end


@pytest.mark.parametrize("objective", ["latency", "makespan"])
def test_leaving_out_what_cannot_be_best_changes_nothing(objective: str) -> None:
    for seed in range(25):
        the_trace, num_executors = tiny_instance(np.random.default_rng(seed), max_work_orders=6)
        pruned = optimum(the_trace, num_executors, objective)  # type: ignore[arg-type]
        full = optimum(the_trace, num_executors, objective, prune=False)  # type: ignore[arg-type]
        assert pruned.value_us == full.value_us
        assert pruned.num_states < full.num_states


def test_instances_are_small_enough_and_differ() -> None:
    drawn = [instance(seed)[0] for seed in range(50)]
    for the_trace in drawn:
        counts = [o.num_work_orders for p in the_trace.plans for o in p.operators]
        assert sum(counts) <= MAX_WORK_ORDERS
        assert 2 <= the_trace.num_queries <= 4
    assert len({the_trace.plans for the_trace in drawn}) == 50


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(ValueError, match="13 work orders, expected at most 12"):
        optimum(trace(plan(op(*[1] * 13))), 2)
    with pytest.raises(ValueError, match="query 0: expected recorded times of all work orders"):
        optimum(trace(plan(op(1, count=2))), 2)
    with pytest.raises(ValueError, match="query 0: expected recorded times of all work orders"):
        optimum(trace(plan(op(1)), time_factor=2.0), 2)
    with pytest.raises(ValueError, match="no profiles and no contention"):
        optimum(trace(plan(op(1, contention=0.5))), 2)
