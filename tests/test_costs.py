"""What plans cost: predictions are those of torch, learn from runs, and are brought to runs."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("torch")

import torch
from builders import op, plan

import sim
from lsched.arrivals import Arrivals
from lsched.learn.costs import fit
from lsched.learn.costs.experience import Experience
from lsched.learn.costs.fit import examples_of, fitted, log_factor, merged, tensors_of
from lsched.learn.costs.network import cost_shapes, predicted_us
from lsched.learn.costs.plans import KIND_NAMES, PlanGraph, plan_graph
from lsched.learn.workload import Case
from sim.history import RUNS_BELIEVED
from traces import Plan, load

TPCH = load("tpch")
SERVER = sim.preset("inmemory-32")
CASE = Case(TPCH, SERVER, Arrivals(load=0.5, scale=4.0, num_queries=60))


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return fitted(examples_of([CASE], num_runs=4), 16, steps=400)


def random_weights(width: int = 6) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    found = {
        name: generator.normal(size=shape).astype(np.float32) * 0.3
        for name, shape in cost_shapes(width).items()
    }
    return found | {"costs.bounds": np.array([-1.5, 1.5], np.float32)}


def test_numpy_and_torch_predict_alike() -> None:
    given, graph = random_weights(), plan_graph(TPCH.plans, SERVER)
    with torch.no_grad():
        factor = log_factor(
            {name: torch.from_numpy(w) for name, w in given.items()}, tensors_of(graph)
        )
    expected = graph.est_us * np.exp(np.clip(factor.numpy(), -1.5, 1.5))
    assert np.allclose(predicted_us(given, graph), expected, rtol=1e-4)
    assert len(set(np.round(np.log(expected / graph.est_us), 3))) > 20


def test_a_layer_by_hand() -> None:
    """One unit, weights of 1, no biases: sums of producers, of consumers, and a tenth of all."""
    given = {name: np.ones(shape, np.float32) for name, shape in cost_shapes(1).items()}
    given = {name: 0 * w if name.endswith("bias") else w for name, w in given.items()}
    given |= {
        "costs.mean": 0 * given["costs.mean"],
        "costs.bounds": np.array([-99, 99], np.float32),
    }
    for layer in (1, 2):
        given[f"costs.layers.{layer}.weight"] *= 0
    graph = PlanGraph(
        features=np.zeros((3, len(given["costs.mean"])), np.float32),
        est_us=np.array([10.0, 10.0, 10.0]),
        num_work_orders=np.ones(3, int),
        plan_of=np.zeros(3, int),
        producer=np.array([0, 1]),
        consumer=np.array([2, 2]),
        is_breaking=np.array([1, 0]),
    )
    graph.features[:, 0] = 1.0, 2.0, 4.0
    first = 1 + (1 + 4 + 0.7)  # itself, its consumer, all
    second = 2 + (2 + 4 + 0.7)
    third = 4 + (4 + 1 + 2 + 0.7)
    expected = 10.0 * np.exp([first, second, third])
    assert np.allclose(predicted_us(given, graph), expected, rtol=1e-5)


def permuted(given: Plan, order: list[int]) -> Plan:
    """The same plan with its operators in another order: ``order[i]`` is the new place of i."""
    operators = tuple(given.operators[order.index(at)] for at in range(len(order)))
    edges = tuple(
        msgspec.structs.replace(edge, producer=order[edge.producer], consumer=order[edge.consumer])
        for edge in given.edges
    )
    return msgspec.structs.replace(given, operators=operators, edges=edges)


def test_the_order_of_operators_and_plans_does_not_matter() -> None:
    given, whole = random_weights(), plan_graph(TPCH.plans, SERVER)
    all_us = predicted_us(given, whole)
    for place, one in enumerate(TPCH.plans[:6]):
        own_us = all_us[whole.plan_of == place]
        order = list(reversed(range(len(one.operators))))
        alone = predicted_us(given, plan_graph([permuted(one, order)], SERVER))
        assert np.allclose(alone[order], own_us, rtol=1e-4)


def test_it_is_fitted_on_one_thread_whatever_torch_has() -> None:
    examples, found, before = examples_of([CASE], num_runs=1), [], torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(fitted(examples, 8, steps=20))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])


def test_it_learns_what_estimates_get_wrong(weights: dict[str, np.ndarray]) -> None:
    example = merged(examples_of([CASE], num_runs=4))
    before = np.log(example.true_us / example.graph.est_us)
    after = np.log(example.true_us / predicted_us(weights, example.graph))
    assert np.abs(after).mean() < 0.5 * np.abs(before).mean()
    low, high = weights["costs.bounds"]
    assert low == pytest.approx(before.min(), abs=1e-4)
    assert high == pytest.approx(before.max(), abs=1e-4)


def test_the_same_seed_learns_the_same(weights: dict[str, np.ndarray]) -> None:
    again = fitted(examples_of([CASE], num_runs=4), 16, steps=400)
    assert all(np.array_equal(weights[name], again[name]) for name in weights)


def test_cases_of_the_same_plans_and_cluster_are_one_example() -> None:
    busier = replace(CASE, arrivals=replace(CASE.arrivals, load=0.9))
    elsewhere = replace(CASE, cluster=SERVER.replace(memory_bytes=10**9))
    examples = examples_of([CASE, busier, elsewhere], num_runs=1)
    assert len(examples) == 2
    both = merged(examples)
    assert len(both.true_us) == sum(len(example.true_us) for example in examples)
    assert both.graph.consumer.max() < len(both.true_us)


def test_batches_have_every_plan_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, with its edges: predictions in a batch are those of all plans together."""
    monkeypatch.setattr(fit, "MOST_OPERATORS", 100)
    whole = merged(examples_of([CASE], num_runs=1))
    batches = fit.batches_of(whole, seed=0)
    assert len(batches) == math.ceil(len(whole.true_us) / 100) > 2
    given = random_weights()
    found = np.concatenate([predicted_us(given, batch.graph) for batch in batches])
    assert np.allclose(np.sort(found), np.sort(predicted_us(given, whole.graph)), rtol=1e-4)
    assert sum(len(batch.graph.producer) for batch in batches) == len(whole.graph.producer)
    for column in ("true_us", "log_factor"):
        apart = np.concatenate([getattr(batch, column) for batch in batches])
        assert np.array_equal(np.sort(apart), np.sort(getattr(whole, column)))
    fitted_apart = fitted(examples_of([CASE], num_runs=1), 8, steps=50)
    assert all(np.isfinite(array).all() for array in fitted_apart.values())


