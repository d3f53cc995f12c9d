"""Policies: the rule where the network says nothing, torch's numbers, legal and equal decisions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

import torch
from policies import CONFIGS, TRAINING, random_vector, random_weights, saved

import sim
import traces
from lsched.arrivals import Arrivals
from lsched.learn.checkpoint import save
from lsched.learn.config import (
    DECIMA,
    HEADS,
    NUM_OPERATOR_OUTPUTS,
    OPERATOR_OUTPUTS,
    QUERY_OUTPUTS,
    Head,
    PolicyConfig,
)
from lsched.learn.features import TABLES, feature_table
from lsched.learn.graph import Graph
from lsched.learn.inference.decider import Decider
from lsched.learn.inference.maps import LAST_OF_HEADS, flattened, has_encoder
from lsched.learn.network import Network, set_weights
from lsched.learn.observation import Observation, observe
from lsched.learn.rule import rule_numbers
from lsched.learn.shapes import named
from traces import Trace

TPCH = traces.load("tpch")
SCARCE = sim.preset("inmemory-32").replace(memory_bytes=2_000_000_000)
STICKY = sim.preset("spark-50").replace(executors_per_node=12, move_delay_us=50_000)
CLUSTERS = {"scarce": SCARCE, "sticky": STICKY, "warehouse": sim.preset("warehouse-4x16")}
SEEDS = range(2)
RULES = (
    "priced",
    "priced:size=observed+weight=2+slowdown=0.005",
    "priced:size=history+hold_moves=2+memory=gate",
    "srpt:size=history+share=2",
    "srpt:share=1+spare=idle+memory=gate",
    "srpt:cap=0.4+pipeline=never",
    "srpt:size=history+share=3+pipeline=best",
    "priced:memory=gate+pipeline=best",
    "srpt:size=history+share=2+operators=shortest+pipeline=best",
    "fair",
    "fair:spare=idle+operators=shortest",
    "fifo:memory=gate",
    "hesrpt",
    "hesrpt:p=0.8+size=history+operators=shortest+pipeline=best",
    "hesrpt:p=0+size=observed+spare=idle+memory=gate",
)


pytestmark = pytest.mark.usefixtures("one_torch_thread")


def drawn(cluster: sim.Cluster, num_queries: int = 6) -> list[Trace]:
    arrivals = Arrivals(load=2.0, scale=2.0, num_queries=num_queries)
    return [arrivals.of(TPCH, cluster, seed) for seed in SEEDS]


def logs(scheduler: object, cluster: sim.Cluster) -> list[list[sim.Event]]:
    results = sim.simulate_many(
        drawn(cluster), scheduler, cluster=cluster, seeds=SEEDS, record_events=True
    )
    return [result.events for result in results]


def graph_of(observation: Observation) -> Graph:
    arrays = (
        observation.operators,
        observation.queries,
        observation.simulations,
        observation.producer,
        observation.consumer,
        observation.is_breaking,
        observation.query_of,
        observation.simulation_of,
        observation.height,
    )
    return Graph(*(torch.from_numpy(np.array(array)) for array in arrays))


@pytest.mark.parametrize("place", CLUSTERS)
@pytest.mark.parametrize("rule", RULES)
def test_a_new_policy_decides_as_its_rule(rule: str, place: str) -> None:
    config = PolicyConfig(rule=rule, width=4)
    torch.manual_seed(1)
    network = Network(config)
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    policy = Decider(config, flattened(config, weights))
    assert logs(policy, CLUSTERS[place]) == logs(rule, CLUSTERS[place])


@pytest.mark.parametrize("name", [*CONFIGS, "masked", "only-direct"])
def test_compiled_numbers_are_those_of_torch(name: str) -> None:
    config = CONFIGS.get(name, replace(CONFIGS["tree"], heads=("root", "parallelism")))
    network, weights = Network(config), random_weights(config)
    assert has_encoder(config, flattened(config, weights))
    if name == "only-direct":
        for head in LAST_OF_HEADS:
            weights |= {
                f"{head}.{part}": 0 * weights[f"{head}.{part}"] for part in ("weight", "bias")
            }
        assert not has_encoder(config, flattened(config, weights))
    set_weights(network, weights)
    policy = Decider(config, flattened(config, weights))
    cluster = STICKY if name == "holds" else SCARCE
    batch = sim.Simulations(drawn(cluster), cluster, SEEDS)
    largest = 0.0
    while (view := batch.next_events()) is not None:
        schedule = policy.decide_many(view)
        with torch.no_grad():
            expected = network(graph_of(observe(view, config.observed)))
        for found, wanted in (
            (policy.answer["operators"], expected.operators),
            (policy.answer["queries"], expected.queries),
        ):
            np.testing.assert_allclose(
                found[:, : len(wanted)].T, wanted.numpy(), rtol=1e-5, atol=1e-5
            )
            largest = max(largest, float(wanted.abs().max()))
        batch.apply(schedule)
    assert largest > 0.1, "the network says something"


@pytest.mark.parametrize("name", CONFIGS)
def test_every_engine_and_path_gives_the_same_decisions(name: str, tmp_path: Path) -> None:
    config = CONFIGS[name]
    saved(tmp_path / "mine", config, seed=3)
    text = f"learned:path={tmp_path / 'mine'}"
    cluster = STICKY if name == "holds" else SCARCE
    trace = drawn(cluster)[0]
    runs = [
        sim.simulate(trace, text, cluster=cluster, seed=1, engine=engine, record_events=True)
        for engine in ("fast", "simpy")
    ]
    assert runs[0].events == runs[1].events
    policy = Decider(config, random_vector(config, 3))
    together = sim.simulate_many(
        [trace, trace], policy, cluster=cluster, seeds=[1, 1], record_events=True
    )
    assert together[0].events == together[1].events == runs[0].events


RULE_OF = {"root": "srpt:share=1+spare=idle", "degree": "srpt", "admission": "srpt:memory=gate"}
STICKY_HEADS = {"hold", "wait"}


@pytest.mark.parametrize("head", HEADS)
def test_every_head_changes_something_and_nothing_else(head: Head) -> None:
    rule = RULE_OF.get(head, "priced:hold_moves=0")
    config = PolicyConfig(rule=rule, width=4, heads=(head,))
    cluster = STICKY if head in STICKY_HEADS else SCARCE
    open_rows = {
        "operators": OPERATOR_OUTPUTS.get(head, ()),
        "queries": QUERY_OUTPUTS.get(head, ()),
    }
    policy = Decider(config, random_vector(config) * 2)
    batch = sim.Simulations(drawn(cluster), cluster, SEEDS)
    while (view := batch.next_events()) is not None:
        batch.apply(policy.decide_many(view))
        for group, rows in open_rows.items():
            for row, values in enumerate(policy.answer[group]):
                assert row in rows or not values.any()
    own = logs(rule, cluster)
    others = [Decider(config, random_vector(config, seed) * 2) for seed in range(4)]
    assert any(logs(other, cluster) != own for other in others)


def test_members_of_a_population_act_as_each_alone() -> None:
    config = CONFIGS["tree"]
    vectors = np.stack([random_vector(config, seed) for seed in range(3)])
    runs = drawn(SCARCE)
    members = np.repeat(np.arange(3), len(runs))
    together = sim.simulate_many(
        runs * 3, Decider(config, vectors, members), cluster=SCARCE, seeds=[*SEEDS] * 3
    )
    alone = [
        sim.simulate_many(runs, Decider(config, vector), cluster=SCARCE, seeds=SEEDS)
        for vector in vectors
    ]
    expected = [result.queries for results in alone for result in results]
    assert [result.queries for result in together] == expected
    assert len({result.summary()["mean_latency_s"] for result in together}) > len(runs)


def test_unknown_kinds_share_a_slot() -> None:
    plan = TPCH.plans[0]
    strange = replace_kinds(TPCH, "quantum-join")
    assert strange.plans[0].operators[0].kind == "quantum-join" != plan.operators[0].kind
    config = CONFIGS["tree"]
    policy = Decider(config, random_vector(config))
    run = Arrivals(load=0.8, num_queries=6).of(strange, SCARCE, 0)
    (result,) = sim.simulate_many([run], policy, cluster=SCARCE)
    assert len(result.queries) == 6
    batch = sim.Simulations(run, SCARCE)
    view = batch.next_events()
    assert view is not None
    assert observe(view).operators[:, -1].all(), "is_unknown"


def replace_kinds(trace: Trace, kind: str) -> Trace:
    import msgspec

    plans = tuple(
        msgspec.structs.replace(
            plan,
            operators=tuple(
                msgspec.structs.replace(operator, kind=kind) for operator in plan.operators
            ),
        )
        for plan in trace.plans
    )
    return msgspec.structs.replace(trace, plans=plans)


def test_weights_by_name_and_as_a_vector() -> None:
    config = CONFIGS["gcn"]
    weights = random_weights(config)
    found = named(config, flattened(config, weights))
    assert found.keys() == weights.keys()
    assert all(np.array_equal(found[name], weights[name]) for name in weights)


@pytest.mark.parametrize("text", ["reserve", "fair:held=keep", "stride", "oracle-srpt"])
def test_what_cannot_be_corrected_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected none, or one of"):
        rule_numbers(text)


def test_decima_sees_five_features_and_does_not_pipeline() -> None:
    batch = sim.Simulations(drawn(SCARCE)[0], SCARCE)
    view = batch.next_events()
    assert view is not None
    seen = observe(view, DECIMA.observed)
    columns = [seen.operators, seen.queries, seen.simulations]
    assert sum(int(group.any(axis=0).sum()) for group in columns) <= 5
    schedule = Decider(DECIMA, random_vector(DECIMA)).decide_many(view)
    assert set(np.asarray(schedule.pipeline_degrees).tolist()) == {1}


def test_the_observation_table_has_a_row_for_each_feature() -> None:
    assert feature_table().count("\n") == 1 + sum(map(len, TABLES.values()))
    assert 1 + max(max(rows) for rows in OPERATOR_OUTPUTS.values()) == NUM_OPERATOR_OUTPUTS


def test_a_policy_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from lsched.cli import main

    config = PolicyConfig(rule="srpt", width=4)
    save(tmp_path / "mine", config, named(config, random_vector(config) * 0), TRAINING)
    options = ["--load", "0.8", "--queries", "8", "--seeds", "2", "--no-plots", "--workers", "1"]
    learned = f"learned:path={tmp_path / 'mine'}"
    out = ["--out", str(tmp_path / "out")]
    assert main(["compare", "tpch", "--schedulers", f"srpt,{learned}", *options, *out]) == 0
    assert "learned" in capsys.readouterr().out
