"""The rule that a policy corrects, as numbers that compiled code reads."""

from __future__ import annotations

import numpy as np

from lsched.learn.config import NO_RULE
from sim import make_scheduler
from sim.schedulers.compiled_rule import CompiledRule, compiled_rule_of
from sim.schedulers.pipelining import WHOLE

KINDS = ("fifo", "fair", "srpt", "hesrpt", "priced")
"""Rules that can be corrected."""
BY_ARRIVAL, BY_WORK, BY_PRICE = range(3)
"""What puts queries in order and limits them: arrival and a limit; remaining work and a limit;
remaining work and the price of executors, as in ``priced``."""
ORDERS = {"srpt": BY_WORK, "hesrpt": BY_WORK, "priced": BY_PRICE}
SIZES = ("estimate", "observed", "history")

BEST_DEGREE = 0
"""``DEGREE`` where a cost model chooses it for each pipeline."""
(
    ORDER,
    SIZE,
    IS_GATED,
    DEGREE,
    IS_SPARE_SHARED,
    CAP,
    SHARE,
    WEIGHT,
    OFFSET,
    SLOWDOWN,
    HOLD_MOVES,
    IS_SHORTEST_FIRST,
    HAS_SHARES,
    P,
) = range(14)
"""Places in a rule's numbers. ``CAP`` and ``SHARE``: as in ``QueryLimit``, 0 for none.
``HAS_SHARES``: limits are those of ``hesrpt``, with ``P``."""


def rule_numbers(text: str) -> np.ndarray:
    """A rule's numbers.

    Args:
        text: a scheduler with parameters, or ``none``.

    Shapes:
        returns (14,), float64

    Raises:
        ValueError: it is not a rule that can be corrected.
    """
    numbers = np.zeros(P + 1)
    if text == NO_RULE:
        numbers[DEGREE] = 1
        return numbers
    rule = compiled_rule_of(make_scheduler(text))
    if rule is None or rule.kind not in KINDS or rule.keeps:
        raise ValueError(
            f"rule is {text!r}, expected {NO_RULE}, or one of {', '.join(KINDS)}, without held=keep"
        )
    _fill(numbers, rule)
    return numbers


def _fill(numbers: np.ndarray, rule: CompiledRule) -> None:
    numbers[ORDER] = ORDERS.get(rule.kind, BY_ARRIVAL)
    numbers[SIZE] = SIZES.index(rule.size)
    numbers[IS_GATED] = rule.memory == "gate"
    numbers[DEGREE] = {"always": WHOLE, "never": 1, "best": BEST_DEGREE}[rule.pipeline]
    numbers[IS_SPARE_SHARED] = rule.spare == "share"
    numbers[CAP], numbers[SHARE] = rule.cap or 0.0, rule.share or 0.0
    numbers[WEIGHT], numbers[OFFSET] = rule.weight, rule.offset
    numbers[SLOWDOWN], numbers[HOLD_MOVES] = rule.slowdown, rule.hold_moves
    numbers[IS_SHORTEST_FIRST] = rule.operators == "shortest"
    numbers[HAS_SHARES], numbers[P] = rule.kind == "hesrpt", rule.p
