"""Run with ``pytest`` where the plug-in is installed."""

import pytest

import sim
import traces
from lsched.check import check_scheduler


def test_it_passes_the_checks() -> None:
    assert check_scheduler("ageing:weight=0.5").failed == []


def test_ageing_helps_those_who_wait_longest() -> None:
    trace = traces.poisson_arrivals(traces.load("tpch"), 200, seed=0, load=0.9, num_executors=8)

    def longest_s(scheduler: str) -> float:
        return max(query.latency_s for query in sim.simulate(trace, scheduler).queries)

    assert longest_s("ageing:weight=0") == longest_s("srpt")
    assert longest_s("ageing:weight=1") < longest_s("srpt")


def test_a_weight_below_zero_is_refused() -> None:
    with pytest.raises(sim.UnknownScheduler, match=r"weight is -1\.0, expected 0 or more"):
        sim.make_scheduler("ageing:weight=-1")
