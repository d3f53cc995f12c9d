"""A policy's card: what it is, what it was trained on and how well it did, as JSON."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TypeVar, get_args

import msgspec

from lsched import __version__
from lsched.errors import CheckpointError
from lsched.learn import features
from lsched.learn.config import HEADS, NO_RULE, Encoder, Observed, PolicyConfig
from lsched.learn.costs import plans
from lsched.learn.rule import KINDS, rule_numbers
from sim import UnknownScheduler
from sim.registry import split_text
from traces.errors import did_you_mean

T = TypeVar("T")

FORMAT = 1
"""Of cards; to be raised when readers of the last one would misunderstand the new one."""
MAX_WIDTH = 256
ALLOWED = {
    "$.policy.encoder": get_args(Encoder),
    "$.policy.observed": get_args(Observed),
    "$.policy.heads": HEADS,
}
"""What may be in the fields of a card that name something."""


@dataclass(frozen=True)
class Training:
    """How a policy came about.

    Attributes:
        trace, cluster, arrivals, seeds: what it was trained on, as on the command line.
        command: what trains it again.
        training_s: wall-clock seconds.
        date: of its end, year-month-day.
        validation: figures on queries that it was not trained on, by name.
    """

    trace: str
    cluster: str
    arrivals: str
    seeds: str
    command: str
    training_s: float
    date: str
    validation: dict[str, float]


def feature_digest() -> str:
    """Changes whenever a feature is added, removed, moved or renamed."""
    text = repr(
        [(group, *feature) for group, table in features.TABLES.items() for feature in table]
        + [("plans", *plans.FEATURES)]
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Card:
    """What is written beside a policy's weights.

    Attributes:
        policy: its parts.
        training: how it came about.
        weights_sha256: of the file of its weights, so that files of two policies are not mixed up.
        features, feature_digest: the feature table that it was trained with.
        lsched: version that trained it.
        format: of the card.
    """

    policy: PolicyConfig
    training: Training
    weights_sha256: str
    features: int = features.VERSION
    feature_digest: str = field(default_factory=feature_digest)
    lsched: str = __version__
    format: int = FORMAT


@dataclass(frozen=True)
class _Versions:
    """The part of a card that says whether the rest can be understood."""

    format: int
    features: int
    feature_digest: str
    lsched: str


def encoded(card: Card) -> bytes:
    """The card as JSON, to be read by people too.

    Raises:
        ValueError: a number is not finite.
    """
    numbers = {"training_s": card.training.training_s, **card.training.validation}
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} of a policy's card is {value}, expected a finite number")
    return msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n"


def decoded(data: bytes) -> Card:
    """The card in JSON, if this version of lsched can use what it describes.

    Raises:
        CheckpointError: it cannot, or this is no card.
    """
    _check_versions(_decode(data, _Versions))
    card = _decode(data, Card)
    policy = card.policy
    if not 1 <= policy.width <= MAX_WIDTH:
        raise CheckpointError(f"width is {policy.width}, expected 1 to {MAX_WIDTH}")
    if not 0 <= policy.costs <= MAX_WIDTH:
        raise CheckpointError(f"costs is {policy.costs}, expected 0 to {MAX_WIDTH}")
    if len(set(policy.heads)) < len(policy.heads):
        raise CheckpointError(f"a head is there twice: {', '.join(policy.heads)}")
    _check_rule(policy.rule)
    return card


def _decode(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        allowed = next((ALLOWED[place] for place in ALLOWED if place in str(error)), ())
        hint = f"; expected {' or '.join(allowed)}" if allowed else ""
        raise CheckpointError(f"not a policy's card: {error}{hint}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CheckpointError(f"not JSON: {error}") from None


def _check_versions(found: _Versions) -> None:
    if found.format != FORMAT:
        raise CheckpointError(
            f"a card of format {found.format}, this lsched ({__version__}) reads {FORMAT}; use "
            f"lsched {found.lsched}"
        )
    if (found.features, found.feature_digest) != (features.VERSION, feature_digest()):
        own = f"{features.VERSION} ({feature_digest()})"
        raise CheckpointError(
            f"trained with feature table {found.features} ({found.feature_digest}), this lsched "
            f"({__version__}) has {own}; train it again, or use lsched {found.lsched}"
        )


def _check_rule(text: str) -> None:
    """Only compiled rules: a name in a file must not lead to code that lsched does not bring."""
    try:
        name, _ = split_text(text)
        if name != NO_RULE and name not in KINDS:
            listing = ", ".join((*KINDS, NO_RULE))
            raise CheckpointError(
                f"rule is {text!r}, expected one of {listing}{did_you_mean(name, KINDS)}"
            )
        rule_numbers(text)
    except CheckpointError:
        raise
    except (UnknownScheduler, ValueError) as error:
        raise CheckpointError(f"rule is {text!r}: {error}") from None
