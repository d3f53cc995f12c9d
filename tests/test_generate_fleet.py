"""Fleets are like real ones, and the shipped ones are worlds in which scheduling matters."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

import sim
import traces
from traces.generate import Fleet, calibration
from traces.generate.catalogue import Catalogue
from traces.generate.measure import HourlyCounts, hourly_counts
from traces.generate.span import Span

HOUR_US = 3_600_000_000


# Real fleets


@pytest.fixture(scope="module", params=[0, 1])
def fleet(request: pytest.FixtureRequest) -> list[HourlyCounts]:
    return [*hourly_counts(Fleet(tenants=107), 28, seed=request.param, max_per_hour=1500.0)]


def test_a_fleet_has_the_published_percentiles(fleet: list[HourlyCounts]) -> None:
    def percentiles(values: list[float]) -> np.ndarray:
        return np.percentile(values, calibration.PERCENTILES)

    rates = percentiles([tenant.per_hour for tenant in fleet])
    assert rates == pytest.approx(calibration.QUERIES_PER_HOUR, rel=0.15)
    variations = percentiles([tenant.variation for tenant in fleet])
    assert variations == pytest.approx(calibration.HOURLY_CV, rel=0.25)
    # Of 28 days, and without the rare surges of otherwise calm tenants: too low, as is known.
    peaks = percentiles([tenant.peak_to_mean for tenant in fleet])
    assert all(
        0.3 < peak / real < 1.1 for peak, real in zip(peaks, calibration.PEAK_TO_MEAN, strict=True)
    )
    for lag, published in calibration.AUTOCORRELATION.items():
        median = np.nanmedian([tenant.autocorrelation(lag) for tenant in fleet])
        assert median == pytest.approx(published, abs=0.12), lag
    busiest = sorted((tenant.per_hour for tenant in fleet), reverse=True)
    assert sum(busiest[:11]) / sum(busiest) == pytest.approx(calibration.TOP_TENTH_SHARE, abs=0.06)


def test_a_fleet_is_busy_when_real_ones_are(fleet: list[HourlyCounts]) -> None:
    weights = [tenant.per_hour / tenant.counts.mean() for tenant in fleet]
    days = sum(
        t.counts.reshape(-1, 24).sum(axis=0) * w for t, w in zip(fleet, weights, strict=True)
    )
    shares = days / days.sum()
    assert calibration.BUSY_SHARE[0] - 0.01 < shares[14:19].mean() < calibration.BUSY_SHARE[1]
    assert calibration.QUIET_SHARE[0] - 0.005 < shares[:10].mean() < calibration.QUIET_SHARE[1]


def test_a_fleet_has_classes_and_work_as_published() -> None:
    span, catalogue = Span("Monday", 24), Catalogue(("tpch",))
    tenants = Fleet(tenants=400).draw(0, span, catalogue)
    classes = Counter(type(one).__name__ for one in tenants)
    read_only = (classes["Dashboard"] + classes["Interactive"]) / 400
    assert read_only == pytest.approx(calibration.SNOWSET_SHARES["read-only"], abs=0.05)
    shares = calibration.SNOWSET_SHARES
    assert classes["Batch"] / 400 == pytest.approx(shares["write-only"], abs=0.05)
    works = [one.size * math.exp(one.size_sd**2 / 2) for one in tenants]
    works_s = np.array(works) * catalogue.work_us.sum(axis=1).mean() / 1e6
    runtimes = np.percentile(works_s, calibration.PERCENTILES)
    assert runtimes == pytest.approx(calibration.MEAN_RUNTIME_S, rel=0.15)
    rates = np.array([one.expected(span) / span.hours for one in tenants])
    concurrency = np.percentile(rates / 3600 * works_s, calibration.PERCENTILES)
    ratios = concurrency / calibration.MEAN_CONCURRENCY
    assert 0.5 < ratios.min() < ratios.max() < 1.8


def test_a_larger_fleet_begins_with_the_same_tenants() -> None:
    span, catalogue = Span("Monday", 24), Catalogue(("tpch",))
    few, many = (Fleet(tenants=number).draw(3, span, catalogue) for number in (10, 50))
    assert many[:10] == few


# The shipped ones


@pytest.mark.parametrize(
    ("name", "hours", "queries", "load"),
    [("fleet-small", 3, (900, 1100), 0.6), ("fleet-day", 24, (15_000, 25_000), 0.55)],
)
def test_shipped_fleets_are_of_the_size_that_they_are_meant_for(
    name: str, hours: int, queries: tuple[int, int], load: float
) -> None:
    trace = traces.load(name)
    assert queries[0] < trace.num_queries < queries[1]
    assert {query.query_class for query in trace.queries} == {
        *("adhoc", "batch", "dashboard", "interactive", "pattern")
    }
    plans = trace.plans_by_name()
    works = np.array([plans[q.plan].work_at(q.size_factor) * q.time_factor for q in trace.queries])
    hour = np.array([query.arrival_us for query in trace.queries]) // HOUR_US
    by_hour = np.bincount(hour - hour[0], weights=works, minlength=hours) / (32 * HOUR_US)
    assert by_hour.mean() == pytest.approx(load, rel=0.005)
    assert 0.7 < by_hour.max() < 1.0
    assert works.min() < 20_000
    assert works.max() > 1e9


def test_scheduling_matters_on_the_small_fleet() -> None:
    trace, cluster = traces.load("fleet-small"), sim.preset("inmemory-32")
    means = {
        scheduler: sim.simulate(trace, scheduler, cluster=cluster).summary()["mean_latency_s"]
        for scheduler in ("fifo", "fair", "srpt:size=estimate+share=2", "srpt:size=history+share=2")
    }
    fifo, fair, estimate, history = means.values()
    assert history < 0.97 * estimate < estimate < 0.9 * fair
    assert 2 * fair < fifo < 20 * fair
