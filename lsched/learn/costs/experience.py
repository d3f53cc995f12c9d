"""A policy's experience: predicted times as the history that a run starts with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lsched.learn.costs.network import Weights, predicted_us
from lsched.learn.costs.plans import plan_graph
from sim import Cluster, History
from sim.history import believed
from traces import Plan, Trace, TraceStream


class Experience:
    """``sim.experience.Experience`` from the weights of a cost network."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._plans: Sequence[Plan] | None = None
        self._cluster: Cluster | None = None
        self._known = History()

    def __call__(self, trace: Trace | TraceStream, cluster: Cluster) -> History:
        """All plans of a trace as if they had run."""
        if trace.plans is not self._plans or cluster != self._cluster:
            self._plans, self._cluster = trace.plans, cluster
            self._known = self._history_of(trace.plans, cluster)
        return self._known

    def _history_of(self, plans: Sequence[Plan], cluster: Cluster) -> History:
        graph = plan_graph(plans, cluster)
        means_us, counts = predicted_us(self._weights, graph), graph.num_work_orders
        firsts = np.cumsum([len(plan.operators) for plan in plans])[:-1]
        return History(
            {
                plan.name: believed(mean_us.tolist(), count.tolist())
                for plan, mean_us, count in zip(
                    plans, np.split(means_us, firsts), np.split(counts, firsts), strict=True
                )
            }
        )
