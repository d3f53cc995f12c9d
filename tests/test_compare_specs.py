"""Short texts: seeds, clusters, grids, arrivals."""

from __future__ import annotations

import pytest
from builders import op, plan, trace

from lsched import Arrivals, OptionError, parse_cluster, parse_seeds
from lsched.specs import grid_specs, parse_grid, parse_numbers, parse_schedulers
from sim import Cluster, ClusterError, preset


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("1", (0,)),
        ("10", tuple(range(10))),
        ("100-109", tuple(range(100, 110))),
        ("7-7", (7,)),
        ("3,7,11", (3, 7, 11)),
        ("3, 100-102", (3, 100, 101, 102)),
    ],
)
def test_seeds(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text", ["", "0", "x", "9-3", "-5", "1-", "1,1", "1-3,2", "1.5", "0-999999"]
)
def test_bad_seeds(text: str) -> None:
    with pytest.raises(OptionError):
        parse_seeds(text)


def test_cluster_with_changes() -> None:
    cluster = parse_cluster(
        "inmemory-32:memory_bytes=4e9+executors_per_node=16+contention=0.01+cache_bytes=none"
        "+release=pipeline+use_profiles=false"
    )
    assert cluster == preset("inmemory-32").replace(
        memory_bytes=4_000_000_000,
        executors_per_node=16,
        contention=0.01,
        cache_bytes=None,
        release="pipeline",
        use_profiles=False,
    )
    assert parse_cluster("spark-50") == preset("spark-50")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inmemory-33", "did you mean 'inmemory-32'"),
        ("inmemory-32:executor_per_node=3", "did you mean 'executors_per_node'"),
        ("inmemory-32:executors_per_node", "not key=value"),
        ("inmemory-32:executors_per_node=", "not key=value"),
        ("inmemory-32:executors_per_node=0", "expected 1 to"),
        ("inmemory-32:executors_per_node=many", "expected a whole number"),
        ("inmemory-32:executors_per_node=1.5", "expected a whole number"),
        ("inmemory-32:executors_per_node=none", "expected a whole number"),
        ("inmemory-32:contention=nan", "contention is nan"),
        ("inmemory-32:memory_bytes=lots", "a whole number or none"),
        ("inmemory-32:memory_bytes=inf", "memory_bytes is 'inf', expected a whole number"),
        ("inmemory-32:release=never", "expected work-order or pipeline"),
        ("inmemory-32:use_profiles=1", "true or false"),
    ],
)
def test_bad_clusters(text: str, message: str) -> None:
    with pytest.raises(ClusterError, match=message):
        parse_cluster(text)


def test_lists() -> None:
    assert parse_numbers("0.3, 0.5") == (0.3, 0.5)
    assert parse_schedulers("fifo, srpt:size=history+cap=0.5") == (
        "fifo",
        "srpt:size=history+cap=0.5",
    )
    for bad in ("0.3,x", "0.3,0.3", "", "inf"):
        with pytest.raises(OptionError):
            parse_numbers(bad)
    for bad in ("", "fifo,", "fifo,fifo"):
        with pytest.raises(OptionError):
            parse_schedulers(bad)


def test_grid() -> None:
    grid = parse_grid("share=0.5,1+size=estimate,history")
    assert grid == {"share": ("0.5", "1"), "size": ("estimate", "history")}
    assert grid_specs("srpt", grid) == (
        "srpt:share=0.5+size=estimate",
        "srpt:share=0.5+size=history",
        "srpt:share=1+size=estimate",
        "srpt:share=1+size=history",
    )
    assert grid_specs("srpt:spare=idle", {"cap": [None, 0.5]}) == (
        "srpt:spare=idle+cap=none",
        "srpt:spare=idle+cap=0.5",
    )
    assert grid_specs("a/b.py:C", {"x": [1]}) == ("a/b.py:C:x=1",)
    assert grid_specs("a/b.py:C:y=2", {"x": [1]}) == ("a/b.py:C:y=2+x=1",)


@pytest.mark.parametrize(
    "text", ["share", "share=", "=1", "share=1,,2", "share=1+share=2", "a=1,1"]
)
def test_bad_grids(text: str) -> None:
    with pytest.raises(OptionError):
        parse_grid(text)


def test_arrivals_draw_by_seed() -> None:
    base = trace(plan(op(1000, 1000), name="a"), (plan(op(5000), name="b"), 7))
    cluster = Cluster(executors_per_node=2)
    drawn = Arrivals(load=0.5, num_queries=30)
    assert drawn.of(base, cluster, 3) == drawn.of(base, cluster, 3)
    assert drawn.of(base, cluster, 3) != drawn.of(base, cluster, 4)
    assert len(drawn.of(base, cluster, 3).queries) == 30
    assert Arrivals().of(base, cluster, 3) is base
    batch = Arrivals(is_batch=True, num_queries=4).of(base, cluster, 0)
    assert [query.arrival_us for query in batch.queries] == [0] * 4


def test_offered_load_is_what_was_asked_for() -> None:
    base = trace(plan(op(1000, 1000)))
    cluster = Cluster(executors_per_node=4)
    drawn = Arrivals(load=0.5, num_queries=4000).of(base, cluster, 0)
    gap_us = drawn.queries[-1].arrival_us / 3999
    assert 2000 / (gap_us * 4) == pytest.approx(0.5, rel=0.05)  # 3 standard errors


@pytest.mark.parametrize(
    "fields",
    [
        {"load": -1.0},
        {"load": float("nan")},
        {"load": 0.5, "is_batch": True},
        {"load": 0.5, "interval_s": 1.0},
        {"interval_s": 0.0},
        {"is_batch": True, "num_queries": 0},
        {"is_batch": True, "scale": 0.0},
    ],
)
def test_bad_arrivals(fields: dict[str, float]) -> None:
    with pytest.raises(OptionError):
        Arrivals(**fields)  # type: ignore[arg-type]