def test_kinds_that_are_not_known_share_a_slot() -> None:
    strange, other = (plan(op(10, kind=kind)) for kind in ("teleport", "telepathy"))
    graph = plan_graph([strange, other], SERVER)
    assert np.array_equal(graph.features[0], graph.features[1])
    assert graph.features[0, -1] == 1.0
    assert KIND_NAMES[-1] == "unknown"


class Brings:
    """``srpt`` with experience."""

    def __init__(self, experience: Experience) -> None:
        self.experience, self._rule = experience, sim.make_scheduler("srpt:size=history")

    def decide(self, view: sim.ClusterView) -> object:
        return self._rule.decide(view)


@pytest.mark.parametrize("engine", ["fast", "simpy"])
def test_runs_begin_with_what_a_scheduler_knows(
    weights: dict[str, np.ndarray], engine: sim.EngineName
) -> None:
    experience, run = Experience(weights), CASE.run_of(9000)
    known = experience(run, SERVER)
    assert set(known.plans) == {each.name for each in run.plans}
    assert {each.num_completed for each in known.plans.values()} == {RUNS_BELIEVED}
    assert experience(run, SERVER) is known
    options = {"cluster": SERVER, "seed": 3, "engine": engine}
    brought = sim.simulate(run, Brings(experience), **options)
    given = sim.simulate(run, "srpt:size=history", history=known, **options)
    nothing = sim.simulate(run, "srpt:size=history", **options)
    hidden = sim.simulate(run, Brings(experience), history=False, **options)
    assert brought.queries == given.queries
    assert brought.queries != nothing.queries
    assert (
        hidden.queries == sim.simulate(run, "srpt:size=history", history=False, **options).queries
    )
    assert {each.num_completed for each in known.plans.values()} == {RUNS_BELIEVED}, "its own copy"
