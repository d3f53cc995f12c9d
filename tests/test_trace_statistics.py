"""Figures of a trace, by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from builders import op, plan, trace
from hypothesis import given
from strategies import traces as random_traces

from sim import Cluster, simulate
from traces import Query, Trace
from traces.model import scaled_count
from traces.statistics import (
    arrival_statistics,
    critical_path_us,
    est_query_work_us,
    est_work_us,
    estimate_errors,
    parallelism,
    q_errors,
    repetition_rate,
    template_counts,
    work_us,
)


def queries_at(times_s: list[float], **fields: Any) -> Trace:
    """Queries of one plan with one work order of 1 s."""
    queries = tuple(
        Query(query_id=index, plan="one", arrival_us=round(1e6 * time), **fields)
        for index, time in enumerate(times_s)
    )
    return Trace(name="t", plans=(plan(op(1_000_000), name="one"),), queries=queries)


@given(random_traces())
def test_work_is_that_of_the_plans(the_trace: Trace) -> None:
    plans = the_trace.plans_by_name()
    expected = [plans[q.plan].work_at(q.size_factor) * q.time_factor for q in the_trace.queries]
    assert work_us(the_trace) == pytest.approx(expected)


def test_critical_path_by_hand() -> None:
    # 0 (5, 7) and 1 (20) stream into 2 (3, 3); 3 (4) waits for it.
    the_plan = plan(op(5, 7), op(20), op(3, 3), op(4), edges="0-2 1>2 2>3")
    # 2 starts after 1 at 20 and takes 3, 3 takes 4.
    assert critical_path_us(the_plan) == 27
    assert parallelism(trace(the_plan), np.array([42.0])) == pytest.approx([42 / 27])
    # A stream ends no earlier than what it reads.
    assert critical_path_us(plan(op(50), op(3), op(4), edges="0-1 1>2")) == 54


@given(random_traces())
def test_no_query_is_faster_than_its_critical_path(the_trace: Trace) -> None:
    result = simulate(the_trace, "fifo", cluster=Cluster(executors_per_node=64, use_profiles=False))
    by_id = {query.query_id: query for query in the_trace.queries}
    for record in result.queries:
        query = by_id[record.query_id]
        the_plan = the_trace.plan(query.plan)
        counts = [scaled_count(each, query.size_factor) for each in the_plan.operators]
        if counts == [len(each.work_order_us) for each in the_plan.operators]:  # all happen
            rounding_us = len(counts)
            least_us = critical_path_us(the_plan) * query.time_factor - rounding_us
            assert record.latency_s * 1e6 >= least_us


def test_repetition_by_hand() -> None:
    names = ["a", "b", "a", "", "a", ""]
    queries = tuple(
        Query(query_id=index, plan="one", arrival_us=index, template=name)
        for index, name in enumerate(names)
    )
    the_trace = Trace(name="t", plans=(plan(op(1), name="one"),), queries=queries)
    assert repetition_rate(queries) == 0.5
    assert template_counts(the_trace) == [("a", 3), ("one", 2), ("b", 1)]


def test_arrivals_by_hand() -> None:
    # Minutes 0 to 23, one query each, but four in minute 5: mean 27 ÷ 24, variance of the counts.
    times = [60.0 * minute for minute in range(24)] + [301.0, 302.0, 303.0, 60.0 * 24]
    the_trace = queries_at(sorted(times))
    figures = arrival_statistics(the_trace, work_us(the_trace))
    assert figures is not None
    assert figures.span_s == 60
    counts = [4.0 if minute == 5 else 1.0 for minute in range(25)]
    assert figures.counts.tolist() == counts
    assert figures.work_us.tolist() == [1e6 * count for count in counts]
    assert figures.dispersion == pytest.approx(np.var(counts) / np.mean(counts))
    assert figures.peak_to_mean == pytest.approx(4 / np.mean(counts))
    assert figures.count_cv == pytest.approx(np.std(counts) / np.mean(counts))
    gaps = np.diff(sorted(times))
    assert figures.gap_cv == pytest.approx(np.std(gaps) / np.mean(gaps))
    assert list(figures.autocorrelations) == [1]


def test_a_poisson_process_and_a_daily_rhythm_are_told_apart() -> None:
    generator = np.random.default_rng(0)
    week_s = 7 * 86_400
    poisson = np.sort(generator.uniform(0, week_s, 20_000))
    accepted = generator.random(20_000) < 0.5 * (1 + np.sin(2 * math.pi * poisson / 86_400))
    figures = [
        arrival_statistics(queries_at(list(times)), np.ones(len(times)))
        for times in (poisson, poisson[accepted])
    ]
    plain, daily = figures
    assert plain is not None
    assert daily is not None
    assert plain.span_s == 3600
    assert plain.gap_cv == pytest.approx(1, abs=0.03)
    assert plain.dispersion == pytest.approx(1, abs=0.35)
    assert abs(plain.autocorrelations[24]) < 0.2
    assert daily.dispersion > 10
    assert daily.autocorrelations[24] > 0.7
    assert 168 not in daily.autocorrelations, "that needs three weeks"


def test_all_at_once_and_two() -> None:
    batch = queries_at([3.0, 3.0])
    assert arrival_statistics(batch, work_us(batch)) is None
    two = queries_at([0.0, 48.0])
    figures = arrival_statistics(two, work_us(two))
    assert figures is not None
    assert figures.gap_cv is None
    assert figures.counts.sum() == 2


def test_estimates_by_hand() -> None:
    the_plan = plan(
        op(10, 30, est_work_order_us=5, output_bytes=100, est_output_bytes=1000),
        op(8, est_work_order_us=16, output_bytes=0, est_output_bytes=7),
        op(7),
    )
    errors = estimate_errors([the_plan])
    assert errors is not None
    assert errors.work.tolist() == [0.25, 2.0]
    assert q_errors(errors.work).tolist() == [4.0, 2.0]
    assert errors.output.tolist() == [10.0]
    assert est_work_us(the_plan) == 5 * 2 + 16 + 7
    assert errors.plan_work == pytest.approx([33 / 55])
    queries = (
        Query(query_id=0, plan="plan", arrival_us=0, time_factor=5.0),
        Query(query_id=1, plan="plan", arrival_us=0, size_factor=2.0),
    )
    the_trace = Trace(name="t", plans=(the_plan,), queries=queries)
    assert est_query_work_us(the_trace).tolist() == [33, 66]
    assert estimate_errors([plan(op(7))]) is None
