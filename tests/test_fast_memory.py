"""Compiled code frees all that it allocates."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policies import CONFIGS, random_vector
from strategies import clusters, traces

pytest.importorskip("numba")

from numba.core.runtime import _nrt_python, rtsys

import sim
from lsched.learn.inference.decider import Decider
from sim import Cluster
from traces import Trace

RULES = (
    "fifo",
    "fair:spare=idle+pipeline=best",
    "srpt:size=history+share=2+operators=shortest",
    "reserve:size=observed+reserve=0.4+memory=gate",
    "hesrpt:size=history+p=0.7",
    "priced:size=history+memory=gate+pipeline=best",
)


@pytest.fixture(autouse=True)
def _counted() -> Iterator[None]:
    _nrt_python.memsys_enable_stats()
    yield
    _nrt_python.memsys_disable_stats()


def num_live() -> int:
    """Arrays of compiled code that have not been freed."""
    stats = rtsys.get_allocation_stats()
    return int(stats.alloc - stats.free)


@given(traces(), clusters(), st.sampled_from(RULES))
@settings(max_examples=60)
def test_rules_leave_nothing(trace: Trace, cluster: Cluster, rule: str) -> None:
    before = num_live()
    sim.simulate(trace, rule, cluster=cluster, engine="fast")
    assert num_live() == before


@pytest.mark.parametrize("name", sorted(CONFIGS))
@given(trace=traces(), cluster=clusters())
@settings(max_examples=5)
def test_policies_leave_nothing(name: str, trace: Trace, cluster: Cluster) -> None:
    decider = Decider(CONFIGS[name], random_vector(CONFIGS[name]))
    before = num_live()
    sim.simulate_many([trace, trace], decider, cluster=cluster, seeds=[0, 1])
    assert num_live() == before
