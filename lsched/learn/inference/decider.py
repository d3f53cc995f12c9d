"""A policy that decides, compiled, without torch."""

from __future__ import annotations

import importlib

import numpy as np

from lsched.learn.config import NUM_OPERATOR_OUTPUTS, NUM_QUERY_OUTPUTS, PolicyConfig
from lsched.learn.inference.maps import has_encoder, policy_arrays
from lsched.learn.rule import BEST_DEGREE, DEGREE
from sim import (
    BatchSchedule,
    BatchView,
    Cluster,
    ClusterView,
    PlanTable,
    Schedule,
    decide_one,
    make_scheduler,
)
from sim.engines import ready_batches


def make_ready() -> None:
    """All that decides is compiled, or found on disk.

    Call it before worker processes begin, or each of them compiles.

    Raises:
        ValueError: numba is not installed.
    """
    ready_batches()
    importlib.import_module("lsched.learn.inference.entry").decide.make_ready()


class Decider:
    """Decides as a rule whose quantities ``network.Network`` corrects.

    Args:
        config: the policy's parts.
        weights: see ``maps.flattened``; or a row for each policy of a population.
        members: by simulation of a batch, its policy's row in ``weights``; none: the first for all.

    Shapes:
        weights: (weights,) or (policies, weights), float32; members: (simulations of the batch,).

    Raises:
        ImportError: numba is not installed.
    """

    def __init__(
        self, config: PolicyConfig, weights: np.ndarray, members: np.ndarray | None = None
    ) -> None:
        from lsched.learn.inference import entry, tables
        from sim.fast_engine.world import table_of_arrays

        entry.decide.make_ready()
        self._decide, self._tables, self._table_of = entry.decide, tables, table_of_arrays
        self._arrays = policy_arrays(config)
        self._pipelining = make_scheduler("fifo:pipeline=best")  # all that may run, once
        self._weights = np.ascontiguousarray(np.atleast_2d(weights), np.float32)
        self._own = [
            {"weights": own, "has_encoder": np.array([int(has_encoder(config, own))])}
            for own in self._weights
        ]  # kept: tables only point to arrays
        self._policies = [
            table_of_arrays(self._arrays | own, tables.POLICY_ARRAYS) for own in self._own
        ]
        self._addresses = np.array([table.ctypes.data for table in self._policies])
        self._members = members
        self._plans: PlanTable | None = None
        self._cluster: Cluster | None = None
        self._room = (-1, -1, -1)
        self.answer: dict[str, np.ndarray] = {}

    def decide_many(self, view: BatchView) -> BatchSchedule:
        """Answer the scheduling events of all simulations of a view."""
        if view.plans is not self._plans or view.cluster is not self._cluster:
            self._set_place(view)
        self._make_room(len(view.operators), len(view.queries), len(view))
        if self._arrays["rule"][DEGREE] == BEST_DEGREE:
            advice = view.advice(self._pipelining)
            self.answer["degrees"][np.asarray(advice.operators)] = advice.pipeline_degrees
        self._decide(
            view.address, self._policies_of(view), self._place_address, self._answer_address
        )
        counts = self.answer["counts"].tolist()
        allocations = self.answer["allocations"][:, : counts[self._tables.NUM_ALLOCATIONS]]
        held = self.answer["held"][:, : counts[self._tables.NUM_HELD]]
        operators, limits, degrees = allocations.copy()
        queries, executors = held.copy()
        return BatchSchedule(operators, limits, degrees, queries, executors)

    def decide(self, view: ClusterView) -> Schedule:
        """Answer a scheduling event."""
        return decide_one(self, view)

    def _policies_of(self, view: BatchView) -> np.ndarray:
        """Addresses of the tables of each simulation's policy."""
        if self._members is not None:
            return self._addresses[self._members[view.simulations.simulation]]
        return self._addresses if len(view) == 1 else np.repeat(self._addresses[:1], len(view))

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
        self._place = self._table_of(self._place_arrays, self._tables.PLACE_ARRAYS)
        self._place_address = int(self._place.ctypes.data)

    def _make_room(self, num_operators: int, num_queries: int, num_rows: int) -> None:
        """For an answer to so many."""
        has_operators, has_queries, has_rows = self._room
        if num_operators <= has_operators and num_queries <= has_queries and num_rows <= has_rows:
            return
        num_operators, num_queries = 2 * num_operators, 2 * num_queries
        self._room = num_operators, num_queries, num_rows
        self.answer = {
            "counts": np.zeros(self._tables.NUM_COUNTS, np.int64),
            "operators": np.zeros((NUM_OPERATOR_OUTPUTS, num_operators), np.float32),
            "queries": np.zeros((NUM_QUERY_OUTPUTS, num_queries), np.float32),
            "allocations": np.zeros((3, 2 * num_operators), np.int64),
            "held": np.zeros((2, num_queries), np.int64),
            "degrees": np.zeros(num_operators, np.int64),
        }
        self._answer_table = self._table_of(self.answer, self._tables.ANSWER_ARRAYS)
        self._answer_address = int(self._answer_table.ctypes.data)
