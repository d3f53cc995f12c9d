"""A population of policies of one shape that act side by side, each in some of the simulations."""

from __future__ import annotations

import numpy as np
import torch

from lsched.learn.actions import decide, schedule_of
from lsched.learn.advice import advice_of, no_advice
from lsched.learn.choices import choices_of
from lsched.learn.config import PolicyConfig
from lsched.learn.forward import Forward
from lsched.learn.network import Logits
from lsched.learn.observation import observe
from sim import BatchSchedule, BatchView, make_scheduler


class Population:
    """Asks the network of each simulation's member for the most probable actions.

    Args:
        config: of all members.
        weights: one row each, see ``weights.flattened``.
        members: by simulation of the batch, its member's row.

    Shapes:
        weights: (members, weights), float32; members: (simulations,).
    """

    def __init__(self, config: PolicyConfig, weights: np.ndarray, members: np.ndarray) -> None:
        self.config, self.weights, self.members = config, weights, members
        self._rule = make_scheduler(config.rule) if config.rule else None
        self._forward = Forward(config)

    def decide_many(self, view: BatchView) -> BatchSchedule:
        """Answer the scheduling events of all simulations of a view."""
        rule = self._rule
        advice = no_advice(view) if rule is None else advice_of(view.advice(rule), view)
        observation = observe(view, advice, self.config.observed)
        choices = choices_of(view, advice, observation, self.config)
        member = self.members[view.simulations.simulation]
        logits = Logits(
            *map(torch.from_numpy, self._forward(self.weights, member, observation, choices))
        )
        actions = decide(logits, choices, view.simulations.num_executors)
        return schedule_of(actions, choices, advice, view, rule is not None)
