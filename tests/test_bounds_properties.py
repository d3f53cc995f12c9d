"""No run of any scheduler is below any bound, on random traces, clusters and decisions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import RandomScheduler, clusters, traces
from test_docs import own_schedulers

import sim
from lsched.validate.instances import tiny_instance
from lsched.validate.optimum import optimum
from sim import Cluster, LowerBounds, Result
from traces import Trace

SEEDS = st.integers(0, 2**32)
ROUNDING = 1.0 - 1e-12
"""Of seconds, which are quotients of whole microseconds."""


def check(result: Result, bounds: LowerBounds) -> None:
    """Mean, every order statistic and the makespan."""
    latencies = np.sort([query.latency_s for query in result.queries])
    summary = result.summary()
    for mean_s in bounds.means_s.values():
        assert latencies.mean() >= mean_s * ROUNDING
    assert (latencies >= np.array(bounds.latencies_s) * ROUNDING).all()
    for percentile in (50, 90, 95, 99):
        bound_s = bounds.percentile_s(percentile)
        assert summary[f"p{percentile}_latency_s"] >= bound_s * ROUNDING
    assert summary["makespan_s"] >= bounds.makespan_s * ROUNDING
    for query in result.queries:
        assert query.latency_s >= query.isolated_s


@settings(max_examples=80, deadline=None)
@given(traces(), clusters(), SEEDS, st.integers(0, 9))
def test_no_random_schedule_is_below_a_bound(
    trace: Trace, cluster: Cluster, policy_seed: int, seed: int
) -> None:
    result = sim.simulate(trace, RandomScheduler(policy_seed), cluster=cluster, seed=seed)
    check(result, sim.lower_bounds(trace, cluster, seed, "lp"))


@settings(max_examples=50, deadline=None)
@given(traces(), clusters(), st.sampled_from(own_schedulers()), st.integers(0, 9))
def test_no_scheduler_is_below_a_bound(
    trace: Trace, cluster: Cluster, scheduler: str, seed: int
) -> None:
    result = sim.simulate(trace, scheduler, cluster=cluster, seed=seed)
    check(result, sim.lower_bounds(trace, cluster, seed, "lp"))


@settings(max_examples=30, deadline=None)
@given(traces(max_queries=12), st.integers(1, 4), SEEDS)
def test_no_schedule_without_overheads_is_below_a_bound(
    trace: Trace, num_executors: int, policy_seed: int
) -> None:
    # Where rule R9 adds nothing, bounds have nothing to spare.
    cluster = Cluster(executors_per_node=num_executors)
    bounds = sim.lower_bounds(trace, cluster, method="lp")
    for scheduler in (RandomScheduler(policy_seed), "oracle-srpt"):
        check(sim.simulate(trace, scheduler, cluster=cluster), bounds)


@pytest.mark.slow
@pytest.mark.parametrize("cluster", sorted(sim.PRESETS))
def test_no_scheduler_is_below_a_bound_on_a_shipped_trace(cluster: str) -> None:
    from lsched import Arrivals
    from traces import load

    preset = sim.preset(cluster)
    for work_load in (0.2, 0.8):
        arrivals = Arrivals(load=work_load, num_queries=30, scale=10.0)
        trace = arrivals.of(load("tpch"), preset, 3)
        bounds = sim.lower_bounds(trace, preset, 3, "lp")
        for scheduler in ("fair", "oracle-srpt"):
            check(sim.simulate(trace, scheduler, cluster=preset, seed=3), bounds)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_no_bound_is_above_the_optimum(seed: int) -> None:
    trace, num_executors = tiny_instance(np.random.default_rng(seed))
    bounds = sim.lower_bounds(trace, Cluster(executors_per_node=num_executors), method="lp")
    mean_s = optimum(trace, num_executors).value_us / trace.num_queries / 1e6
    for bound_s in bounds.means_s.values():
        assert bound_s <= mean_s / ROUNDING
    last_us = optimum(trace, num_executors, "makespan").value_us
    assert bounds.makespan_s * 1e6 <= (last_us - trace.queries[0].arrival_us) / ROUNDING


@settings(max_examples=25, deadline=None)
@given(traces(), clusters(), st.integers(0, 9))
def test_bounds_are_the_same_again_and_each_method_is_no_worse_than_what_it_holds(
    trace: Trace, cluster: Cluster, seed: int
) -> None:
    fast = sim.lower_bounds(trace, cluster, seed)
    assert sim.lower_bounds(trace, cluster, seed) == fast
    program = sim.lower_bounds(trace, cluster, seed, "lp")
    assert sim.lower_bounds(trace, cluster, seed, "lp") == program
    assert {name: program.means_s[name] for name in fast.means_s} == fast.means_s
    means = program.means_s
    assert means["lp"] >= means["subset"] >= max(means["isolated"], means["pooled"])
    isolated = [
        q.isolated_s for q in sim.simulate(trace, "fifo", cluster=cluster, seed=seed).queries
    ]
    assert sorted(isolated) == list(fast.latencies_s)
