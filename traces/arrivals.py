"""When queries arrive: a Poisson stream or a batch over the plans of a trace."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from traces.errors import TraceError
from traces.model import MAX_TIME_US, Plan, Query, Trace

SIZE_SD = 0.25
"""Standard deviation of the logarithm of the visible size factor (rule R10)."""
TIME_SD = 0.3
"""Likewise for the hidden time factor."""


def poisson_arrivals(
    trace: Trace,
    num_queries: int,
    *,
    seed: int,
    interval_us: float | None = None,
    load: float | None = None,
    num_executors: int | None = None,
    scale: float = 1.0,
    size_sd: float = SIZE_SD,
    time_sd: float = TIME_SD,
) -> Trace:
    """Queries over the plans of ``trace``, drawn uniformly, with exponential gaps between them.

    Give either the mean gap ``interval_us``, or the offered ``load`` (arrival rate × mean work ÷
    executors) together with ``num_executors``. ``scale`` multiplies every size factor.

    Raises:
        TraceError: a parameter is out of range, or neither or both of the rates are given.
    """
    if (interval_us is None) == (load is None):
        raise TraceError("give either an interval or a load")
    if load is not None:
        if num_executors is None or num_executors < 1:
            raise TraceError(f"a load needs num_executors of at least 1, got {num_executors}")
        if not 0 < load <= 100:
            raise TraceError(f"load is {load}, expected more than 0 and at most 100")
        interval_us = mean_work_us(trace.plans, scale) / (load * num_executors)
    assert interval_us is not None
    if not 0 < interval_us <= MAX_TIME_US:
        raise TraceError(
            f"interval is {interval_us} µs, expected more than 0 and at most {MAX_TIME_US:g}"
        )
    draws = _Draws(trace, num_queries, seed, scale, size_sd, time_sd)
    gaps = draws.generator.exponential(interval_us, num_queries)
    gaps[0] = 0.0
    return draws.trace(np.cumsum(gaps).round().astype(np.int64))


def batch_arrivals(
    trace: Trace,
    num_queries: int,
    *,
    seed: int,
    scale: float = 1.0,
    size_sd: float = SIZE_SD,
    time_sd: float = TIME_SD,
) -> Trace:
    """Queries over the plans of ``trace``, all submitted at time 0.

    Raises:
        TraceError: a parameter is out of range.
    """
    draws = _Draws(trace, num_queries, seed, scale, size_sd, time_sd)
    return draws.trace(np.zeros(num_queries, np.int64))


def mean_work_us(plans: tuple[Plan, ...], scale: float = 1.0) -> float:
    """Mean work of a query drawn uniformly from ``plans``, µs.

    Both instance factors are log-normal with mean 1, so they leave it as it is.
    """
    return math.fsum(plan.work_at(scale) for plan in plans) / len(plans)


class _Draws:
    """What every arrival pattern draws: plans and factors, from one seeded generator."""

    def __init__(
        self,
        trace: Trace,
        num_queries: int,
        seed: int,
        scale: float,
        size_sd: float,
        time_sd: float,
    ) -> None:
        if num_queries < 1:
            raise TraceError(f"num_queries is {num_queries}, expected at least 1")
        if not 1e-3 <= scale <= 1e5:
            raise TraceError(f"scale is {scale}, expected 0.001 to 100000")
        for name, value in (("size_sd", size_sd), ("time_sd", time_sd)):
            if not 0 <= value <= 2:
                raise TraceError(f"{name} is {value}, expected 0 to 2")
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise TraceError(f"seed is {seed!r}, expected a whole number from 0")
        self._trace = trace
        self.generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
        self._plans = self.generator.integers(len(trace.plans), size=num_queries)
        self._sizes = scale * self._lognormal(size_sd, num_queries)
        self._times = self._lognormal(time_sd, num_queries)

    def _lognormal(self, sd: float, count: int) -> np.ndarray:
        return self.generator.lognormal(-sd * sd / 2, sd, count).round(4).clip(1e-4)

    def trace(self, arrivals_us: np.ndarray) -> Trace:
        drawn = zip(self._plans, arrivals_us, self._sizes, self._times, strict=True)
        try:
            queries = tuple(
                Query(
                    query_id=index,
                    plan=self._trace.plans[plan].name,
                    arrival_us=int(arrival),
                    size_factor=float(size),
                    time_factor=float(time),
                )
                for index, (plan, arrival, size, time) in enumerate(drawn)
            )
        except ValueError as error:
            raise TraceError(f"a query drawn for trace {self._trace.name!r}: {error}") from None
        return msgspec.structs.replace(self._trace, queries=queries)
