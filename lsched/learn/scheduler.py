"""Learned policies as schedulers, by name: what the entry points of lsched lead to.

They decide with compiled code, on either engine.
"""

from __future__ import annotations

from lsched.learn.checkpoint import Checkpoint, load
from sim import BatchSchedule, BatchScheduler, BatchView, ClusterView, Schedule, decide_one


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


def _decider(checkpoint: Checkpoint) -> BatchScheduler:
    """What decides as a policy does."""
    from lsched.learn.inference.decider import Decider
    from lsched.learn.inference.maps import flattened

    config = checkpoint.card.policy
    return Decider(config, flattened(config, checkpoint.weights))
