"""Fitting the cost network to completed runs, by gradient descent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from lsched.learn.costs.network import NUM_LAYERS, PLAN_SCALE, SLOPE, cost_shapes
from lsched.learn.costs.plans import PlanGraph, plan_graph
from lsched.learn.workload import Case
from sim import Cluster, History, simulate
from traces import Plan
from traces.split import SEEDS

RULE = "srpt:size=history"
"""Under which the runs are made that it learns from."""
NUM_RUNS, FIRST_SEED = 8, 8000
STEPS, RATE, DECAY = 1000, 3e-3, 1e-4
"""Of AdamW, with a cosine schedule."""
MOST_OPERATORS = 6000
"""Of a step: where there are more, steps take plans in turns."""
LEAST_SHARE = 0.02
"""What an operator counts for besides its share of its plan's work."""
LEAST_SD = 0.05


@dataclass(frozen=True)
class Example:
    """Plans, and what their operators took.

    Attributes:
        graph: of plans that completed.
        true_us: mean time of a recorded work order, µs.

    Shapes:
        true_us: (operators,)
    """

    graph: PlanGraph
    true_us: np.ndarray

    @property
    def log_factor(self) -> np.ndarray:
        """log(true ÷ estimated time), which is predicted.

        Shapes:
            returns (operators,)
        """
        factor: np.ndarray = np.log(self.true_us / self.graph.est_us)
        return factor


def examples_of(cases: Sequence[Case], num_runs: int = NUM_RUNS) -> list[Example]:
    """Runs of each case on training seeds; those of the same plans on one cluster go together."""
    seeds = [seed for seed in SEEDS["training"] if seed >= FIRST_SEED][:num_runs]
    seen: list[_Seen] = []
    for case in cases:
        for seed in seeds:
            run, cluster = case.run_of(seed), case.cluster
            known = next((each for each in seen if each.is_of(run.plans, cluster)), None)
            if known is None:
                known = _Seen(run.plans, cluster)
                seen.append(known)
            known.history = simulate(
                run, RULE, cluster=cluster, seed=seed, history=known.history, keep_records=False
            ).history
    return [each.example() for each in seen]


@dataclass
class _Seen:
    """Completed runs of some plans on a cluster."""

    plans: Sequence[Plan]
    cluster: Cluster
    history: History = field(default_factory=History)

    def is_of(self, plans: Sequence[Plan], cluster: Cluster) -> bool:
        return self.cluster == cluster and (self.plans is plans or self.plans == plans)

    def example(self) -> Example:
        """What the operators of those that completed took."""
        runs = self.history.plans
        known = [plan for plan in self.plans if plan.name in runs]
        true_us = [
            runs[plan.name].mean_recorded_us(operator)
            for plan in known
            for operator in range(len(plan.operators))
        ]
        return Example(plan_graph(known, self.cluster), np.maximum(np.array(true_us), 1.0))


def merged(examples: Sequence[Example]) -> Example:
    """All in one."""
    graphs = [example.graph for example in examples]
    operators = np.cumsum([0, *(len(graph.est_us) for graph in graphs)])
    plans = np.cumsum([0, *(int(graph.plan_of.max()) + 1 for graph in graphs)])

    def joined(name: str, offsets: Sequence[int] | None = None) -> np.ndarray:
        shifts = [0] * len(graphs) if offsets is None else offsets
        return np.concatenate(
            [getattr(graph, name) + shift for graph, shift in zip(graphs, shifts, strict=False)]
        )

    graph = PlanGraph(
        features=joined("features"),
        est_us=joined("est_us"),
        num_work_orders=joined("num_work_orders"),
        plan_of=joined("plan_of", plans.tolist()),
        producer=joined("producer", operators.tolist()),
        consumer=joined("consumer", operators.tolist()),
        is_breaking=joined("is_breaking"),
    )
    return Example(graph, np.concatenate([example.true_us for example in examples]))


def batches_of(example: Example, seed: int) -> list[Example]:
    """Its plans in random order, cut into parts of about as many operators as a step has."""
    sizes = np.bincount(example.graph.plan_of)
    num_batches = math.ceil(int(sizes.sum()) / MOST_OPERATORS)
    order = np.random.default_rng(seed).permutation(len(sizes))
    return [_part(example, np.sort(plans)) for plans in np.array_split(order, num_batches)]


def _part(example: Example, plans: np.ndarray) -> Example:
    """Some of its plans."""
    graph = example.graph
    is_chosen = np.isin(graph.plan_of, plans)
    is_edge = is_chosen[graph.producer]
    place = np.cumsum(is_chosen) - 1
    part = PlanGraph(
        features=graph.features[is_chosen],
        est_us=graph.est_us[is_chosen],
        num_work_orders=graph.num_work_orders[is_chosen],
        plan_of=np.searchsorted(plans, graph.plan_of[is_chosen]),
        producer=place[graph.producer[is_edge]],
        consumer=place[graph.consumer[is_edge]],
        is_breaking=graph.is_breaking[is_edge],
    )
    return Example(part, example.true_us[is_chosen])


