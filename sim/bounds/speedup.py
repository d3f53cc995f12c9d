"""How much faster a query runs with n executors than with one, at most (Gunther's law)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

ROUNDING_US = 0.5
"""By so much rounding may make a work order shorter than its time."""
SAFETY = 1.0 - 1e-9
"""What follows from sums of floating-point numbers is lowered by this factor."""


class Speedup(NamedTuple):
    """The most work that a query gets done per unit of time, by the executors that it holds.

    A work order's duration is fixed at its start: base time × f(n) or more, where n executors then
    worked for the query and f(n) = 1 + σ(n − 1) + κ n(n − 1) (R9). Of n executors at work at a
    moment, order them by when they began what they run: the k-th began while at least k worked. So
    they get at most s(n) = Σ_{k ≤ n} 1 ÷ f(k) done per unit of time, and s is concave.

    Source: Gunther, "Guerrilla Capacity Planning" (2007), chapter 4, for f.

    Attributes:
        rates: 1 ÷ f(k) for k = 1, …, num_executors; they do not increase.
        total: s(num_executors).
        is_linear: whether all rates are 1.
    """

    rates: tuple[float, ...]
    total: float
    is_linear: bool

    def least_us(self, work_us: int, num_work_orders: int) -> int:
        """Least time of all executors together for so much base work, rounded up to whole µs.

        f = 1 is always valid. Otherwise each work order counts half a microsecond less than its
        base time b: rounded, it takes at least f·b − ½ ≥ f·(b − ½).
        """
        linear = -(-work_us // len(self.rates))
        if self.is_linear:
            return linear
        credit_us = work_us - ROUNDING_US * num_work_orders
        return max(linear, math.ceil(credit_us / self.total * SAFETY))


@lru_cache(maxsize=1024)
def speedup_of(contention: float, coherency: float, num_executors: int) -> Speedup:
    """The speedup of work orders with contention σ and coherency κ on up to so many executors."""
    counts = range(1, num_executors + 1)
    rates = tuple(1.0 / (1.0 + contention * (n - 1) + coherency * n * (n - 1)) for n in counts)
    return Speedup(rates, sum(rates), contention == coherency == 0)


@lru_cache(maxsize=1024)
def speedups_of(
    contention: tuple[float, ...],
    has_waves: tuple[bool, ...],
    coherency: float,
    num_executors: int,
) -> tuple[tuple[Speedup, ...], Speedup]:
    """The speedup of each operator of a plan, and of all of them together: the best of them.

    Recorded profiles hold their overheads already, so their operators speed up linearly.
    """
    each = tuple(
        speedup_of(0.0, 0.0, num_executors)
        if waves
        else speedup_of(sigma, coherency, num_executors)
        for sigma, waves in zip(contention, has_waves, strict=True)
    )
    return each, max(each, key=lambda speedup: speedup.total)
