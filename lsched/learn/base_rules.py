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
    ("size", "observed"),
    ("spare", "idle"),
    ("operators", "plan"),
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
OTHERS = "spare=share+operators=shortest"
"""What is mostly best, in rules with shares or limits."""
NUM_SEEDS, NUM_FIRST, NUM_KEPT = 6, 2, 8
"""Seeds that decide; those that all candidates run, and how many of the best go on."""
FIRST_SEED = 4000
"""From here on; training draws from all of its seeds."""


def candidates(has_memory: bool) -> list[str]:
    """Rules to choose from, as texts.

    Args:
        has_memory: whether memory is limited, so that admission can matter.
    """
    texts = ["fair", "fair:spare=idle"]
    limits = [f"share={share}" for share in (1, 2.4, 5)]
    limits += [f"cap={cap}" for cap in (0.02, 0.1, 0.25, 0.5)]
    for size in ("estimate", "history"):
        texts += [f"srpt:size={size}+{limit}+{OTHERS}" for limit in limits]
        texts += [f"hesrpt:p={p}+size={size}+{OTHERS}" for p in (0.3, 0.5, 0.8)]
        texts += [
            f"priced:size={size}+weight={weight}+slowdown={slowdown}"
            for weight in (0.4, 0.84, 2)
            for slowdown in (0, 0.005, 0.0165)
        ]
    if has_memory:
        texts += [f"{text}+memory=gate" for text in texts if ":" in text]
    return texts


def best_rule(
    cases: Sequence[Case], objective: Objective, history: StartHistory = True
) -> tuple[str, dict[str, float]]:
    """The rule with the least cost on all cases together, and the cost of each ÷ that of ``fair``.

    ``history``: what runs begin with.

    Costs are geometric means over seeds and cases. All ``candidates`` run two seeds, the best of
    them all seeds; the best of those is then changed in one word after another, as long as that
    helps.
    """
    has_memory = any(case.cluster.memory_bytes is not None for case in cases)
    seeds = [seed for seed in SEEDS["training"] if seed >= FIRST_SEED][:NUM_SEEDS]
    runs = [[case.run_of(seed) for seed in seeds] for case in cases]

    def log_cost(text: str, count: int = NUM_SEEDS) -> float:
        costs = [
            cost_of(result, objective)
            for case, own in zip(cases, runs, strict=True)
            for result in simulate_many(
                own[:count], text, cluster=case.cluster, seeds=seeds[:count], history=history
            )
        ]
        return float(np.mean(np.log(costs)))

    first = {text: log_cost(text, NUM_FIRST) for text in candidates(has_memory)}
    kept = sorted(first, key=first.__getitem__)[:NUM_KEPT]
    logs = {text: log_cost(text) for text in ("fair", *kept)}
    best = min(logs, key=logs.__getitem__)
    for key, word in WORDS:
        rule, given = split_text(best)
        if rule in ACCEPT[key]:
            changed = text_of(rule, {**given, key: word})
            logs[changed] = log_cost(changed)
            best = min(best, changed, key=logs.__getitem__)
    return best, {text: math.exp(log - logs["fair"]) for text, log in logs.items()}
