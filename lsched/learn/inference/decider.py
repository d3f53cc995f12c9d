"""A policy without torch: the most probable decisions, compiled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lsched.learn.config import DEGREES, FACTORS, PolicyConfig
from lsched.learn.inference.maps import packed
from sim import BatchSchedule, BatchView, Cluster, PlanTable, make_scheduler
from sim.engines import ready_batches

NOTHING = np.zeros(0, np.int64)


class Decider:
    """Answers as ``policy.Policy`` does without a generator, several times as fast.

    Args:
        config: the policy's parts.
        weights: by name in ``network.Network``.

    Raises:
        ValueError: numba is not installed.
    """

    def __init__(self, config: PolicyConfig, weights: Mapping[str, np.ndarray]) -> None:
        ready_batches()
        from lsched.learn.inference import entry, tables
        from sim.fast_engine.world import table_of_arrays

        entry.decide.make_ready()
        self._decide, self._tables, self._table_of = entry.decide, tables, table_of_arrays
        self._rule = make_scheduler(config.rule) if config.rule else None
        self._arrays = vars(packed(config, weights))
        self._policy = self._table(self._arrays, tables.POLICY_ARRAYS)
        self._plans: PlanTable | None = None
        self._cluster: Cluster | None = None
        self._num_operators = self._num_queries = self._num_rows = -1

    def decide_many(self, view: BatchView) -> BatchSchedule:
        """Answer the scheduling events of all simulations of a view."""
        tables = self._tables
        if view.plans is not self._plans or view.cluster is not self._cluster:
            self._set_place(view)
        self._make_room(len(view.operators), len(view.queries), len(view))
        operators = limits = degrees = queries = executors = NOTHING
        until_us: Any = None
        if self._rule is not None:
            advice: Any = view.advice(self._rule)
            operators, limits, degrees = (
                advice.operators,
                advice.num_executors,
                advice.pipeline_degrees,
            )
            queries, executors = advice.hold_queries, advice.hold_executors
            until_us = advice.until_us
        self._decide(
            view.address,
            self._policy.ctypes.data,
            self._place.ctypes.data,
            self._answer_table.ctypes.data,
            len(view),
            operators,
            limits,
            degrees,
            queries,
            executors,
        )
        answer = self._answer
        counts = answer["counts"].tolist()
        allocations = answer["allocations"][:, : counts[tables.NUM_ALLOCATIONS]].copy()
        held = answer["held"][:, : counts[tables.NUM_HELD]].copy()
        return BatchSchedule(*allocations, *held, until_us)

    def _table(self, arrays: Mapping[str, np.ndarray], expected: Any) -> np.ndarray:
        return self._table_of(arrays, expected)

    def _set_place(self, view: BatchView) -> None:
        """Where it decides from now on."""
        cluster, self._plans, self._cluster = view.cluster, view.plans, view.cluster
        budget = float((cluster.memory_bytes or 0) * cluster.num_nodes)
        self._place_arrays = {
            "height": view.plans.height,
            "pipeline_next": view.plans.pipeline_next,
            "budget_bytes": np.array([budget]),
            "move_delay_us": np.array([float(cluster.move_delay_us)]),
            "is_sticky": np.array([int(cluster.release == "pipeline")]),
            "has_many_nodes": np.array([int(cluster.num_nodes > 1)]),
        }
        self._place = self._table(self._place_arrays, self._tables.PLACE_ARRAYS)

    def _make_room(self, num_operators: int, num_queries: int, num_rows: int) -> None:
        """For an answer to so many."""
        if (
            num_operators <= self._num_operators
            and num_queries <= self._num_queries
            and num_rows <= self._num_rows
        ):
            return
        self._num_operators, self._num_queries = 2 * num_operators, 2 * num_queries
        self._num_rows = num_rows
        self._answer = {
            "counts": np.zeros(5, np.int64),
            "roots": np.zeros(self._num_operators, np.float32),
            "stop": np.zeros(num_rows, np.float32),
            "limits": np.zeros((self._num_queries, len(FACTORS)), np.float32),
            "degrees": np.zeros((self._num_operators, len(DEGREES)), np.float32),
            "holds": np.zeros((self._num_queries, 2), np.float32),
            "allocations": np.zeros((3, 2 * self._num_operators), np.int64),
            "held": np.zeros((2, self._num_queries), np.int64),
        }
        self._answer_table = self._table(self._answer, self._tables.ANSWER_ARRAYS)
