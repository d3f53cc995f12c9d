"""What arrives is what was asked for: by class of tenant, and by template.

Where chance plays a part, tolerances are about four standard errors of the figure, unless said.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from traces import Trace
from traces.generate import Config, calibration, generate
from traces.generate.batch import Batch
from traces.generate.bursty import Adhoc, Interactive
from traces.generate.catalogue import Catalogue
from traces.generate.dashboard import Dashboard
from traces.generate.measure import HourlyCounts
from traces.generate.patterns import SLOTS, Pattern, shape
from traces.generate.span import PROFILES, Span, hour_weights
from traces.generate.tenants import Tenants

MINUTE_US, HOUR_US, DAY_US = 60_000_000, 3_600_000_000, 86_400_000_000


def made(tenants: Tenants, *, days: float = 1, start: str = "Monday", seed: int = 0) -> Trace:
    config = Config(name="t", seed=seed, start=start, days=days, tenants=(tenants,))  # type: ignore[arg-type]
    return generate(config).load()


def times_us(trace: Trace) -> np.ndarray:
    return np.array([query.arrival_us for query in trace.queries])


def per_hour(trace: Trace, hours: int) -> np.ndarray:
    return np.bincount(times_us(trace) // HOUR_US, minlength=hours)[:hours].astype(float)


# Dashboards and batches, to the instant


def test_a_dashboard_refreshes_its_panels_together_while_it_is_active() -> None:
    board = Dashboard(
        name="b",
        panels=3,
        period_s=3600.0,
        jitter_s=0.0,
        phase_s=600.0,
        active_hours=(22.0, 2.0),
        weekdays="workdays",
    )
    trace = made(board, days=2, start="Friday")
    expected = [hour * HOUR_US + 10 * MINUTE_US for hour in (0, 1, 22, 23) for _ in range(3)]
    assert times_us(trace).tolist() == expected  # nothing on Saturday
    assert [query.template for query in trace.queries[:3]] == ["b/t1", "b/t2", "b/t3"]
    assert len({query.plan for query in trace.queries}) == 3
    late = made(Dashboard(name="b", panels=2, period_s=600.0, phase_s=0.0, jitter_s=30.0))
    jitter_us = times_us(late) % (10 * MINUTE_US)
    assert jitter_us.max() < 30e6
    assert jitter_us.mean() == pytest.approx(15e6, rel=0.15)


def test_a_trace_may_begin_within_a_day() -> None:
    trace = made(Dashboard(name="b", panels=1, phase_s=0.0, jitter_s=0.0), start="Mon 08:00")
    assert times_us(trace)[0] == 8 * HOUR_US
    assert times_us(trace)[-1] < 32 * HOUR_US
    assert Span("2026-11-25", 1).weekday == Span("Wednesday", 1).weekday == 2


def test_a_batch_runs_its_jobs_at_its_hours() -> None:
    load = Batch(name="l", jobs=3, at_hours=(1.5, 20.0), gap_s=60.0, late_s=0.0, growth=2.0)
    trace = made(load, days=2)
    starts = {0: (1.5, 20.0), 1: (25.5, 44.0)}
    expected = [
        hour * HOUR_US + job * MINUTE_US
        for day, hours in starts.items()
        for hour in hours
        for job in range(3 * 2**day)
    ]
    assert times_us(trace).tolist() == expected
    assert Counter(query.template for query in trace.queries)["l/t6"] == 2
    hourly = Batch(name="l", jobs=1, every_hours=1.0, late_s=120.0)
    late_us = times_us(made(hourly, days=20)) % HOUR_US
    assert late_us.mean() == pytest.approx(120e6, rel=4 / math.sqrt(480))


# Random arrivals


def test_ad_hoc_queries_follow_the_hours_of_the_day_and_the_week() -> None:
    weekdays = (1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.0)
    adhoc = Adhoc(name="a", per_hour=200.0, burstiness=0.0, weekdays=weekdays)
    counts = per_hour(made(adhoc, days=7), 168).reshape(7, 24)
    by_day = counts.sum(axis=1)
    assert by_day[:5].mean() == pytest.approx(4800, rel=0.03)
    assert by_day[5] == pytest.approx(2400, rel=0.09)
    assert by_day[6] == 0
    expected = 5.5 * 200 * hour_weights("office")
    error = (counts.sum(axis=0) - expected) / np.sqrt(expected)
    assert np.abs(error).max() < 4
    growing = Adhoc(name="a", per_hour=200.0, burstiness=0.0, growth=1.2)
    by_day = per_hour(made(growing, days=5), 120).reshape(5, 24).sum(axis=1)
    assert by_day == pytest.approx(4800 * 1.2 ** np.arange(5), rel=0.06)


def test_burstiness_and_routine_shape_the_hourly_count() -> None:
    span = Span("Monday", 60 * 24)

    def figures(burstiness: float, routine: float) -> HourlyCounts:
        adhoc = Adhoc(
            name="a", per_hour=400.0, profile="flat", burstiness=burstiness, routine=routine
        )
        time_us = adhoc.arrivals(span, np.random.default_rng(1)).time_us
        counts = np.bincount((time_us // HOUR_US).astype(int), minlength=60 * 24)
        return HourlyCounts(adhoc, 400.0, counts.astype(float))

    calm, bursty, habitual = figures(0.0, 0.0), figures(1.0, 0.0), figures(1.0, 1.0)
    assert calm.variation == pytest.approx(1 / 20, rel=0.1)  # Poisson
    assert bursty.variation == pytest.approx(math.sqrt(math.e - 1), rel=0.25)
    assert bursty.counts.mean() == pytest.approx(400, rel=0.02)
    assert 0.25 < bursty.autocorrelation(1) < 0.5
    assert abs(bursty.autocorrelation(24)) < 0.15
    assert habitual.autocorrelation(24) > 0.9


def test_sessions_are_queries_apart_by_think_times() -> None:
    rare = Interactive(
        name="i", profile="flat", sessions_per_hour=0.2, burstiness=0.0, think_s=20.0, think_sd=0.5
    )
    trace = made(rare, days=60)
    assert trace.num_queries == pytest.approx(0.2 * 24 * 60 * 8, rel=4 / math.sqrt(288 / 2))
    gaps_us = np.diff(times_us(trace))
    within = gaps_us[gaps_us < 5 * MINUTE_US]
    assert np.median(within) == pytest.approx(20e6, rel=0.1)
    assert np.log(within).std() == pytest.approx(0.5, rel=0.15)
    sessions = trace.num_queries - len(within)
    assert trace.num_queries / sessions == pytest.approx(8, rel=0.25)


@pytest.mark.parametrize("kind", calibration.PATTERN_WEIGHTS)
def test_patterns_have_their_shapes(kind: str) -> None:
    generator = np.random.default_rng(0)
    shapes = np.array([shape(kind, 24.0, generator) for _ in range(200)])
    assert shapes.min() >= 0
    assert np.allclose(shapes.mean(axis=1), 1.0)
    active = (shapes > 0).mean(axis=1)
    if kind == "burst":
        assert 0.14 < active.min() < active.max() < 0.26
        assert all(np.count_nonzero(np.diff(s > 0)) == 2 for s in shapes)  # one piece
    elif kind == "spikes":
        assert np.median(active) < 0.35
        assert shapes.max(axis=1).min() > 1 / 0.9
    elif kind == "breaks":
        assert (active < 1).mean() == pytest.approx(0.5, abs=0.14)
        assert active.min() > 0.79
    elif kind == "on-off":
        onsets = [np.count_nonzero(np.diff(s) > 0) for s in shapes]
        assert set(onsets) <= {23, 24}  # every hour
    else:
        middle = shapes[:, SLOTS // 3 : -SLOTS // 3].mean()
        assert middle > 1.02  # the humps
        assert shapes.std(axis=1).min() > 0.2  # the noise


def test_tenants_draw_patterns_by_their_weights() -> None:
    span, total = Span("Monday", 24), sum(calibration.PATTERN_WEIGHTS.values())
    pattern = Pattern(name="p", per_hour=40.0)
    generators = [np.random.default_rng(seed) for seed in range(400)]
    times = [pattern.arrivals(span, generator).time_us for generator in generators]
    assert np.mean([len(t) for t in times]) == pytest.approx(960, rel=0.01)
    spans = np.array([np.ptp(t) for t in times]) / DAY_US
    bursts = (spans < 0.26).mean()
    share = calibration.PATTERN_WEIGHTS["burst"] / total
    assert share - 0.09 < bursts < share + 0.09 + 0.05  # a few spikes may lie close together


# Templates


def test_queries_repeat_templates_by_popularity_or_come_once() -> None:
    adhoc = Adhoc(
        name="a", per_hour=400.0, templates=10, repetition=0.7, popularity=1.0, burstiness=0.0
    )
    trace = made(adhoc)
    counts = Counter(query.template for query in trace.queries)
    once = sum(1 for template in counts if "/once" in template)
    assert once / trace.num_queries == pytest.approx(0.3, abs=4 * 0.46 / math.sqrt(9600))
    assert all(counts[template] == 1 for template in counts if "/once" in template)
    harmonic = sum(1 / k for k in range(1, 11))
    for k in (1, 2, 10):
        share = counts[f"a/t{k}"] / (trace.num_queries - once)
        assert share == pytest.approx(1 / k / harmonic, abs=4 * 0.5 / math.sqrt(6700))


def test_a_template_is_one_plan_with_factors_of_its_own() -> None:
    adhoc = Adhoc(
        name="a",
        per_hour=1000.0,
        templates=400,
        repetition=1.0,
        popularity=0.0,
        size=0.5,
        size_sd=0.8,
        time_sd=0.5,
        variation=0.1,
        work_orders=100_000,
    )
    trace = made(adhoc)
    groups: dict[str, list[tuple[float, float]]] = {}
    plans: dict[str, set[str]] = {}
    for query in trace.queries:
        logs = (math.log(query.size_factor), math.log(query.time_factor))
        groups.setdefault(query.template, []).append(logs)
        plans.setdefault(query.template, set()).add(query.plan)
    assert all(len(names) == 1 for names in plans.values())
    assert len(set.union(*plans.values())) == 22
    centres = np.array([np.mean(logs, axis=0) for logs in groups.values()])
    within = np.concatenate([np.array(logs) - np.mean(logs, axis=0) for logs in groups.values()])
    error = 4 / math.sqrt(2 * 400)
    assert centres.std(axis=0) == pytest.approx([0.8, 0.5], rel=error)
    assert within.std(axis=0) == pytest.approx([0.1, 0.1], rel=0.05)
    assert centres[:, 0].mean() == pytest.approx(math.log(0.5), abs=4 * 0.8 / 20)
    assert np.exp(centres[:, 1]).mean() == pytest.approx(1.0, abs=4 * 0.53 / 20)


def test_short_and_long_plans_are_halves() -> None:
    catalogue = Catalogue(("tpch", "ssb"))
    short, long = (catalogue.matching(("tpch-*",), half) for half in ("short", "long"))
    works = catalogue.work_us.sum(axis=1)
    assert works[short].max() <= works[long].min()
    assert len(short) == len(long) == 11
    assert sorted([*short, *long]) == [*range(22)]


def test_profiles_are_of_24_hours() -> None:
    assert all(hour_weights(name).mean() == pytest.approx(1.0) for name in PROFILES)
    assert sum(calibration.HOUR_SHARES) == pytest.approx(100.0)
