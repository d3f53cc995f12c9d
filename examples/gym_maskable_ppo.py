"""Train MaskablePPO for two or three minutes, and compare it with random actions and with rules.

    pip install -c constraints.txt '.[fast,gym,examples]'
    python examples/gym_maskable_ppo.py

On two busy cores, November 2026:

    trained for 40,960 steps in 193 s
    mean latency over 20 test seeds
    MaskablePPO     0.258 s
    random actions  0.378 s
    fair            0.246 s
    fifo            0.247 s
    srpt            0.190 s

With 1001 as seed of training it ends at 0.254 s. An example of how, not of how well.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import gymnasium
import numpy as np
import torch
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.distributions import MaskableDistribution
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from torch import nn

import sim
from lsched.gym import ENVIRONMENT_ID, Flat
from lsched.gym.flat import NUM_OF_CANDIDATE, NUM_SHARED

NUM_CANDIDATES = 20
SHARES = (1.0,)
RULES = ("fair", "fifo", "srpt")

Choose = Callable[[np.ndarray, np.ndarray], int]
"""An action from an observation and its mask."""


def make_environment() -> Flat:
    """Ten TPC-H queries that come at once, on eight executors."""
    env = gymnasium.make(
        ENVIRONMENT_ID,
        trace="tpch",
        cluster="inmemory-32:executors_per_node=8",
        is_batch=True,
        num_queries=10,
    )
    return Flat(env, num_candidates=NUM_CANDIDATES, shares=SHARES)


class Scores(nn.Module):
    """Scores of all actions, from one small network that looks at each candidate by itself.

    What is learned of one candidate holds for all, wherever they stand in the list.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.latent_dim_pi = NUM_CANDIDATES * len(SHARES) + 1
        self.latent_dim_vf = width
        self.score = nn.Sequential(*hidden(width), nn.Linear(width, len(SHARES)))
        self.score_end = nn.Linear(NUM_SHARED, 1)
        self.value = nn.Sequential(*hidden(width))

    def forward(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.forward_actor(seen), self.forward_critic(seen)

    def forward_actor(self, seen: torch.Tensor) -> torch.Tensor:
        shared, candidates = split(seen)
        everywhere = shared.unsqueeze(1).expand(-1, NUM_CANDIDATES, -1)
        scores = self.score(torch.cat([everywhere, candidates], dim=2))
        return torch.cat([scores.flatten(1), self.score_end(shared)], dim=1)

    def forward_critic(self, seen: torch.Tensor) -> torch.Tensor:
        shared, candidates = split(seen)
        value: torch.Tensor = self.value(torch.cat([shared, candidates.mean(dim=1)], dim=1))
        return value


def hidden(width: int) -> list[nn.Module]:
    first = nn.Linear(NUM_SHARED + NUM_OF_CANDIDATE, width)
    return [first, nn.Tanh(), nn.Linear(width, width), nn.Tanh()]


def split(seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The numbers that are of no candidate, and those of each."""
    candidates = seen[:, NUM_SHARED:].reshape(-1, NUM_CANDIDATES, NUM_OF_CANDIDATE)
    return seen[:, :NUM_SHARED], candidates


class ScoringPolicy(MaskableActorCriticPolicy):
    """Chooses by ``Scores`` instead of one network over all inputs."""

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = Scores()

    def _get_action_dist_from_latent(self, latent_pi: torch.Tensor) -> MaskableDistribution:
        return self.action_dist.proba_distribution(action_logits=latent_pi)


def train(env: Flat, num_steps: int) -> MaskablePPO:
    agent = MaskablePPO(
        ScoringPolicy,
        env,
        gamma=1.0,
        learning_rate=1e-3,
        n_steps=min(1024, num_steps),
        batch_size=min(256, num_steps),
        seed=1000,  # as seeds of training: its first episode has it
        device="cpu",
    )
    return agent.learn(num_steps)


def latency_s(env: Flat, seed: int, choose: Choose) -> float:
    """Mean latency of the queries of a seed."""
    seen, info = env.reset(seed=seed)
    is_over = False
    while not is_over:
        seen, _, is_over, _, info = env.step(choose(seen, info["action_mask"]))
    return float(info["mean_latency_s"])


def rule_latency_s(env: Flat, seed: int, rule: str) -> float:
    """Mean latency of the same queries, with the same luck, under a rule."""
    inner = env.unwrapped
    run = inner.arrivals.of(inner.trace, inner.cluster, seed)
    return sim.simulate(run, rule, cluster=inner.cluster, seed=seed).summary()["mean_latency_s"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=40_960, help="of training")
    parser.add_argument("--seeds", type=int, default=20, help="for the comparison")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    env, started = make_environment(), time.perf_counter()
    agent = train(env, arguments.steps)
    print(f"trained for {arguments.steps:,} steps in {time.perf_counter() - started:.0f} s")

    generator = np.random.default_rng(0)

    def trained(seen: np.ndarray, mask: np.ndarray) -> int:
        return int(agent.predict(seen, action_masks=mask, deterministic=True)[0])

    def at_random(seen: np.ndarray, mask: np.ndarray) -> int:
        return int(generator.choice(np.flatnonzero(mask)))

    seeds = range(arguments.seeds)  # below 1000: no episode of training has them
    latencies_s = {
        "MaskablePPO": [latency_s(env, seed, trained) for seed in seeds],
        "random actions": [latency_s(env, seed, at_random) for seed in seeds],
    }
    for rule in RULES:
        latencies_s[rule] = [rule_latency_s(env, seed, rule) for seed in seeds]
    print(f"mean latency over {len(seeds)} test seeds")
    for name, each in latencies_s.items():
        print(f"{name:15} {np.mean(each):.3f} s")


if __name__ == "__main__":
    main()
