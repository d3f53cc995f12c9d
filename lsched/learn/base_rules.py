"""Which rule a policy should correct: the best of many, on training seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lsched.learn.workload import Case, Objective, cost_of
from lsched.specs import text_of
from sim import simulate_many
from sim.experience import StartHistory
from sim.registry import split_text
from traces.split import SEEDS

WORDS = (
    ("operators", "shortest"),
    ("size", "observed"),
    ("spare", "idle"),
    ("pipeline", "best"),
    ("pipeline", "never"),
)
ACCEPT = {
    "operators": ("fair", "srpt", "hesrpt"),
    "size": ("srpt", "hesrpt", "priced"),
    "spare": ("fair", "srpt", "hesrpt"),
    "pipeline": ("fair", "srpt", "hesrpt", "priced"),
}
"""Words that the best rule is tried with, and which rules know them."""
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
        for share in ("0.1", "1", "2", "3", "5")
    ]
    texts += [
        f"hesrpt:size={size}+p={p}"
        for size in ("estimate", "history")
        for p in ("0.3", "0.6", "0.8")
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


def best_rule(
    cases: Sequence[Case], objective: Objective, history: StartHistory = True
) -> tuple[str, dict[str, float]]:
    """The rule with the least cost on all cases together, and the cost of each ÷ that of ``fair``.

    ``history``: what runs begin with.

    Costs are geometric means over seeds and cases. The best of ``candidates`` is then changed in
    one word after another, as long as that helps.
    """
    has_memory = any(case.cluster.memory_bytes is not None for case in cases)
    seeds = [seed for seed in SEEDS["training"] if seed >= FIRST_SEED][:NUM_SEEDS]
    runs = [[case.run_of(seed) for seed in seeds] for case in cases]

    def log_cost(text: str) -> float:
        costs = [
            cost_of(result, objective)
            for case, own in zip(cases, runs, strict=True)
            for result in simulate_many(
                own, text, cluster=case.cluster, seeds=seeds, history=history
            )
        ]
        return float(np.mean(np.log(costs)))

    logs = {text: log_cost(text) for text in candidates(has_memory)}
    best = min(logs, key=logs.__getitem__)
    for key, word in WORDS:
        rule, given = split_text(best)
        if rule in ACCEPT[key]:
            changed = text_of(rule, {**given, key: word})
            logs[changed] = log_cost(changed)
            best = min(best, changed, key=logs.__getitem__)
    return best, {text: math.exp(log - logs["fair"]) for text, log in logs.items()}
