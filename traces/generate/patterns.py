"""The five arrival patterns of the Cloud Analytics Benchmark.

Source: van Renen and Leis, PVLDB 16(6), 2023, and the generator published with it, which gives the
patterns' weights and how long and how high their parts are. There a pattern covers the whole
benchmark; here it covers a day, drawn anew for each, or the trace where that is shorter.
"""

from __future__ import annotations

import math

import numpy as np

from traces.generate.calibration import PATTERN_WEIGHTS
from traces.generate.checks import check_number, check_word
from traces.generate.span import Span, spread
from traces.generate.tenants import Arrivals, Statements
from traces.units import DAY_US, HOUR_US

SLOTS = 288
"""Pieces of a pattern with a rate of their own: five minutes of a day."""


class Pattern(Statements, frozen=True, kw_only=True, tag="pattern"):
    """Tenants whose rate follows one of the patterns.

    Attributes:
        pattern: ``sines``, ``spikes``, ``burst``, ``breaks``, ``on-off``, or ``fleet``: each
            tenant draws one, by how frequent they are.
        per_hour: mean rate over a day whose weekday has the factor 1.
    """

    pattern: str = "fleet"
    per_hour: float = 20.0

    def check(self) -> None:
        """Raise ValueError, beginning with the field, where a value of this class is wrong."""
        super().check()
        check_word("pattern", self.pattern, ("fleet", *PATTERN_WEIGHTS))
        check_number("per_hour", self.per_hour, 0.0, 1e6)

    def expected(self, span: Span) -> float:
        """Queries of one tenant in a span, in the mean and about."""
        factors = [factor for _, factor in span.days(self.weekdays, self.growth)]
        return self.per_hour * float((np.array(factors)[span.day] * span.hour_lengths).sum())

    def arrivals(self, span: Span, generator: np.random.Generator) -> Arrivals:
        """Draw the arrivals of one tenant."""
        kind = self.pattern
        if kind == "fleet":
            weights = np.array([*PATTERN_WEIGHTS.values()], float)
            kind = [*PATTERN_WEIGHTS][int(generator.choice(len(weights), p=weights / sum(weights)))]
        factors = np.array([factor for _, factor in span.days(self.weekdays, self.growth)])
        times = []
        for start_us in range(span.start_us, span.end_us, DAY_US):
            end_us = min(start_us + DAY_US, span.end_us)
            edge_us = np.linspace(start_us, end_us, SLOTS + 1)
            hours = (end_us - start_us) / HOUR_US
            rate = self.per_hour * shape(kind, hours, generator)
            rate *= factors[(edge_us[:-1] // DAY_US).astype(int)]
            times.append(spread(generator.poisson(rate * hours / SLOTS), edge_us, generator))
        return Arrivals(np.concatenate(times), None)


def shape(kind: str, hours: float, generator: np.random.Generator) -> np.ndarray:
    """Rates of the slots of one period, with a mean of 1."""
    place = (np.arange(SLOTS) + 0.5) / SLOTS
    if kind == "sines":
        rates = 0.2 + generator.random(SLOTS)
        for _ in range(8):
            centre, width = generator.uniform(0.2, 0.8), generator.uniform(0.05, 0.1)
            distance = np.abs(place - centre) / width
            rates += np.where(distance < 0.5, 0.5 * np.cos(math.pi * distance), 0.0)
    elif kind == "spikes":
        rates = np.zeros(SLOTS)
        for _ in range(1 + round(min(generator.exponential(4.0), 20.0))):
            length = generator.uniform(0.0, 0.1)
            rates += _walk(place, generator.uniform(0.1, 0.9 - length), length, generator)
    elif kind == "burst":
        length = generator.uniform(0.15, 0.25)
        rates = _walk(place, generator.uniform(0.1, 0.9 - length), length, generator)
    elif kind == "breaks":
        rates = np.ones(SLOTS)
        for level in (1.5, 1.5, 1.5, -math.inf):
            start, length = generator.random(), generator.uniform(0.05, 0.2)
            if generator.random() < 0.5:
                rates += np.where((place - start) % 1.0 < length, level, 0.0)
    else:
        base = 2.0 * generator.integers(2)
        height, is_on = generator.uniform(1.0, 7.0), generator.uniform(0.4, 0.6)
        rates = base + np.where((place * max(round(hours), 1)) % 1.0 < is_on, height, 0.0)
    rates = rates.clip(0.0)
    normalised: np.ndarray = rates / rates.mean()
    return normalised


def _walk(
    place: np.ndarray, start: float, length: float, generator: np.random.Generator
) -> np.ndarray:
    """A piece whose height walks at random between 0.1 and 1, and 0 elsewhere."""
    steps = 0.1 * np.cumsum(generator.choice((-1.0, 1.0), SLOTS))
    folded = np.abs((generator.random() + steps) % 2.0 - 1.0)  # reflected at 0 and 1
    is_in = (place >= start) & (place < start + max(length, 1.0 / SLOTS))
    return np.where(is_in, 0.1 + 0.9 * folded, 0.0)