def fitted(
    examples: Sequence[Example], width: int, seed: int = 0, steps: int = STEPS
) -> dict[str, np.ndarray]:
    """Weights of a cost network, see ``network.cost_shapes``.

    What is made small: of each plan, the square of log(predicted ÷ true work); and of its
    operators, likewise, each by its share of the work.
    """
    example = merged(examples)
    target = example.log_factor
    features = example.graph.features.astype(np.float64)
    fixed = {
        "costs.mean": features.mean(axis=0),
        "costs.factor": 1.0 / np.maximum(features.std(axis=0), LEAST_SD),
        "costs.bounds": np.array([target.min(), target.max()]),
    }
    generator = torch.Generator().manual_seed(seed)
    weights: dict[str, Tensor] = {}
    for name, shape in cost_shapes(width).items():
        if name in fixed:
            weights[name] = torch.from_numpy(fixed[name].astype(np.float32))
            continue
        scale = 0.0 if "last" in name or "bias" in name else shape[-1] ** -0.5
        weights[name] = scale * torch.randn(shape, generator=generator)
        weights[name].requires_grad_()
    free = [weight for weight in weights.values() if weight.requires_grad]
    optimizer = torch.optim.AdamW(free, RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    losses = [_Loss(batch) for batch in batches_of(example, seed)]
    with _one_thread():
        for step in range(steps):
            loss = losses[step % len(losses)]
            optimizer.zero_grad()
            loss(log_factor(weights, loss.graph)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    found = {name: weight.detach().numpy() for name, weight in weights.items()}
    if not all(np.all(np.isfinite(weight)) for weight in found.values()):
        raise FloatingPointError("a weight of the cost network is not a finite number")
    return found


@contextmanager
def _one_thread() -> Iterator[None]:
    """On busy cores several wait for each other, for minutes; and they add in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class _Tensors:
    """A ``PlanGraph`` for torch."""

    features: Tensor
    plan_of: Tensor
    num_plans: int
    breaking: tuple[Tensor, Tensor]
    streaming: tuple[Tensor, Tensor]
    edges: tuple[Tensor, Tensor]


def tensors_of(graph: PlanGraph) -> _Tensors:
    """The same graph as tensors."""
    is_breaking = torch.from_numpy(graph.is_breaking.astype(bool))
    producer, consumer = torch.from_numpy(graph.producer), torch.from_numpy(graph.consumer)
    return _Tensors(
        torch.from_numpy(graph.features),
        torch.from_numpy(graph.plan_of),
        int(graph.plan_of.max()) + 1,
        (producer[is_breaking], consumer[is_breaking]),
        (producer[~is_breaking], consumer[~is_breaking]),
        (producer, consumer),
    )


def log_factor(weights: Mapping[str, Tensor], graph: _Tensors) -> Tensor:
    """log(predicted ÷ estimated time), before it is cut off, as ``network.predicted_us``.

    Shapes:
        returns ``[N]``.
    """

    def linear(name: str, x: Tensor) -> Tensor:
        return torch.addmm(weights[f"{name}.bias"], x, weights[f"{name}.weight"].t())

    def sums(h: Tensor, senders: Tensor, receivers: Tensor, count: int) -> Tensor:
        return torch.zeros(count, h.shape[1]).index_add_(0, receivers, h[senders])

    slope, scale = float(SLOPE), float(PLAN_SCALE)
    x = (graph.features - weights["costs.mean"]) * weights["costs.factor"]
    h = leaky_relu(linear("costs.first", x), slope)
    everyone = torch.arange(len(h))
    for layer in range(NUM_LAYERS):
        received = [sums(h, *edges, len(h)) for edges in (graph.breaking, graph.streaming)]
        producer, consumer = graph.edges
        sent = sums(h, consumer, producer, len(h))
        plans = scale * sums(h, everyone, graph.plan_of, graph.num_plans)[graph.plan_of]
        parts = torch.cat([h, *received, sent, plans], dim=1)
        h = h + leaky_relu(linear(f"costs.layers.{layer}", parts), slope)
    return linear("costs.last", h)[:, 0]


class _Loss:
    """See ``fitted``."""

    def __init__(self, example: Example) -> None:
        self.graph = tensors_of(example.graph)
        counts = example.graph.num_work_orders
        self._est_us = torch.from_numpy(example.graph.est_us * counts).float()
        work_us = torch.from_numpy(example.true_us * counts).float()
        self._plans_us = self._by_plan(work_us)
        self._shares = work_us / self._plans_us[self.graph.plan_of] + LEAST_SHARE
        self._target = torch.from_numpy(example.log_factor).float()

    def __call__(self, factor: Tensor) -> Tensor:
        """The loss of predictions.

        Shapes:
            factor: ``[N]``; returns ``[]``.
        """
        plans_us = self._by_plan(self._est_us * factor.clamp(-20.0, 20.0).exp())
        of_plans = (plans_us.log() - self._plans_us.log()).square().mean()
        of_operators = self._shares * (factor - self._target).square()
        return of_plans + of_operators.sum() / self.graph.num_plans

    def _by_plan(self, values: Tensor) -> Tensor:
        plan_of = self.graph.plan_of
        return torch.zeros(self.graph.num_plans).index_add_(0, plan_of, values)
