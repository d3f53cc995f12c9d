"""Published figures of real fleets, which generated ones are held against.

Source: hourly aggregates of the public Redset trace (van Renen et al., "Why TPC Is Not Enough: An
Analysis of the Amazon Redshift Fleet", PVLDB 17(11), 2024), over the 107 provisioned instances
with at least 10,000 queries in 90 days. Snowset: Vuppalapati et al., "Building an Elastic Query
Engine on Disaggregated Storage", NSDI 2020. Patterns: van Renen and Leis, "Cloud Analytics
Benchmark", PVLDB 16(6), 2023.
"""

from __future__ import annotations

import numpy as np

PERCENTILES = (10, 25, 50, 75, 90)
"""Over the instances of a fleet; the figures below are in this order."""
QUERIES_PER_HOUR = (32.0, 121.0, 580.0, 2458.0, 4628.0)
HOURLY_CV = (0.28, 0.56, 1.07, 2.18, 3.69)
"""Standard deviation ÷ mean of the number of queries in an hour."""
PEAK_TO_MEAN = (2.3, 3.5, 9.5, 24.0, 74.0)
"""The busiest hour ÷ the mean one."""
MEAN_RUNTIME_S = (0.55, 2.2, 6.3, 18.3, 59.9)
MEAN_CONCURRENCY = (0.03, 0.35, 0.91, 4.3, 8.9)
"""Queries per second × mean runtime."""
AUTOCORRELATION = {1: 0.40, 24: 0.50, 168: 0.53}
"""Of the number of queries in an hour, by lag in hours; the median over instances."""
RATE_RUNTIME_CORRELATION = -0.3
"""Of the logarithms of rate and runtime: with independent ones, the percentiles of concurrency
would be farther apart than they are (the variance of a sum)."""
RATE_CV_CORRELATION = -0.5
"""Likewise of rate and hourly variation; assumed: the fleet's load by hour of the day is smooth
although few instances make most of it, so those vary less."""
TOP_TENTH_SHARE = 0.70
"""Share of all queries that the busiest tenth of the instances issue."""
TOP_TENTH_SD = 2.2
"""Slope of the logarithm of the rate, per standard deviation, beyond the 90th percentile: with it
the busiest tenth has that share."""
QUIET_SHARE, BUSY_SHARE = (0.030, 0.045), (0.055, 0.070)
"""Share of the queries in an hour of the day: in quiet ones, and from 14 to 18 UTC."""
HOUR_SHARES = (
    *(3.3, 3.2, 3.1, 3.1, 3.1, 3.2, 3.3, 3.4, 3.5, 3.6, 3.8, 4.1),
    *(4.5, 5.1, 5.7, 6.0, 6.1, 5.9, 5.5, 4.8, 4.3, 4.0, 3.8, 3.6),
)
"""Percent of the queries by hour of the day (UTC): a curve through those two ranges."""
SNOWSET_SHARES = {"read-only": 0.287, "write-only": 0.147, "read-write": 0.565}
"""Of all statements."""
PATTERN_WEIGHTS = {"sines": 10, "spikes": 17, "burst": 21, "breaks": 12, "on-off": 20}
"""Arrival patterns of the Cloud Analytics Benchmark and how many of its tenants have each."""

_KNOTS = (-1.2815515655446, -0.6744897501960817, 0.0, 0.6744897501960817, 1.2815515655446)
"""The percentiles of a normal distribution."""


def quantile(
    figures: tuple[float, ...], normal: np.ndarray, top_slope: float | None = None
) -> np.ndarray:
    """Values distributed as the percentiles say, from standard normal numbers.

    The logarithm is linear between the percentiles, and goes on with the slope of the last piece,
    or with ``top_slope`` above the 90th. Percentiles of a log-normal distribution lie on one line.
    """
    knots, logs = np.array(_KNOTS), np.log(figures)
    slopes = np.diff(logs) / np.diff(knots)
    top = slopes[-1] if top_slope is None else top_slope
    values = np.interp(normal, knots, logs)
    values += slopes[0] * np.minimum(normal - knots[0], 0.0)
    values += top * np.maximum(normal - knots[-1], 0.0)
    result: np.ndarray = np.exp(values)
    return result
