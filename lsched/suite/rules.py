"""The rules that a learned policy has to beat: what is tried of each, and how that is refined."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lsched.specs import grid_specs, text_of
from lsched.suite.cases import SuiteCase
from lsched.tune import Grid
from sim import make_scheduler
from sim.registry import scheduler_class, split_text
from sim.schedulers.compiled_rule import compiled_rule_of

SIZES = ("estimate", "history", "observed")
FEW_SIZES = ("estimate", "history")
SPARE = ("share", "idle")
MEMORY = ("ignore", "gate")
FIRST: dict[str, Sequence[object]] = {"operators": ("shortest",)}
"""Mostly better by far; the other way is tried when the best are refined."""

COARSE: Mapping[str, tuple[Grid, ...]] = {
    "fair": ({"spare": SPARE}, {"spare": ("idle",), "held": ("keep",)}),
    "srpt": (
        {"size": SIZES, **FIRST},
        {"size": SIZES, "share": (0.5, 1.0, 1.5, 2.0, 3.0, 5.0), "spare": SPARE, **FIRST},
        {"size": SIZES, "cap": (0.02, 0.1, 0.25, 0.5), "spare": SPARE, **FIRST},
    ),
    "priced": (
        {"size": SIZES, "weight": (0.1, 0.3, 0.84, 2.0), "slowdown": (0.0, 0.005, 0.0165, 0.05)},
    ),
    "hesrpt": ({"p": (0.3, 0.6, 0.8), "size": SIZES, "spare": SPARE, **FIRST},),
    # Asked in Python, a hundred times as slow.
    "weighted-fair": ({"alpha": (-0.7, -1.5), "size": FEW_SIZES, **FIRST},),
    "critical-path": ({"size": FEW_SIZES},),
    "slots": ({"slots": (3, 8)},),
    "stride": ({"quantum_us": (200_000,)},),
}
"""What is tried first; with scarce memory, but for whole days, each also with ``memory=gate``."""
NOT_FOR_DAYS = ("stride", "slots", "critical-path")
"""Hours for a day: asked in Python, once for each quantum or with thousands of queries waiting."""
RESERVE: Grid = {"reserve": (0.04, 0.08, 0.15, 0.3), "short": (0.4, 0.6, 0.8, 0.9)}
"""What is tried of ``reserve``, on top of the best of ``srpt``, which it is with a reserve of 0."""


@dataclass(frozen=True, slots=True)
class Number:
    """How a parameter is refined: multiplied and divided by a step.

    Attributes:
        low, high: least and most values.
        least: the smallest that differs from 0, where 0 is allowed, else None.
        is_whole: whether only whole numbers are.
    """

    low: float
    high: float
    least: float | None = None
    is_whole: bool = False

    def around(self, value: float, step: float) -> list[float]:
        """The next values below and above."""
        if value == 0.0:
            return [] if self.least is None else [self.least]
        near = []
        for factor in (1 / step, step):
            moved = value * factor
            if self.least is not None and 0.0 < moved < self.least:
                moved = 0.0
            moved = min(max(moved, self.low), self.high)
            moved = float(round(moved)) if self.is_whole else float(f"{moved:.3g}")
            if moved != value:
                near.append(moved)
        return near


NUMBERS: Mapping[str, Number] = {
    "alpha": Number(-8.0, 8.0),
    "share": Number(0.1, 32.0),
    "cap": Number(0.02, 1.0),
    "weight": Number(0.01, 50.0),
    "offset": Number(0.0, 50.0, least=0.3),
    "slowdown": Number(0.0, 1.0, least=0.002),
    "hold_moves": Number(0.0, 50.0, least=0.2),
    "p": Number(0.05, 0.97),
    "reserve": Number(0.0, 0.8, least=0.03),
    "short": Number(0.05, 0.98),
    "slots": Number(1, 100, is_whole=True),
    "lane": Number(0.0, 0.8, least=0.03),
    "quantum_us": Number(500, 10_000_000, is_whole=True),
    "decay": Number(0.3, 1.0),
}
WORDS: Mapping[str, tuple[str, ...]] = {
    "size": SIZES,
    "spare": SPARE,
    "memory": MEMORY,
    "pipeline": ("always", "never", "best"),
    "operators": ("plan", "shortest"),
}


def coarse(case: SuiteCase) -> list[str]:
    """The texts that are tried first on a case."""
    return [
        text
        for rule, grids in COARSE.items()
        if rule not in NOT_FOR_DAYS or not case.arrivals.has_own_times
        for grid in grids
        for text in grid_specs(rule, _gated(grid, case))
    ]


def reserves(srpt: str) -> list[str]:
    """What is tried of ``reserve`` on top of a text of ``srpt``."""
    kept = {key: value for key, value in split_text(srpt)[1].items() if key != "spare"}
    return list(grid_specs(text_of("reserve", kept), RESERVE))


def is_on_estimates(text: str) -> bool:
    """Whether a rule knows nothing but the optimizer's estimates: no history, no observation."""
    return split_text(text)[1].get("size", "estimate") == "estimate"


def neighbours(text: str, case: SuiteCase, step: float) -> Iterator[str]:
    """The texts that differ in one parameter, by a step.

    What knows only estimates stays so.
    """
    rule, given = split_text(text)
    for key, value in {**_defaults(rule), **given}.items():
        if key in NUMBERS and value != "none":
            for number in NUMBERS[key].around(float(value), step):
                yield text_of(rule, {**given, key: f"{number:g}"})
        elif key in WORDS and not (key == "memory" and not _tries_admission(case)):
            for word in WORDS[key]:
                if word != value and not (key == "size" and is_on_estimates(text)):
                    changed = text_of(rule, {**given, key: word})
                    if is_on_estimates(changed) == is_on_estimates(text):
                        yield changed


def is_compiled(text: str) -> bool:
    """Whether the fast engine decides by itself, about a hundred times as fast."""
    return compiled_rule_of(make_scheduler(text)) is not None


def _gated(grid: Grid, case: SuiteCase) -> Grid:
    return {**grid, "memory": MEMORY} if _tries_admission(case) else grid


def _tries_admission(case: SuiteCase) -> bool:
    """Not for whole days: a gate that trusts estimates holds up thousands of queries there."""
    return case.is_scarce and not case.arrivals.has_own_times


def _defaults(rule: str) -> dict[str, str]:
    """Every parameter of a rule, with the value that it has where it is not given."""
    parameters = inspect.signature(scheduler_class(rule)).parameters.values()
    return {
        parameter.name: "none" if parameter.default is None else _word(parameter.default)
        for parameter in parameters
    }


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) and math.isfinite(value) else str(value)
