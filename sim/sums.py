"""Sums of floating-point numbers that both engines compute alike."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable


def ordered_sum(values: Iterable[float]) -> float:
    """The sum from left to right, each step rounded, as a loop in compiled code adds.

    Not ``sum``, which compensates rounding errors from Python 3.12 on, nor ``math.fsum``, which is
    exact: neither is worth its copy in compiled code.
    """
    return functools.reduce(operator.add, values, 0.0)
