"""What a policy is made of, apart from its weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from lsched.learn.features import OPERATOR_FEATURES, QUERY_FEATURES, SIMULATION_FEATURES
from sim.schedulers.pipelining import WHOLE

Encoder = Literal["tree", "gcn"]
Observed = Literal["all", "decima", "no-history"]
Head = Literal["root", "wait", "degree", "parallelism", "hold", "admission"]
HEADS: tuple[Head, ...] = get_args(Head)

DEGREES = (1, 2, 3, WHOLE)
"""Pipeline degrees to choose from; ``WHOLE``: the whole pipeline."""
OPERATOR_OUTPUTS: dict[Head, tuple[int, ...]] = {
    "root": (0,),
    "wait": (1,),
    "degree": (2, 3, 4, 5),
    "parallelism": (6,),
}
QUERY_OUTPUTS: dict[Head, tuple[int, ...]] = {
    "root": (0,),
    "parallelism": (1, 4),
    "hold": (2,),
    "admission": (3,),
}
"""Which outputs of the network each head has, of operators and of queries; see ``Corrections``."""
NUM_OPERATOR_OUTPUTS, NUM_QUERY_OUTPUTS = 7, 5
NO_RULE = "none"


@dataclass(frozen=True)
class PolicyConfig:
    """A policy's parts.

    Attributes:
        rule: the scheduler that the network corrects: ``fifo``, ``fair``, ``srpt`` or ``priced``
            with parameters; ``none``: any query may take all executors, and only the network puts
            them in order.
        encoder: of the graph, see ``encoders``.
        width: of embeddings.
        observed: features that it sees; ``decima``: the five of that paper.
        heads: decisions that it corrects; others are the rule's.
        is_direct: whether features also lead straight to the outputs, by a linear map.
        costs: of the network that predicts what plans cost, its width; 0: there is none.
    """

    rule: str = "priced"
    encoder: Encoder = "tree"
    width: int = 8
    observed: Observed = "all"
    heads: tuple[Head, ...] = HEADS
    is_direct: bool = True
    costs: int = 0

    @property
    def reference(self) -> str:
        """What it is compared with in training: its rule, or fair share."""
        return "fair" if self.rule == NO_RULE else self.rule

    def without(self, head: Head) -> PolicyConfig:
        """The same policy without one head."""
        return replace(self, heads=tuple(each for each in self.heads if each != head))


DECIMA = PolicyConfig(
    rule=NO_RULE,
    encoder="gcn",
    observed="decima",
    heads=("root", "parallelism"),
    is_direct=False,
)
"""Decima's agent. Source: Mao et al., SIGCOMM 2019, section 5."""

_DECIMA_FEATURES = {
    "operators": {"unclaimed", "observed_work_order"},
    "queries": {"executors", "local_free"},
    "simulations": {"free"},
}
"""Tasks remaining, their mean time, executors of the job, whether some are local, free ones."""


def output_mask(config: PolicyConfig) -> tuple[list[bool], list[bool]]:
    """Which outputs of operators and of queries count."""
    operators = {at for head in config.heads for at in OPERATOR_OUTPUTS.get(head, ())}
    queries = {at for head in config.heads for at in QUERY_OUTPUTS.get(head, ())}
    return (
        [at in operators for at in range(NUM_OPERATOR_OUTPUTS)],
        [at in queries for at in range(NUM_QUERY_OUTPUTS)],
    )


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
        texts = [feature.name + feature.meaning for feature in features]
        return ["history" not in text and "past" not in text for text in texts]
    return [True] * len(features)
