"""What a policy is made of, apart from its weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from lsched.learn.features import OPERATOR_FEATURES, QUERY_FEATURES, SIMULATION_FEATURES
from sim.schedulers.pipelining import WHOLE

Encoder = Literal["tree", "gcn"]
Observed = Literal["all", "decima", "no-history"]
Head = Literal["degree", "limit", "stop", "hold"]
HEADS: tuple[Head, ...] = ("degree", "limit", "stop", "hold")

DEGREES = (1, 2, 3, WHOLE)
"""Pipeline degrees to choose from; ``WHOLE``: the whole pipeline."""
FACTORS = (0.25, 0.4, 0.55, 0.75, 1.0, 1.35, 1.8, 2.5, 4.0)
"""Of the rule's limit, to choose from."""
FRACTIONS = (0.0, 0.03, 0.06, 0.1, 0.15, 0.25, 0.4, 0.65, 1.0)
"""Of all executors, to choose from where there is no rule; at least one executor."""


@dataclass(frozen=True)
class PolicyConfig:
    """A policy's parts.

    Attributes:
        rule: the scheduler whose schedule the network corrects; empty: it schedules alone.
        encoder: of the graph, see ``encoders``.
        width: of embeddings.
        observed: features that it sees; ``decima``: the five of that paper.
        heads: decisions that it makes besides the order of execution roots; others are the rule's,
            or, without one, all executors, no pipelining, no holds.
        strength: multiplies the rule's logits. Drawn actions stray from the rule less if it is
            large, the most probable ones change sooner if it is small.
    """

    rule: str = "priced"
    encoder: Encoder = "tree"
    width: int = 16
    observed: Observed = "all"
    heads: tuple[Head, ...] = HEADS
    strength: float = 1.0

    def without(self, head: Head) -> PolicyConfig:
        """The same policy without one head."""
        return replace(self, heads=tuple(each for each in self.heads if each != head))


DECIMA = PolicyConfig(rule="", encoder="gcn", observed="decima", heads=("limit",))
"""Decima's agent. Source: Mao et al., SIGCOMM 2019, section 5."""

_DECIMA_FEATURES = {
    "operators": {"unclaimed", "observed_work_order"},
    "queries": {"executors", "local_free"},
    "simulations": {"free"},
}
"""Tasks remaining, their mean time, executors of the job, whether some are local, free ones."""


def feature_mask(observed: Observed, group: str) -> list[bool]:
    """Which columns of a group's features a policy sees."""
    features = {
        "operators": OPERATOR_FEATURES,
        "queries": QUERY_FEATURES,
        "simulations": SIMULATION_FEATURES,
    }[group]
    if observed == "decima":
        return [feature.name in _DECIMA_FEATURES[group] for feature in features]
    if observed == "no-history":
        names = [feature.name for feature in features]
        return ["history" not in name and "past" not in name for name in names]
    return [True] * len(features)
