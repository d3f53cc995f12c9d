"""Both engines agree with a slow, obvious one on random traces, clusters and decisions."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import Decision, Reference
from strategies import RandomScheduler, clusters, traces

import sim
from sim import Cluster, ClusterView, Outage, Schedule, Simulation
from sim.engines import ENGINES, is_fast_installed
from traces import Trace

MUST_REACH = {
    "across nodes",
    "all free executors held",
    "arrival with a completion",
    "cache shared",
    "completions at one instant",
    "cut read",
    "cut written",
    "first wave",
    "fresh wave",
    "hold",
    "joined",
    "limit",
    "lost task again",
    "near node first",
    "network",
    "nobody there",
    "pipeline ran dry",
    "pipelined",
    "rest wave",
    "spill capped",
    "spilled",
    "task lost",
    "timer",
    "warm-up in the profile",
    "wave interpolated",
}


def as_decision(schedule: Schedule) -> Decision:
    return Decision(
        [
            (
                each.operator.query.query_id,
                each.operator.index,
                each.num_executors,
                each.pipeline_degree,
            )
            for each in schedule.allocations
        ],
        {hold.query.query_id: hold.num_executors for hold in schedule.holds},
        schedule.until_us,
    )


def snapshot(view: ClusterView) -> Any:
    """Observable numbers, in the form of ``Reference.snapshot``."""
    return (
        view.now_us,
        view.num_executors,
        view.num_free,
        [
            (
                query.query_id,
                query.num_executors,
                query.num_local_free,
                [operator.memory_bytes for operator in query.operators],
                [
                    (
                        operator.is_schedulable,
                        operator.num_unclaimed,
                        operator.num_running,
                        operator.num_done,
                        operator.num_executors,
                        query.observed_busy_us(operator.index),
                    )
                    for operator in query.operators
                ],
            )
            for query in view.queries
        ],
    )


def check_agreement(trace: Trace, cluster: Cluster, seed: int, policy_seed: int) -> set[str]:
    """Run each engine and the reference, and compare; the special cases that came up."""
    decisions: list[Decision] = []
    runs = []
    for engine in ENGINES if is_fast_installed() else ("simpy",):
        scheduler = RandomScheduler(policy_seed)
        simulation = Simulation(trace, cluster, seed, record_events=True, engine=engine)
        decisions, snapshots = [], []
        while (view := simulation.next_event()) is not None:
            snapshots.append(snapshot(view))
            schedule = scheduler.decide(view)
            decisions.append(as_decision(schedule))
            simulation.apply(schedule)
        runs.append((simulation.events, snapshots))
    reference = Reference(trace, cluster, seed, decisions)
    reference.run()
    for events, snapshots in runs:
        assert events is not None
        for ours, theirs in itertools.zip_longest(events, reference.log):
            assert ours is not None
            assert tuple(ours) == theirs
        for seen, expected in itertools.zip_longest(snapshots, reference.snapshots):
            assert seen == expected
    return reference.reached


@pytest.mark.slow
def test_log_and_views_equal_those_of_the_reference_and_every_feature_is_reached() -> None:
    reached: set[str] = set()

    @settings(max_examples=400)
    @given(traces(), clusters(), st.integers(0, 3), st.integers(0, 2**32))
    def compare(trace: Trace, cluster: Cluster, seed: int, policy_seed: int) -> None:
        reached.update(check_agreement(trace, cluster, seed, policy_seed))

    compare()
    assert reached >= MUST_REACH


@pytest.mark.slow
def test_the_reference_agrees_where_executors_leave_as_work_orders_end() -> None:
    reached: set[str] = set()

    @settings(max_examples=150)
    @given(traces(), clusters(), st.integers(0, 2**32), st.data())
    def compare(the_trace: Trace, cluster: Cluster, policy_seed: int, data: st.DataObject) -> None:
        steady = cluster.replace(outages=())
        scheduler = RandomScheduler(policy_seed)
        result = sim.simulate(the_trace, scheduler, cluster=steady, record_events=True)
        assert result.events is not None
        ends = [event for event in result.events if event.kind == "finish"]
        planned = tuple(
            Outage(end.time_us, end.time_us + data.draw(st.integers(1, 50)), (end.executor,))
            for end in data.draw(st.lists(st.sampled_from(ends), min_size=1, max_size=4))
        )
        failing = cluster.replace(outages=planned)
        reached.update(check_agreement(the_trace, failing, 0, policy_seed))

    compare()
    assert reached >= {"task lost", "task not even started", "lost task again", "joined"}
