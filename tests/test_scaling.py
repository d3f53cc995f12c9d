"""Networks see standardised features: the same as dividing the features themselves."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

import torch
from policies import CONFIGS

import sim
import traces
from lsched.arrivals import Arrivals
from lsched.learn.config import PolicyConfig
from lsched.learn.features import TABLES
from lsched.learn.graph import Graph
from lsched.learn.inference.maps import flattened
from lsched.learn.network import Network, set_weights, weights_of
from lsched.learn.observation import Observation, observe
from lsched.learn.scaling import LEAST_SD, Moments, moments_of, standardised
from lsched.learn.shapes import named
from lsched.learn.workload import Case

CASE = Case(
    traces.load("tpch"), sim.preset("inmemory-32"), Arrivals(load=1.0, scale=4.0, num_queries=12)
)


def seen() -> Observation:
    batch = sim.Simulations(CASE.run_of(1000), CASE.cluster, [1000])
    for _ in range(40):
        view = batch.next_events()
        assert view is not None
        batch.apply(view.advice(sim.make_scheduler("fair")))
    view = batch.next_events()
    assert view is not None
    return observe(view)


@pytest.fixture(scope="module")
def moments() -> Moments:
    return moments_of([CASE], PolicyConfig(rule="fair"))


def test_moments_are_those_of_what_the_rule_sees(moments: Moments) -> None:
    assert {group: mean.shape for group, (mean, _) in moments.items()} == {
        group: (len(table),) for group, table in TABLES.items()
    }
    names = [feature.name for feature in TABLES["operators"]]
    mean, deviation = moments["operators"]
    assert deviation.min() == LEAST_SD
    assert 0.0 < mean[names.index("is_schedulable")] < 1.0
    # a flag's deviation follows from its mean
    flag = names.index("is_scan")
    assert deviation[flag] == pytest.approx(np.sqrt(mean[flag] * (1 - mean[flag])), rel=1e-6)


@pytest.mark.parametrize("name", ["tree", "gcn"])
def test_the_network_sees_standardised_features_and_nothing_far_off(
    name: str, moments: Moments
) -> None:
    torch.manual_seed(0)
    config, observation = CONFIGS[name], seen()
    observation.operators[0, 0] = 1e6
    network = Network(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    graph = Graph(
        **{
            field: torch.from_numpy(np.ascontiguousarray(getattr(observation, field)))
            for field in Graph.__dataclass_fields__
        }
    )
    scaled = {
        group: torch.from_numpy((getattr(observation, group) - mean) / deviation)
        .clamp(-4, 4)
        .float()
        for group, (mean, deviation) in moments.items()
    }
    assert scaled["operators"][0, 0] == 4.0
    with torch.no_grad():
        expected = network(Graph(**{**graph.__dict__, **scaled}))
        vector = flattened(config, weights_of(network))
        set_weights(network, named(config, standardised(vector, moments)))
        found = network(graph)
    assert torch.allclose(found.operators, expected.operators, atol=1e-3)
    assert torch.allclose(found.queries, expected.queries, atol=1e-3)
    assert expected.queries.abs().max() > 0.1
