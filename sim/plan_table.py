"""Plans as arrays: what never changes during a run, for all plans of a batch of simulations."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sim.batch_fields import KIND_NAMES
from sim.workload import CompiledPlan


@dataclass(frozen=True)
class PlanTable:
    """Plans, their operators, and their edges. Indices are those of this table.

    Attributes:
        names: of the plans.
        first_operator, num_operators: of a plan; its operators follow each other.
        edge_offsets: edges of plan p are those from ``edge_offsets[p]`` to ``edge_offsets[p + 1]``.
        kind: of an operator, in ``KIND_NAMES``; ``len(KIND_NAMES)`` for all other kinds.
        level: edges on the longest path to an operator from one without producers.
        height: edges on the longest path from an operator to one without consumers.
        pipeline_next: the operator that one can be pipelined with, -1 if there is none.
        producer, consumer: operators at the ends of an edge. Edges of a plan stand by consumer,
            breaking ones first, as in ``BatchView``.
        is_breaking: whether the consumer waits for the whole producer.

    Shapes:
        first_operator, num_operators: (plans,); edge_offsets: (plans + 1,).
        kind, level, height, pipeline_next: (operators,).
        producer, consumer, is_breaking: (edges,).
    """

    names: Sequence[str]
    first_operator: np.ndarray
    num_operators: np.ndarray
    edge_offsets: np.ndarray
    kind: np.ndarray
    level: np.ndarray
    height: np.ndarray
    pipeline_next: np.ndarray
    producer: np.ndarray
    consumer: np.ndarray
    is_breaking: np.ndarray


def plan_table(plans: Sequence[CompiledPlan]) -> PlanTable:
    """The table of plans, in their order."""
    sizes = np.array([plan.num_operators for plan in plans], np.int64)
    firsts = np.cumsum(sizes) - sizes
    edges = [_edges(plan) for plan in plans]
    num_edges = [len(of_plan) for of_plan in edges]
    ends = [
        (first + producer, first + consumer, is_breaking)
        for first, of_plan in zip(firsts.tolist(), edges, strict=True)
        for producer, consumer, is_breaking in of_plan
    ]
    columns = np.array(ends, np.int64).reshape(-1, 3).T.copy()
    following = [
        first + after if after >= 0 else -1
        for first, plan in zip(firsts.tolist(), plans, strict=True)
        for after in plan.pipeline_next
    ]
    return PlanTable(
        names=[plan.name for plan in plans],
        first_operator=firsts,
        num_operators=sizes,
        edge_offsets=np.concatenate([[0], np.cumsum(num_edges)]).astype(np.int64),
        kind=_column(_kinds(plan) for plan in plans),
        level=_column(_levels(plan) for plan in plans),
        height=_column(_heights(plan) for plan in plans),
        pipeline_next=np.array(following, np.int64),
        producer=columns[0],
        consumer=columns[1],
        is_breaking=columns[2].astype(np.bool_),
    )


def _column(parts: Iterable[list[int]]) -> np.ndarray:
    return np.array(list(itertools.chain.from_iterable(parts)), np.int64)


def _edges(plan: CompiledPlan) -> list[tuple[int, int, bool]]:
    """Producer, consumer, and whether it is breaking."""
    return [
        (producer, consumer, is_breaking)
        for consumer in range(plan.num_operators)
        for is_breaking, producers in (
            (True, plan.breaking_producers[consumer]),
            (False, plan.streaming_producers[consumer]),
        )
        for producer in producers
    ]


def _kinds(plan: CompiledPlan) -> list[int]:
    known = {name: index for index, name in enumerate(KIND_NAMES)}
    return [known.get(operator.kind, len(KIND_NAMES)) for operator in plan.plan.operators]


def _levels(plan: CompiledPlan) -> list[int]:
    levels = [0] * plan.num_operators
    for operator in plan.topological_order:
        for consumer in plan.consumers[operator]:
            levels[consumer] = max(levels[consumer], levels[operator] + 1)
    return levels


def _heights(plan: CompiledPlan) -> list[int]:
    heights = [0] * plan.num_operators
    for operator in reversed(plan.topological_order):
        for consumer in plan.consumers[operator]:
            heights[operator] = max(heights[operator], heights[consumer] + 1)
    return heights
