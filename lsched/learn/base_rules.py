"""Which rule a policy should correct: the best of many, on training seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lsched.learn.workload import Case, Objective, cost_of
from sim import simulate_many
from traces.split import SEEDS

NUM_SEEDS = 6
FIRST_SEED = 4000
"""From here on; training draws from all of its seeds."""


def candidates(has_memory: bool) -> list[str]:
    """Rules to choose from, as texts.

    Args:
        has_memory: whether memory is limited, so that admission can matter.
    """
    texts = ["fair", "fair:spare=idle"]
    texts += [
        f"srpt:size={size}+share={share}"
        for size in ("estimate", "history")
        for share in ("1", "2", "3", "5")
    ]
    texts += [
        f"priced:size={size}+weight={weight}+slowdown={slowdown}"
        for size in ("estimate", "history")
        for weight in ("0.4", "0.84", "2")
        for slowdown in ("0", "0.005", "0.0165")
    ]
    if has_memory:
        texts += [f"{text}+memory=gate" for text in texts if ":" in text]
    return texts


def best_rule(cases: Sequence[Case], objective: Objective) -> tuple[str, dict[str, float]]:
    """The rule with the least cost on all cases together, and the cost of each ÷ that of ``fair``.

    Costs are geometric means over seeds and cases.
    """
    has_memory = any(case.cluster.memory_bytes is not None for case in cases)
    seeds = [seed for seed in SEEDS["training"] if seed >= FIRST_SEED][:NUM_SEEDS]
    texts = candidates(has_memory)
    logs = np.zeros((len(texts), len(cases)))
    for column, case in enumerate(cases):
        runs = [case.run_of(seed) for seed in seeds]
        for row, text in enumerate(texts):
            results = simulate_many(runs, text, cluster=case.cluster, seeds=seeds)
            logs[row, column] = np.mean(np.log([cost_of(each, objective) for each in results]))
    ratios = np.exp((logs - logs[0]).mean(axis=1))
    best = int(np.argmin(ratios))
    return texts[best], dict(zip(texts, ratios.tolist(), strict=True))
