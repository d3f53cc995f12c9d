"""Distributions of service times with mean 1: constant, exponential, hyperexponential."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Service:
    """Time that a query needs alone on one executor, in units of its mean.

    Attributes:
        name: for tables.
        phases: (probability, mean) of each exponential distribution in the mixture; none: always 1.
    """

    name: str
    phases: tuple[tuple[float, float], ...] = ()

    @property
    def second_moment(self) -> float:
        """E[S²]."""
        return sum(2 * share * mean**2 for share, mean in self.phases) if self.phases else 1.0

    @property
    def squared_variation(self) -> float:
        """Variance ÷ mean²."""
        return self.second_moment - 1

    def draw(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Independent service times, shape (count,)."""
        if not self.phases:
            return np.ones(count)
        shares, means = zip(*self.phases, strict=True)
        return generator.exponential(np.array(means)[generator.choice(len(means), count, p=shares)])

    def survival(self, time: float) -> float:
        """P(S > time)."""
        if not self.phases:
            return float(time < 1)
        return sum(share * math.exp(-time / mean) for share, mean in self.phases)

    def density(self, time: float) -> float:
        """Density at ``time``; of a mixture of exponential distributions only."""
        return sum(share / mean * math.exp(-time / mean) for share, mean in self._mixture())

    def first_moment_below(self, time: float) -> float:
        """E[S; S ≤ time], likewise."""
        return sum(
            share * (mean - (time + mean) * math.exp(-time / mean))
            for share, mean in self._mixture()
        )

    def second_moment_below(self, time: float) -> float:
        """E[S²; S ≤ time], likewise."""
        return sum(
            share
            * (2 * mean**2 - (time**2 + 2 * mean * time + 2 * mean**2) * math.exp(-time / mean))
            for share, mean in self._mixture()
        )

    def _mixture(self) -> tuple[tuple[float, float], ...]:
        if not self.phases:
            raise ValueError(f"service {self.name!r} has no density")
        return self.phases


def hyperexponential(squared_variation: float) -> Service:
    """Two exponential phases that each bring half of the work ("balanced means").

    Raises:
        ValueError: the squared variation is not above 1.
    """
    if not squared_variation > 1:
        raise ValueError(f"squared_variation is {squared_variation}, expected more than 1")
    share = (1 + math.sqrt((squared_variation - 1) / (squared_variation + 1))) / 2
    phases = ((share, 0.5 / share), (1 - share, 0.5 / (1 - share)))
    return Service(f"hyperexponential, c²={squared_variation:g}", phases)


CONSTANT = Service("constant")
EXPONENTIAL = Service("exponential", ((1.0, 1.0),))
VARIABLE = hyperexponential(4.0)
"""Nine of ten queries are short, with a mean of 0.56; the tenth, with a mean of 4.4, is half of
the work."""
