"""Compiled decisions: those of the torch network, and the same on every path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policies import CONFIGS, random_vector, random_weights
from strategies import clusters, traces

pytest.importorskip("numba")
pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

import torch
from test_schedulers import random_trace

import sim
from lsched.learn.actions import decide, schedule_of
from lsched.learn.choices import Choices
from lsched.learn.config import PolicyConfig
from lsched.learn.inference.decider import Decider
from lsched.learn.inference.maps import MAPS, flattened
from lsched.learn.network import Logits, Network, set_weights
from lsched.learn.policy import Policy, Situation, graph_of
from lsched.learn.shapes import linear_maps
from lsched.learn.weights import flattened as flattened_by_torch
from sim import NEVER, BatchSchedule, BatchView, Cluster, Result, Simulations, Stalled
from traces import Trace

TOLERANCE = 1e-5


def policy_of(config: PolicyConfig, seed: int = 0) -> Policy:
    network = Network(config)
    set_weights(network, random_weights(config, seed))
    return Policy(network)


def compiled(config: PolicyConfig, seed: int = 0) -> Decider:
    return Decider(config, random_vector(config, seed))


def logits_of(decider: Decider) -> Logits:
    """The logits of the last answer."""
    answer = decider.answer
    roots, stops, limits, holds = answer["counts"][:4].tolist()
    rows = {"roots": roots, "stop": stops, "limits": limits, "degrees": roots, "holds": holds}
    return Logits(**{name: torch.from_numpy(answer[name][:n].copy()) for name, n in rows.items()})


def answers(schedule: BatchSchedule, view: BatchView) -> list[tuple[Any, ...]]:
    """Allocations in order, holds and timer of each simulation."""
    columns = schedule.operators, schedule.num_executors, schedule.pipeline_degrees
    allocations = list(zip(*(np.asarray(column).tolist() for column in columns), strict=True))
    held = [
        np.asarray(schedule.hold_queries).tolist(),
        np.asarray(schedule.hold_executors).tolist(),
    ]
    until_us = schedule.until_us
    timers = [NEVER] * len(view) if until_us is None else np.asarray(until_us).tolist()
    owner = view.queries.simulation
    return [
        (
            [each for each in allocations if owner[view.operators.query[each[0]]] == row],
            [each for each in zip(*held, strict=True) if owner[each[0]] == row],
            timers[row],
        )
        for row in range(len(view))
    ]


def cases_in(situation: Situation, view: BatchView) -> Iterator[str]:
    """Special cases that a view brings up."""
    choices, operators = situation.choices, view.operators
    if len(choices.hold_rows):
        yield "holds to choose"
    if len(situation.advice.spare_operators):
        yield "left-over executors"
    if len(np.unique(choices.simulation)) < len(view):
        yield "nothing to choose"
    if view.cluster.memory_bytes and operators.memory_bytes.any():
        yield "memory in use"
    if operators.is_complete.any():
        yield "operators that are complete"
    if len(view) > 1:
        yield "several simulations"
    if (choices.degree_prior > -1.0).sum(axis=1).max(initial=0) > 1:
        yield "degrees to choose"
    if (operators.history_work_order_us > 0).any():
        yield "history"
    if not view.edges.is_breaking.all():
        yield "edges that do not break pipelines"
    if choices.must_start.any() and not choices.must_start.all():
        yield "may stop, and must start"


MUST_REACH = {
    "holds to choose",
    "left-over executors",
    "nothing to choose",
    "memory in use",
    "operators that are complete",
    "several simulations",
    "degrees to choose",
    "history",
    "edges that do not break pipelines",
    "may stop, and must start",
}


def check_event(
    view: BatchView, policy: Policy, decider: Decider
) -> tuple[BatchSchedule, set[str]]:
    """The logits are the network's, and the answer is what they mean."""
    situation = policy.situation(view)
    with torch.inference_mode():
        expected = policy.network(graph_of(situation.observation), situation.choices)
    schedule = decider.decide_many(view)
    found = logits_of(decider)
    check_logits(found, expected, situation.choices)
    executors = view.simulations.num_executors
    actions = decide(found, situation.choices, executors)
    has_rule = bool(policy.network.config.rule)
    meant = schedule_of(actions, situation.choices, situation.advice, view, has_rule)
    assert answers(schedule, view) == answers(meant, view)
    return schedule, set(cases_in(situation, view))


def check_logits(found: Logits, expected: Logits, choices: Choices) -> None:
    # Where nothing is to be chosen the network is not asked.
    is_asked = np.zeros(len(choices.stop_prior), np.bool_)
    is_asked[choices.simulation] = is_asked[choices.simulation_of_hold_rows] = True
    for name in ("roots", "stop", "limits", "degrees", "holds"):
        ours, theirs = getattr(found, name).numpy(), getattr(expected, name).numpy()
        assert ours.shape == theirs.shape, name
        if name == "stop":
            ours, theirs = ours[is_asked], theirs[is_asked]
        np.testing.assert_allclose(ours, theirs, TOLERANCE, TOLERANCE, err_msg=name)


