"""Tuning finds the best of a grid, and keeps its hands off the seeds of comparisons."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import op, plan, trace

from lsched import Arrivals, OptionError, tune
from lsched.specs import grid_specs
from lsched.tune import GRIDS, TRAINING_SEEDS, default_grid
from sim import Cluster, make_scheduler, scheduler_names
from traces import Trace

ONE = Cluster(executors_per_node=1)
ORDERED = """
import sim

class Ordered:
    '''Shortest queries first with ``sign`` 1, longest first with -1.'''

    tunable = {"sign": (-1, 0, 1)}

    def __init__(self, sign: int = 0, other: str = "x") -> None:
        self.sign = sign

    def decide(self, view):
        queries = sorted(view.queries, key=lambda query: self.sign * query.est_remaining_us)
        return [sim.Allocation(operator, view.num_executors)
                for query in queries for operator in query.schedulable]
"""


@pytest.fixture
def ordered(tmp_path: Path) -> str:
    path = tmp_path / "ordered.py"
    path.write_text(ORDERED)
    return f"{path}:Ordered"


ALL = Arrivals()
"""Both queries; what is tuned by default is only a part."""


def two_queries() -> Trace:
    """One executor: short first has mean latency (1 + 4) / 2, long first (3 + 4) / 2 ms."""
    return trace(plan(op(3000), name="long"), plan(op(1000), name="short"))


def test_finds_the_best_of_a_grid(ordered: str) -> None:
    tuning = tune(two_queries(), ordered, {"sign": [-1, 1]}, cluster=ONE, arrivals=ALL, seeds=2)
    assert tuning.best.scheduler == f"{ordered}:sign=1"
    assert tuning.best.score == pytest.approx(0.0025)
    assert tuning.best.ratio == pytest.approx(2.5 / 3.5)
    assert [round(candidate.score, 6) for candidate in tuning.candidates] == [
        0.0025,
        0.0035,
        0.0035,
    ]


def test_objective(ordered: str) -> None:
    tuning = tune(
        two_queries(),
        ordered,
        {"sign": [1]},
        cluster=ONE,
        arrivals=ALL,
        seeds=1,
        objective="mean_slowdown",
    )
    # Short first: (1/1 + 4/3) / 2; long first: (3/3 + 4/1) / 2.
    assert tuning.best.score == pytest.approx((1 + 4 / 3) / 2)
    assert tuning.candidates[1].score == pytest.approx(2.5)


def test_default_grid_is_the_schedulers_own(ordered: str) -> None:
    assert default_grid(ordered) == {"sign": (-1, 0, 1)}
    assert default_grid(f"{ordered}:sign=1+other=y") == {}
    assert default_grid(f"{ordered}:other=y") == {"sign": (-1, 0, 1)}
    tuning = tune(two_queries(), ordered, cluster=ONE, arrivals=ALL, seeds=1)
    assert tuning.best.scheduler == f"{ordered}:sign=1"
    assert len(tuning.candidates) == 4


@pytest.mark.parametrize("name", sorted(set(GRIDS) & set(scheduler_names())))
def test_every_default_grid_names_what_there_is(name: str) -> None:
    for spec in grid_specs(name, default_grid(name)):
        make_scheduler(spec)


def test_training_seeds_are_not_those_of_a_comparison() -> None:
    assert not set(TRAINING_SEEDS) & set(range(100))


def test_bad_arguments(ordered: str) -> None:
    with pytest.raises(OptionError, match="did you mean 'mean_slowdown'"):
        tune(two_queries(), ordered, objective="mean_slodown")
    with pytest.raises(OptionError, match="no grid is known"):
        tune(two_queries(), "random")
    with pytest.raises(OptionError, match="combinations"):
        tune(two_queries(), ordered, {"sign": range(2000)})
