"""Which rules the compiled engine can decide by itself: their parameters, as plain values.

A scheduler says so with a method ``compiled_rule``. The compiled rule must make the decisions of
the class's ``decide``, so a class that inherits one of the two and changes anything else has none.
It starts like an object that has not been asked before, whatever this one has seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from sim.schedulers.common import MemoryRule, OperatorRule, PipelineRule, Spare
from sim.view import Size

Kind = Literal["fifo", "fair", "srpt", "priced", "reserve", "hesrpt", "oracle-srpt"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule and its parameters, named as in its class.

    Attributes:
        kind: which rule.
        memory, pipeline, spare, size: see there.
        cap, share: the limit per query, see ``QueryLimit``.
        weight, offset, slowdown, hold_moves: see ``Priced``.
        reserve, short: see ``Reserve``.
        keeps: ``held=keep``, see ``Fair``.
        operators: see ``Listing``; by ``size``.
        p: see ``HeSrpt``.
    """

    kind: Kind
    memory: MemoryRule = "ignore"
    pipeline: PipelineRule = "always"
    spare: Spare = "idle"
    size: Size = "estimate"
    cap: float | None = None
    share: float | None = None
    weight: float = 0.0
    offset: float = 0.0
    slowdown: float = 0.0
    hold_moves: float = 0.0
    reserve: float = 0.0
    short: float = 0.0
    keeps: bool = False
    operators: OperatorRule = "plan"
    p: float = 0.0


def compiled_rule_of(policy: object) -> CompiledRule | None:
    """The compiled rule that decides as ``policy`` does; None if there is none.

    Only the class that defines both ``decide`` and ``compiled_rule`` has one: not a subclass, nor
    an object with a ``decide`` of its own.
    """
    own = vars(type(policy))
    is_changed = "decide" in getattr(policy, "__dict__", {})
    if is_changed or "decide" not in own or "compiled_rule" not in own:
        return None
    rule = policy.compiled_rule()  # type: ignore[attr-defined]
    return rule if isinstance(rule, CompiledRule) else None
