"""Short texts: seeds, clusters, grids, arrivals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from builders import op, plan, trace

import sim.registry
from lsched import Arrivals, OptionError, compare, parse_cluster, parse_seeds
from lsched.specs import check_seeds, grid_specs, parse_grid, parse_numbers, parse_schedulers
from sim import Cluster, ClusterError, UnknownScheduler, preset


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
    "text", ["", "0", "x", "9-3", "-5", "1-", "1,1", "1-3,2", "1.5", "0-999999", "9" * 5000]
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
        {"is_batch": True, "num_queries": 1_000_001},
        {"is_batch": True, "num_queries": 1.5},
        {"is_batch": True, "size_sd": -0.1},
        {"load": 0.5, "time_sd": float("nan")},
        {"load": "0.5"},
    ],
)
def test_bad_arrivals(fields: dict[str, float]) -> None:
    with pytest.raises(OptionError):
        Arrivals(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schedulers": [1]}, "scheduler is 1, expected a text"),
        ({"schedulers": 1}, "scheduler is 1, expected a text"),
        ({"seeds": True}, "seeds are True"),
        ({"seeds": 1.5}, "seeds are 1.5"),
        ({"seeds": "10"}, "seeds are '10'"),
        ({"seeds": [0.5]}, "seed is 0.5"),
        ({"seeds": [True]}, "seed is True"),
        ({"seeds": 10**9}, "expected 1 to 100,000"),
        ({"workers": True}, "workers is True"),
        ({"workers": "2"}, "workers is '2'"),
        ({"arrivals": 0.5}, "arrivals: 0.5 is not of type Arrivals"),
        ({"arrivals": [None]}, "arrivals: None is not of type"),
        ({"cluster": 32}, "cluster: 32 is not of type Cluster"),
        ({"history": "on"}, "history: 'on' is not of type bool"),
        ({"traces": [3]}, "traces: 3 is not of type str or Path or Trace"),
    ],
)
def test_arguments_of_wrong_types(fields: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"traces": trace(plan(op(1000))), "schedulers": "fifo", "seeds": 1}
    with pytest.raises(OptionError, match=message):
        compare(**{**given, **fields})


def test_numpy_integers_are_seeds() -> None:
    assert check_seeds(np.arange(3)) == (0, 1, 2)
    assert check_seeds(np.int64(2)) == (0, 1)


@pytest.fixture
def local_name() -> Iterator[str]:
    @sim.register("only-here")
    class Local(sim.registry.scheduler_class("fifo")):  # type: ignore[misc]
        pass

    yield "only-here"
    del sim.registry._registered["only-here"]


def test_workers_do_not_know_what_this_process_registered(local_name: str) -> None:
    one = trace(plan(op(1000)))
    compare(one, local_name, seeds=2)
    with pytest.raises(UnknownScheduler, match="only in the calling process"):
        compare(one, local_name, seeds=2, workers=2)


def test_a_class_without_decide_is_not_registered() -> None:
    with pytest.raises(TypeError, match="no method decide"):
        sim.register("blank")(int)