def test_logits_and_answers_are_those_of_the_network_and_every_case_is_reached() -> None:
    reached: set[str] = set()
    pairs = {name: (policy_of(config), compiled(config)) for name, config in CONFIGS.items()}

    @settings(max_examples=25)
    @given(st.sampled_from(sorted(CONFIGS)), st.lists(traces(), min_size=1, max_size=2), clusters())
    def compare(driver: str, some: list[Trace], cluster: Cluster) -> None:
        batch = Simulations([*some, some[0]], cluster, range(len(some) + 1))
        answer = None
        try:
            for _ in range(10):
                if (view := batch.next_events()) is None:
                    break
                for name, (policy, decider) in pairs.items():
                    schedule, cases = check_event(view, policy, decider)
                    reached.update(cases)
                    answer = schedule if name == driver else answer
                assert answer is not None
                batch.apply(answer)
        except Stalled:
            pass

    compare()
    assert reached >= MUST_REACH


CLUSTERS = {
    "inmemory-32": sim.preset("inmemory-32"),
    "sticky": sim.preset("inmemory-32").replace(
        executors_per_node=6, release="pipeline", move_delay_us=500
    ),
    "two-nodes": Cluster(
        num_nodes=2, executors_per_node=3, move_delay_us=50, memory_bytes=30 * 10**6
    ),
}


def check_same(*results: Result) -> None:
    first, *others = results
    assert first.events
    for other in others:
        assert other.events == first.events
        assert other.queries == first.queries


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("name", ["tree", "decima", "holds"])
def test_decisions_are_the_same_on_both_engines(name: str, cluster: str) -> None:
    decider, the_trace = compiled(CONFIGS[name]), random_trace(1)
    where: dict[str, Any] = {"cluster": CLUSTERS[cluster], "record_events": True}
    check_same(
        *(sim.simulate(the_trace, decider, engine=each, **where) for each in ("fast", "simpy"))
    )


@pytest.mark.parametrize("name", ["tree", "decima"])
def test_a_policy_in_torch_decides_the_same_on_both_engines(name: str) -> None:
    policy, the_trace = policy_of(CONFIGS[name]), random_trace(1)
    where: dict[str, Any] = {"cluster": CLUSTERS["sticky"], "record_events": True}
    check_same(
        *(sim.simulate(the_trace, policy, engine=each, **where) for each in ("fast", "simpy"))
    )


def test_a_policy_decides_the_same_in_torch_and_compiled() -> None:
    """The queries are of different plans: where two are alike, torch's rounding decides."""
    config, the_trace = CONFIGS["tree"], random_trace(1)
    check_same(
        *(
            sim.simulate(the_trace, each, cluster=CLUSTERS["sticky"], record_events=True)
            for each in (policy_of(config), compiled(config))
        )
    )


def test_many_at_once_are_the_same_as_one_by_one() -> None:
    decider, seeds = compiled(CONFIGS["no-rule"]), [3, 1, 2]
    some = [random_trace(at) for at in range(3)]
    where: dict[str, Any] = {"cluster": CLUSTERS["sticky"], "record_events": True}
    many = sim.simulate_many(some, decider, seeds=seeds, **where)
    for result, the_trace, seed in zip(many, some, seeds, strict=True):
        check_same(result, sim.simulate(the_trace, decider, seed=seed, **where))


def test_each_simulation_may_have_a_policy_of_its_own() -> None:
    config, members = CONFIGS["tree"], np.array([1, 0, 2, 1])
    weights = np.stack([random_vector(config, seed) for seed in range(3)])
    the_trace, cluster = random_trace(1), CLUSTERS["sticky"]
    population = Decider(config, weights, members)
    many = sim.simulate_many(
        the_trace, population, cluster=cluster, seeds=range(4), record_events=True
    )
    logs = set()
    for seed, (member, result) in enumerate(zip(members.tolist(), many, strict=True)):
        alone = compiled(config, seed=member)
        check_same(
            result,
            sim.simulate(the_trace, alone, cluster=cluster, seed=seed, record_events=True),
        )
        logs.add(sim.digest(result.events or ()))
    assert len(logs) == 4


@pytest.mark.parametrize("name", CONFIGS)
def test_weights_as_one_vector(name: str) -> None:
    """In the order in which a network's state has them, as ``weights.flattened`` does."""
    config = CONFIGS[name]
    network = Network(config)
    weights = random_weights(config)
    set_weights(network, weights)
    assert flattened(config, weights).tobytes() == flattened_by_torch(network).tobytes()
    assert set(linear_maps(config)) <= set(MAPS)


def test_equal_queries_are_decided_alike_wherever_they_stand() -> None:
    """Equal situations have equal logits to the last bit, in a batch of any size."""
    config = replace(CONFIGS["no-rule"], encoder="gcn")
    decider, found = compiled(config), []
    for count in (1, 7):
        batch = Simulations(random_trace(2), CLUSTERS["sticky"], range(count))
        view = batch.next_events()
        assert view is not None
        decider.decide_many(view)
        logits = logits_of(decider)
        found += [part.tobytes() for part in np.split(logits.roots.numpy(), count)]
    assert len(set(found)) == 1
