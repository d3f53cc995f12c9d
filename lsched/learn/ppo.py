"""Proximal policy optimisation: one update of a network from the steps of some rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lsched.learn.actions import log_probabilities
from lsched.learn.collate import Step, joined
from lsched.learn.network import Network
from lsched.learn.policy import graph_of


@dataclass(frozen=True)
class PPOConfig:
    """How an update is made.

    Attributes:
        learning_rate: of Adam.
        num_epochs: passes over the steps.
        decisions_per_batch: that one gradient is taken of, about.
        clip: probability ratios beyond 1 ± this gain nothing more.
        entropy: weight of the entropy of decisions.
        max_kl: passes end when the policy has moved so far, mean Kullback-Leibler divergence.
        max_gradient: norm to which gradients are clipped.
    """

    learning_rate: float = 1e-3
    num_epochs: int = 2
    decisions_per_batch: int = 2000
    clip: float = 0.2
    entropy: float = 0.0
    max_kl: float = 0.03
    max_gradient: float = 0.5


@dataclass(frozen=True)
class Sample:
    """A step, the advantages of what was decided in it, and its log-probability then.

    Shapes:
        advantage, log_p: (simulations of the step,)
    """

    step: Step
    advantage: np.ndarray
    log_p: np.ndarray


def batches(
    samples: Sequence[Sample], size: int, generator: np.random.Generator
) -> list[list[Sample]]:
    """Samples in a new order, in batches of about ``size`` decisions."""
    result: list[list[Sample]] = [[]]
    count = 0
    for at in generator.permutation(len(samples)):
        if count >= size:
            result.append([])
            count = 0
        result[-1].append(samples[at])
        count += len(samples[at].advantage)
    return result


def log_p_of(network: Network, steps: Sequence[Step]) -> np.ndarray:
    """Log-probabilities of the actions of steps, one after another."""
    step = joined(steps)
    with torch.no_grad():
        logits = network(graph_of(step.observation), step.choices)
        return log_probabilities(logits, step.choices, step.actions)[0].numpy()


def loss_of(
    network: Network, samples: Sequence[Sample], config: PPOConfig
) -> tuple[Tensor, float, float]:
    """The clipped objective, mean divergence from the policy that acted, and mean entropy.

    Source: Schulman et al., 2017, equation 7; divergence: Schulman, "Approximating KL divergence",
        2020, estimator k3.
    """
    step = joined([sample.step for sample in samples])
    advantage = torch.from_numpy(np.concatenate([sample.advantage for sample in samples]))
    before = torch.from_numpy(np.concatenate([sample.log_p for sample in samples]))
    logits = network(graph_of(step.observation), step.choices)
    log_p, entropy = log_probabilities(logits, step.choices, step.actions)
    change = log_p - before
    ratio = change.exp()
    clipped = ratio.clamp(1.0 - config.clip, 1.0 + config.clip)
    gain = torch.minimum(ratio * advantage, clipped * advantage)
    loss = -(gain + config.entropy * entropy).mean()
    divergence = (ratio - 1.0 - change).mean()
    return loss, float(divergence.detach()), float(entropy.detach().mean())
