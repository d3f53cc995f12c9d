"""Which plan stands for a query, and with which factors."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from builders import op, plan

from traces import Plan, TraceError, load
from traces.importers.matching import SCAN_BYTES, Candidates, Features, shipped_plans
from traces.model import MAX_WORK_ORDERS

SECOND = 1_000_000
SMALL = plan(op(SECOND, kind="scan", count=10), op(SECOND, kind="aggregate"), name="small")
JOIN = plan(
    op(SECOND, kind="scan", count=80),
    op(SECOND, kind="probe", count=80),
    op(SECOND, kind="sort"),
    name="join",
)
BIG = plan(
    op(4 * SECOND, kind="scan", count=80),
    op(SECOND, kind="probe", count=80),
    op(SECOND, kind="join"),
    op(SECOND, kind="aggregate"),
    op(SECOND, kind="aggregate"),
    name="big",
)
FIXED = plan(
    op(3 * SECOND, kind="scan", count=20),
    op(5 * SECOND, kind="build", count=4, is_scalable=False),
    name="fixed",
)
PLANS = (SMALL, JOIN, BIG, FIXED)


def features(**one: float) -> Features:
    """One query; sorts and bytes are unknown unless given."""
    values = {"sorts": math.nan, "scanned_bytes": math.nan, **one}
    return Features(**{name: np.array([value], float) for name, value in values.items()})


def random_features(number: int, seed: int = 0) -> Features:
    draw = np.random.default_rng(seed)

    def or_unknown(values: np.ndarray, share: float) -> np.ndarray:
        return np.where(draw.random(number) < share, np.nan, values)

    return Features(
        joins=draw.integers(0, 12, number).astype(float),
        aggregations=draw.integers(0, 6, number).astype(float),
        sorts=or_unknown(draw.integers(0, 3, number).astype(float), 0.5),
        scanned_bytes=or_unknown(10 ** draw.uniform(3, 13, number), 0.2),
        work_us=10 ** draw.uniform(3, 11, number),
    )


def test_features_of_plans_are_counted_and_scans_that_do_not_grow_read_nothing() -> None:
    fixed_scan = plan(op(1, kind="scan", is_scalable=False), op(1, kind="top-n"), name="tiny")
    found = Candidates([*PLANS, fixed_scan]).features
    assert found.joins.tolist() == [0, 1, 2, 0, 0]
    assert found.aggregations.tolist() == [1, 0, 2, 0, 0]
    assert found.sorts.tolist() == [0, 1, 0, 0, 1]
    assert found.scanned_bytes[:4].tolist() == [n * SCAN_BYTES for n in (10, 80, 80, 20)]
    assert math.isnan(found.scanned_bytes[4])
    assert found.work_us.tolist() == [each.work_us for each in (*PLANS, fixed_scan)]


def test_the_nearest_plan_by_hand() -> None:
    # 2 joins, 2 aggregations: exactly those of "big", 320 MB is its size, 400 s nearly its work.
    query = features(joins=2, aggregations=2, scanned_bytes=80 * SCAN_BYTES, work_us=400 * SECOND)
    assert Candidates(PLANS).nearest(query).tolist() == [2]
    # Against "join" 1 join counts as log2(3/2) = 0.58 and an aggregation as 1. At an 8th of its
    # bytes, and of its work, size adds 3/4. "small" has the same bytes (0), but a join too few
    # (1) and its work is off by 160/8/11: 0.86 / 2 = 0.43.
    query = features(joins=1, aggregations=0, scanned_bytes=10 * SCAN_BYTES, work_us=20 * SECOND)
    assert Candidates(PLANS).nearest(query).tolist() == [1]
    query = features(joins=0, aggregations=1, scanned_bytes=10 * SCAN_BYTES, work_us=20 * SECOND)
    assert Candidates(PLANS).nearest(query).tolist() == [0]


def test_the_nearest_plan_is_that_of_the_formula() -> None:
    queries, candidates = random_features(300), Candidates(shipped_plans())
    plans = candidates.features

    def distance(query: int, of: int) -> float:
        total = 0.0
        for name in ("joins", "aggregations", "sorts"):
            there = getattr(queries, name)[query]
            if not math.isnan(there):
                total += abs(math.log2(1 + there) - math.log2(1 + getattr(plans, name)[of]))
        work = queries.work_us[query] / plans.work_us[of]
        size = queries.scanned_bytes[query] / plans.scanned_bytes[of]
        if math.isnan(size):
            size = work
        return total + abs(math.log2(size)) / 4 + abs(math.log2(work / size)) / 2

    for query, found in enumerate(candidates.nearest(queries).tolist()):
        distances = [distance(query, of) for of in range(len(candidates.plans))]
        assert distances[found] == pytest.approx(min(distances), rel=1e-9)


def test_equal_distances_go_to_the_first_plan_however_many_queries_there_are() -> None:
    twins = [*PLANS, *(Plan(name=f"{one.name}-2", operators=one.operators) for one in PLANS)]
    queries = random_features(5000)
    together = Candidates(twins).nearest(queries)
    assert together.max() < len(PLANS)
    alone = [
        Candidates(twins).nearest(
            Features(*(getattr(queries, name)[row : row + 1] for name in vars(queries)))
        )[0]
        for row in range(0, 5000, 500)
    ]
    assert together[::500].tolist() == alone


def test_presence_only_does_not_count() -> None:
    query = features(
        joins=1, aggregations=1, sorts=0, scanned_bytes=80 * SCAN_BYTES, work_us=403 * SECOND
    )
    assert Candidates(PLANS, presence_only=True).nearest(query).tolist() == [2]
    assert Candidates(PLANS, presence_only=True).features.joins.max() == 1


def test_work_comes_out_right_and_time_factors_stay_moderate() -> None:
    queries, candidates = random_features(4000, seed=1), Candidates(shipped_plans())
    chosen = candidates.nearest(queries)
    wanted = candidates.sizes(chosen, queries.scanned_bytes, queries.work_us)
    sizes, times = candidates.factors(chosen, wanted, queries.work_us)
    plans = [candidates.plans[index] for index in chosen.tolist()]
    pairs = zip(plans, sizes.tolist(), times.tolist(), strict=True)
    work = np.array([each.work_at(size) * time for each, size, time in pairs])
    np.testing.assert_allclose(work, queries.work_us, rtol=1e-6)
    assert work.sum() == pytest.approx(queries.work_us.sum(), rel=1e-6)
    assert times.max() <= 4.0
    least = np.array([each.work_at(1e-6) for each in plans])
    assert times[queries.work_us >= least / 4].min() >= 0.25
    # What fits is left as it is; what does not is moved towards the work, never past it.
    ratio = queries.work_us / np.array([p.work_at(s) for p, s in zip(plans, wanted, strict=True)])
    fits = (ratio >= 0.25) & (ratio <= 4)
    assert 0.2 < fits.mean() < 0.8
    np.testing.assert_allclose(sizes[fits], wanted[fits], rtol=1e-3)
    assert (sizes[ratio > 4.01] >= wanted[ratio > 4.01]).all()
    assert (sizes[ratio < 0.249] <= wanted[ratio < 0.249] * 1.001).all()


def test_factors_by_hand() -> None:
    candidates = Candidates(PLANS)

    def factors(of: int, scanned: float, work_s: float) -> tuple[float, float]:
        plans, work = np.array([of]), np.array([work_s * SECOND])
        sizes = candidates.sizes(plans, np.array([scanned]), work)
        (size,), (time,) = candidates.factors(plans, sizes, work)
        return size, time

    assert factors(0, 20 * SCAN_BYTES, 44) == (2.0, 2.0)  # 20 + 2 work orders of 1 s
    assert factors(3, 20 * SCAN_BYTES, 40) == (1.0, 0.5)  # 60 s + 20 s that do not grow
    size, time = factors(0, 10 * SCAN_BYTES, 1100)  # 11 s: 100 times the work
    assert (size, time) == (pytest.approx(25, rel=0.05), pytest.approx(4, rel=0.05))
    size, time = factors(0, 10_000 * SCAN_BYTES, 11)  # 11,000 s: a 1000th of the work
    assert (size, time) == (pytest.approx(4, rel=0.05), pytest.approx(0.25, rel=0.05))
    size, time = factors(0, math.nan, 1100)  # nothing known of the bytes
    assert (size, time) == (pytest.approx(100, rel=0.05), pytest.approx(1, rel=0.05))
    # Less than one work order each: the size stays, the time shrinks beyond a quarter.
    assert factors(0, 0.1 * SCAN_BYTES, 0.2) == (0.01, 0.1)


def test_no_plan_grows_beyond_what_a_simulation_takes() -> None:
    candidates = Candidates([BIG])
    plans, work = np.zeros(1, int), np.array([1e9 * SECOND])
    (size,), (time,) = candidates.factors(plans, np.array([1e9]), work)
    num_work_orders = sum(round(one.num_work_orders * size) for one in BIG.operators)
    assert 0.9 * MAX_WORK_ORDERS < num_work_orders <= MAX_WORK_ORDERS
    assert BIG.work_at(size) * time == pytest.approx(1e9 * SECOND, rel=1e-6)


@pytest.mark.parametrize("work_s", [1e-9, 1e14])
def test_work_that_no_factor_reaches_is_an_error(work_s: float) -> None:
    with pytest.raises(TraceError, match=r"plan 'big' cannot stand for a query of .* s of work"):
        Candidates([BIG]).factors(np.zeros(1, int), np.ones(1), np.array([work_s * SECOND]))


def test_all_shipped_plans_are_there_under_names_of_their_own() -> None:
    plans = shipped_plans()
    names = [each.name for each in plans]
    assert len(set(names)) == len(names) == 22 + 13 + 99
    assert {"tpch-q1", "ssb-q4.3", "tpcds-q99"} <= set(names)
    by_name = dict(zip(names, plans, strict=True))
    assert by_name["tpch-q6"].operators == load("tpch").plan("q6").operators
    assert all(size > 0 for size in Candidates(plans).features.scanned_bytes)
    assert not list(itertools.filterfalse(math.isfinite, Candidates(plans).features.work_us))
