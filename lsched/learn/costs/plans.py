"""Plans as arrays: what is known of their operators before they run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim import Cluster
from traces import KINDS, Operator, Plan

KIND_NAMES = (*KINDS, "unknown")
KIND_PLACES = {kind: place for place, kind in enumerate(KIND_NAMES)}
OF_OPERATOR = ("log est_us", "log num_work_orders", "log1p output", "log1p state", "is_scalable")
OF_CLUSTER = ("log executors", "log nodes", "log1p MB", "has_budget", "log per_batch")
FEATURES = (*OF_OPERATOR, *OF_CLUSTER, *KIND_NAMES)
"""Names of the columns, which a checkpoint's digest has; estimates where there are any."""
NUM_FEATURES = len(FEATURES)


@dataclass(frozen=True)
class PlanGraph:
    """The operators of some plans, one plan after another, and the edges between them.

    Attributes:
        features: see ``FEATURES``.
        est_us: estimated time of a recorded work order, µs.
        num_work_orders: at size 1.
        plan_of: the place of each operator's plan.
        producer, consumer, is_breaking: edges.

    Shapes:
        features: (operators, NUM_FEATURES), float32; est_us, num_work_orders, plan_of:
        (operators,); producer, consumer, is_breaking: (edges,).
    """

    features: np.ndarray
    est_us: np.ndarray
    num_work_orders: np.ndarray
    plan_of: np.ndarray
    producer: np.ndarray
    consumer: np.ndarray
    is_breaking: np.ndarray


def plan_graph(plans: Sequence[Plan], cluster: Cluster) -> PlanGraph:
    """The graph of plans on a cluster."""
    operators = [operator for plan in plans for operator in plan.operators]
    sizes = [len(plan.operators) for plan in plans]
    firsts = np.cumsum([0, *sizes])
    edges = np.array(
        [
            (first + edge.producer, first + edge.consumer, edge.is_pipeline_breaker)
            for first, plan in zip(firsts.tolist(), plans, strict=False)
            for edge in plan.edges
        ],
        np.int64,
    ).reshape(-1, 3)
    of_cluster = _of_cluster(cluster)
    return PlanGraph(
        features=np.array([_features(operator, of_cluster) for operator in operators], np.float32),
        est_us=np.array([estimate_us(operator) for operator in operators]),
        num_work_orders=np.array([operator.num_work_orders for operator in operators]),
        plan_of=np.repeat(np.arange(len(plans)), sizes),
        producer=edges[:, 0],
        consumer=edges[:, 1],
        is_breaking=edges[:, 2],
    )


def estimate_us(operator: Operator) -> float:
    """Estimated time of a recorded work order; where there is none, the true mean stands for it."""
    if operator.est_work_order_us is not None:
        return max(operator.est_work_order_us, 1)
    return math.fsum(operator.work_order_us) / len(operator.work_order_us)


def _of_cluster(cluster: Cluster) -> tuple[float, ...]:
    budget = (cluster.memory_bytes or 0) * cluster.num_nodes
    return (
        math.log(cluster.num_executors),
        math.log(cluster.num_nodes),
        math.log1p(budget / 1e6),
        float(budget > 0),
        math.log(cluster.work_orders_per_batch),
    )


def _features(operator: Operator, of_cluster: tuple[float, ...]) -> list[float]:
    output, state = operator.est_output_bytes, operator.est_state_bytes
    kinds = [0.0] * len(KIND_NAMES)
    kinds[KIND_PLACES.get(operator.kind, len(KIND_NAMES) - 1)] = 1.0
    return [
        math.log(estimate_us(operator)),
        math.log(operator.num_work_orders),
        math.log1p(operator.output_bytes if output is None else output),
        math.log1p(operator.state_bytes if state is None else state),
        float(operator.is_scalable),
        *of_cluster,
        *kinds,
    ]
