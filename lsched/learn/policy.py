"""A policy: what a network, and the rule that it corrects, answer to scheduling events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lsched.learn.actions import Actions, decide, schedule_of
from lsched.learn.advice import Advice, advice_of, no_advice
from lsched.learn.choices import Choices, choices_of
from lsched.learn.graph import Graph
from lsched.learn.network import Network
from lsched.learn.observation import Observation, observe
from sim import (
    BatchSchedule,
    BatchView,
    ClusterView,
    Schedule,
    decide_one,
    make_scheduler,
)


@dataclass(frozen=True)
class Situation:
    """What a policy is asked: everything that a decision and its probability depend on."""

    observation: Observation
    choices: Choices
    advice: Advice


class Policy:
    """Asks a network.

    Args:
        network: its weights, and the rule that it corrects.
        generator: for drawn actions; None: the most probable ones.
    """

    def __init__(self, network: Network, generator: np.random.Generator | None = None) -> None:
        self.network, self.generator = network, generator
        rule = network.config.rule
        self._rule = make_scheduler(rule) if rule else None

    def situation(self, view: BatchView) -> Situation:
        """What is to be decided at a view's events."""
        advice = no_advice(view) if self._rule is None else advice_of(view.advice(self._rule), view)
        observation = observe(view, advice, self.network.config.observed)
        choices = choices_of(view, advice, observation, self.network.config)
        return Situation(observation, choices, advice)

    def act(self, situation: Situation, view: BatchView) -> tuple[Actions, BatchSchedule]:
        """Decide, and what that means as schedules."""
        with torch.inference_mode():
            logits = self.network(graph_of(situation.observation), situation.choices)
        actions = decide(logits, situation.choices, view.simulations.num_executors, self.generator)
        has_rule = self._rule is not None
        schedule = schedule_of(actions, situation.choices, situation.advice, view, has_rule)
        return actions, schedule

    def decide_many(self, view: BatchView) -> BatchSchedule:
        """Answer the scheduling events of all simulations of a view."""
        return self.act(self.situation(view), view)[1]

    def decide(self, view: ClusterView) -> Schedule:
        """Answer a scheduling event."""
        return decide_one(self, view)


def graph_of(observation: Observation) -> Graph:
    """The observation as tensors, which share its memory."""
    return Graph(
        *(
            torch.from_numpy(array)
            for array in (
                observation.operators,
                observation.queries,
                observation.simulations,
                observation.producer,
                observation.consumer,
                observation.is_breaking,
                observation.query_of,
                observation.simulation_of,
                observation.height,
            )
        )
    )
