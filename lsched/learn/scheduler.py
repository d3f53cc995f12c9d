"""Learned policies as schedulers, by name: what the entry points of lsched lead to.

A policy decides with compiled code where numba is installed, else with torch, whose sums may differ
in the last digits.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from lsched.errors import CheckpointError
from lsched.learn.checkpoint import Checkpoint, files_of, load
from sim import BatchSchedule, BatchScheduler, BatchView, ClusterView, Schedule, decide_one
from sim.engines import is_fast_installed

SHIPPED = Path(__file__).parents[1] / "policies"
"""Where the policies are that come with lsched."""


class Learned:
    """A policy of your own, from the files that ``lsched train`` writes.

    Args:
        path: where they are, see ``checkpoint.files_of``.

    Raises:
        CheckpointError: there is no policy that this version of lsched can use.
        ValueError: something is not installed.
    """

    def __init__(self, path: str) -> None:
        checkpoint = load(path)
        self.card = checkpoint.card
        self._policy = _decider(checkpoint)

    def decide_many(self, view: BatchView) -> BatchSchedule:
        """Answer the scheduling events of all simulations of a view."""
        return self._policy.decide_many(view)

    def decide(self, view: ClusterView) -> Schedule:
        """Answer a scheduling event."""
        return decide_one(self._policy, view)


class Lsched(Learned):
    """Learned: tree convolutions that correct ``priced`` (after Sabek, Ukyab, Kraska, 2022)."""

    def __init__(self) -> None:
        super().__init__(shipped("lsched"))


class LschedGcn(Learned):
    """Learned: as ``lsched``, with the graph network of ``decima``."""

    def __init__(self) -> None:
        super().__init__(shipped("lsched-gcn"))


class Decima(Learned):
    """Learned: Decima's agent, trained here (after Mao et al., 2019)."""

    def __init__(self) -> None:
        super().__init__(shipped("decima"))


def shipped(name: str) -> str:
    """Where a policy is that comes with lsched.

    Raises:
        CheckpointError: this installation does not have it.
    """
    path = SHIPPED / name
    for file in files_of(path):
        if not file.is_file():
            raise CheckpointError(
                f"policy {name!r} is not part of this installation ({file} is not there); train "
                "one and use learned:path=…"
            )
    return str(path)


def _decider(checkpoint: Checkpoint) -> BatchScheduler:
    """What decides as a policy does."""
    config, weights = checkpoint.card.policy, checkpoint.weights
    if is_fast_installed():
        from lsched.learn.inference.decider import Decider
        from lsched.learn.inference.maps import flattened

        return Decider(config, flattened(config, weights))
    for package in ("torch", "torch_geometric"):
        if importlib.util.find_spec(package) is None:
            raise ValueError(
                f"learned policies need numba, or {package}, which are missing: "
                "pip install 'lsched[fast,learn]'"
            )
    import torch

    from lsched.learn.network import Network, set_weights
    from lsched.learn.policy import Policy

    torch.set_num_threads(1)  # in each of several processes
    network = Network(config)
    set_weights(network, weights)
    return Policy(network)
