"""Paired differences between schedulers, with confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio and its confidence interval.

    ``low`` and ``high`` are None with one seed; ``value`` is NaN with none.
    """

    value: float
    low: float | None = None
    high: float | None = None


def paired_ratio(values: Sequence[float], references: Sequence[float]) -> Ratio:
    """Geometric mean of value ÷ reference over seeds, with a 95 % confidence interval.

    Both sequences are in the order of the same seeds, so each pair met the same arrivals and luck.
    The logarithms of the ratios are taken as normal: their mean ± Student's t × standard error,
    then the exponential.
    """
    logs = np.log(np.asarray(values, float) / np.asarray(references, float))
    mean, low, high = mean_interval(logs)
    if low is None or high is None:
        return Ratio(float(np.exp(mean)))
    return Ratio(float(np.exp(mean)), float(np.exp(low)), float(np.exp(high)))


def mean_interval(
    values: Sequence[float] | np.ndarray,
) -> tuple[float, float | None, float | None]:
    """Mean over seeds and the ends of its 95 % confidence interval (Student's t)."""
    sample = np.asarray(values, float)
    mean = float(sample.mean())
    if len(sample) < 2:
        return mean, None, None
    from scipy.stats import t  # slow to import

    half = t.ppf((1 + CONFIDENCE) / 2, len(sample) - 1) * sample.std(ddof=1) / np.sqrt(len(sample))
    return mean, float(mean - half), float(mean + half)
