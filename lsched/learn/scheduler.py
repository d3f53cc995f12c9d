"""Learned policies as schedulers, by name: what the entry points of lsched lead to.

They decide with compiled code, on either engine, and without torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from lsched.learn.checkpoint import Checkpoint, files_of, find, load, shipped
from lsched.learn.costs.experience import Experience
from lsched.learn.inference.decider import Decider, make_ready
from lsched.learn.inference.maps import flattened
from sim import (
    BatchSchedule,
    BatchScheduler,
    BatchView,
    Cluster,
    ClusterView,
    History,
    Schedule,
    decide_one,
)
from sim.engines import engine_name, is_fast_installed
from sim.experience import brought_by, first_history
from traces import Trace, TraceStream

Corrections = Literal["on", "off"]
MEMBERS = SERVER, STICKY, ELSEWHERE = "server", "spark", "everywhere"
"""Those that ``lsched`` is made of."""


class Learned:
    """A policy from the files that ``lsched train`` writes, or one that comes with lsched.

    Args:
        path: the directory of a training, or a policy's file; or the name of a policy that comes
            with lsched, such as everywhere.
        corrections: ``off``: its rule decides, with the policy's experience of what plans cost.

    Raises:
        CheckpointError: there is no policy that this version of lsched can use.
        ValueError: something is not installed.
    """

    tunable: ClassVar[Mapping[str, Sequence[object]]] = {"path": ()}
    """Nothing but which policy it is: ``lsched tune`` scores the one that is given."""

    def __init__(self, path: str, corrections: Corrections = "on") -> None:
        path = find(path)
        checkpoint = load(path)
        self.files = files_of(path)
        self.card = checkpoint.card
        self._policy = _decider(checkpoint, corrections)
        if checkpoint.card.policy.costs:
            self.experience = Experience(checkpoint.weights)

    def decide_many(self, view: BatchView) -> BatchSchedule:
        """Answer the scheduling events of all simulations of a view."""
        return self._policy.decide_many(view)

    def decide(self, view: ClusterView) -> Schedule:
        """Answer a scheduling event."""
        return decide_one(self._policy, view)


class Lsched:
    """Learned: tree convolutions correct a rule (after Sabek, Ukyab, Kraska, 2022).

    A policy for each kind of cluster (one node, several, executors that stay with their pipelines),
    whatever the workload.

    Args:
        corrections: ``off``: its rule decides, with the policy's experience of what plans cost.
    """

    tunable: ClassVar[Mapping[str, Sequence[object]]] = {}

    def __init__(self, corrections: Corrections = "on") -> None:
        self._members = {name: Learned(shipped(name), corrections) for name in MEMBERS}
        self.files = tuple(file for each in self._members.values() for file in each.files)

    def experience(self, trace: Trace | TraceStream, cluster: Cluster) -> History:
        """What the policy for the cluster knows of the plans of a trace."""
        return first_history(brought_by(self._members[member_for(cluster)], True), trace, cluster)

    def decide_many(self, view: BatchView) -> BatchSchedule:
        """Answer the scheduling events of all simulations of a view."""
        return self._members[member_for(view.cluster)].decide_many(view)

    def decide(self, view: ClusterView) -> Schedule:
        """Answer a scheduling event."""
        return self._members[member_for(view.cluster)].decide(view)


class LschedGcn(Learned):
    """Learned: as ``lsched``, with the graph network of ``decima``."""

    def __init__(self) -> None:
        super().__init__(shipped("lsched-gcn"))


class Decima(Learned):
    """Learned: Decima's agent, trained here (after Mao et al., 2019)."""

    def __init__(self) -> None:
        super().__init__(shipped("decima"))


def member_for(cluster: Cluster) -> str:
    """Which policy ``lsched`` is on a cluster.

    What does well on one kind of cluster does badly on another, and which it is, is known before.
    """
    if cluster.release == "pipeline":
        return STICKY
    return SERVER if cluster.num_nodes == 1 else ELSEWHERE


def _decider(checkpoint: Checkpoint, corrections: Corrections) -> BatchScheduler:
    """What decides as a policy does; weights of zero leave all to the rule."""
    if not is_fast_installed():
        raise ValueError("policies need numba, which is missing: pip install 'lsched[fast]'")
    if engine_name(None) == "fast":
        make_ready()  # once here, not once in each of several processes
    config = checkpoint.card.policy
    weights = flattened(config, checkpoint.weights)
    return Decider(config, weights if corrections == "on" else np.zeros_like(weights))
