"""Tenants drawn as the published figures of a real fleet say."""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist
from typing import Any

import numpy as np
from msgspec import Struct

from traces.generate.batch import Batch
from traces.generate.bursty import Adhoc, Bursty, Interactive
from traces.generate.calibration import (
    HOURLY_CV,
    MEAN_RUNTIME_S,
    QUERIES_PER_HOUR,
    RATE_CV_CORRELATION,
    RATE_RUNTIME_CORRELATION,
    TOP_TENTH_SD,
    quantile,
)
from traces.generate.catalogue import Catalogue
from traces.generate.checks import check_number
from traces.generate.dashboard import Dashboard
from traces.generate.span import Span, hour_weights
from traces.generate.tenants import MAX_COUNT, MAX_QUERIES, MAX_SIZE, MIN_SIZE, Tenants
from traces.units import US_PER_S

KEY = 3
"""Keeps these random numbers apart from those of tenants."""
STEPS = (math.sqrt(5) / 2 + 0.5, math.sqrt(2), math.sqrt(3), math.sqrt(7))
"""Multiples of such numbers, without their whole part, fill the unit cube evenly (Kronecker)."""
SMOOTH_CV = 1.3
"""What dashboards (active for part of the day) vary less than, and loads (at some hours) more."""
CLASSES: dict[tuple[bool, bool], dict[str, float]] = {
    (True, False): {"dashboard": 0.50, "interactive": 0.25, "adhoc": 0.25},
    (True, True): {"interactive": 0.25, "adhoc": 0.75},
    (False, False): {"adhoc": 1.0},
    (False, True): {"batch": 0.70, "adhoc": 0.30},
}
"""Shares of the classes by whether a tenant is smooth and its queries run longer than the median
tenant's. In all, about 15 % of the tenants are loads and 28 % dashboards and sessions, as 14.7 % of
Snowset's statements only write and 28.7 % only read; the rest mixes both, here ad hoc."""
PERIODS_S = (10.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 14_400.0, 86_400.0)
MIN_PANELS = 4
"""Periods are chosen so that a dashboard has at least as many panels, so that its rate is met."""
MAX_JOBS = 500
"""Of a run; loads at higher rates run several times an hour."""
OFFICE_CV = 1.0
"""What sessions vary more than if people work in office hours."""
SAMPLE_EXCESS = 0.15
"""How much more the variance of the factor's logarithm has to be, per unit of it, for months of
hours to vary as wanted: few of them, or none, are from a log-normal distribution's far tail."""
SESSION_QUERIES = 8.0
STEPS_TO_QUERIES = 3
"""Corrections of the rates: not every hour of a day or of a tenant is like the mean one."""
SIZE_SD = 1.0


class Fleet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fleet of tenants as Redset has them.

    Each tenant's mean rate, how its hourly count varies, and the mean work of its queries (one
    executor-second for each second of published runtime) are drawn from the published percentiles,
    evenly rather than at random, so that a small fleet has them too; then its class.

    Attributes:
        tenants: how many.
        queries: about how many queries all tenants send in the trace: all rates are multiplied
            by one number. If not given, rates are as published, hundreds to thousands an hour
            for each tenant.
        plans: which plans their templates may have.
        work_orders: about as many work orders a query has at most.
        repetition: probability that a query of an ad hoc or interactive tenant repeats a template.
    """

    tenants: int
    queries: float | None = None
    plans: tuple[str, ...] = ("*",)
    work_orders: int = 300
    repetition: float = 0.8

    def __post_init__(self) -> None:
        check_number("tenants", self.tenants, 1, MAX_COUNT)
        if self.queries is not None:
            check_number("queries", self.queries, 1, MAX_QUERIES)
        check_number("work_orders", self.work_orders, 1, 1_000_000)
        check_number("repetition", self.repetition, 0.0, 1.0)
        if not self.plans:
            raise ValueError("plans is empty, expected at least one pattern such as 'q*'")

    def names(self) -> list[str]:
        """The names of the tenants."""
        return [f"fleet-{number}" for number in range(1, self.tenants + 1)]

    def draw(self, seed: int, span: Span, catalogue: Catalogue) -> list[Tenants]:
        """The tenants, for a trace. A larger fleet begins with the same ones, but for the rates.

        Raises:
            ValueError: a pattern matches no plan.
        """
        places = catalogue.matching(self.plans, "any")
        mean_work_us = float(catalogue.work_us[places].sum(axis=1).mean())
        shift = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY,))).random(4)
        number = np.arange(1, self.tenants + 1)[:, None]
        even = (shift + number * np.array(STEPS)) % 1.0
        normal = np.vectorize(NormalDist().inv_cdf)(even[:, :3].clip(1e-3, 1 - 1e-3))
        variations = quantile(
            HOURLY_CV, _correlated(normal[:, 0], normal[:, 1], RATE_CV_CORRELATION)
        )
        runtime_normal = _correlated(normal[:, 0], normal[:, 2], RATE_RUNTIME_CORRELATION)
        sizes = quantile(MEAN_RUNTIME_S, runtime_normal) * US_PER_S / mean_work_us
        sizes = (sizes * math.exp(-SIZE_SD * SIZE_SD / 2)).clip(MIN_SIZE, MAX_SIZE)
        kinds = map(_kind, variations, runtime_normal > 0, even[:, 3])
        drawn = [*zip(self.names(), kinds, variations.tolist(), sizes.tolist(), strict=True)]
        rates = quantile(QUERIES_PER_HOUR, normal[:, 0], TOP_TENTH_SD)
        if self.queries is not None:
            rates *= self.queries / (span.hours * rates.sum())
            for _ in range(STEPS_TO_QUERIES):
                tenants = self._at_rates(seed, drawn, rates)
                expected = sum(one.expected(span) for one in tenants)
                rates *= min(max(self.queries / max(expected, 1.0), 0.1), 10.0)
        return self._at_rates(seed, drawn, rates)

    def _at_rates(
        self, seed: int, drawn: list[tuple[str, str, float, float]], rates: np.ndarray
    ) -> list[Tenants]:
        """Tenants by name, class, variation and size, with these rates."""
        tenants: list[Tenants] = []
        for index, (name, kind, variation, size) in enumerate(drawn):
            rate = float(rates[index])
            key = np.random.SeedSequence(seed, spawn_key=(KEY, index + 1))
            common = {
                "name": name,
                "plans": self.plans,
                "prefer": "any",
                "work_orders": self.work_orders,
                "size": size,
                "size_sd": SIZE_SD,
            }
            if kind == "dashboard":
                tenants.append(_dashboard(rate, variation, np.random.default_rng(key), common))
            elif kind == "batch":
                tenants.append(_batch(rate, variation, np.random.default_rng(key), common))
            else:
                common["repetition"] = self.repetition
                tenants.append(_bursty(kind, rate, variation, common))
        return tenants


def _correlated(first: np.ndarray, second: np.ndarray, correlation: float) -> np.ndarray:
    """Standard normal numbers made of independent ones, correlated with the first."""
    return correlation * first + math.sqrt(1 - correlation * correlation) * second


def _kind(variation: float, is_long: bool, drawn: float) -> str:
    """The class of a tenant, ``drawn`` being uniform from 0 to 1."""
    shares = CLASSES[variation < SMOOTH_CV, is_long]
    bounds = itertools.accumulate(shares.values())
    return next(kind for kind, bound in zip(shares, bounds, strict=True) if drawn < bound)


def _dashboard(
    rate: float, variation: float, generator: np.random.Generator, common: dict[str, Any]
) -> Dashboard:
    """Active for as many hours as give the variation: hours / 24 = 1 / (1 + variation²)."""
    active = min(max(round(24 / (1 + variation * variation)), 1), 24)
    centre = 16 + 3 * generator.standard_normal()  # the busiest hour of the fleet
    start = round(centre - active / 2) % 24
    per_second = rate / 3600 * 24 / active
    period = next((p for p in PERIODS_S if per_second * p >= MIN_PANELS), PERIODS_S[-1])
    return Dashboard(
        **common,
        panels=max(round(per_second * period), 1),
        period_s=period,
        active_hours=(float(start), float((start + active) % 24)) if active < 24 else (0.0, 24.0),
    )


def _batch(
    rate: float, variation: float, generator: np.random.Generator, common: dict[str, Any]
) -> Batch:
    """At as many hours of the day as give the variation, each filled with runs."""
    active = min(max(round(24 / (1 + variation * variation)), 1), 24)
    per_hour = rate * 24 / active
    runs = math.ceil(per_hour / MAX_JOBS)
    hours = np.sort(generator.permutation(24)[:active])
    starts = (hours[:, None] + np.arange(runs) / runs).ravel()
    jobs = max(round(per_hour / runs), 1)
    return Batch(
        **common,
        jobs=jobs,
        at_hours=tuple(float(hour) for hour in starts.round(4)),
        gap_s=round(3000 / runs / jobs, 3),
    )


def _bursty(kind: str, rate: float, variation: float, common: dict[str, Any]) -> Bursty:
    """With the factor that, on top of the profile and of chance, gives the variation."""
    profile = "office" if kind == "interactive" and variation > OFFICE_CV else "fleet"
    of_profile = 1 + float(hour_weights(profile).var())
    of_factor = (1 + variation * variation - 1 / max(rate, 1.0)) / of_profile
    variance = math.log(max(of_factor, 1.0))
    burstiness = min(math.sqrt(variance * (1 + SAMPLE_EXCESS * variance)), 3.0)
    common |= {"profile": profile, "burstiness": burstiness}
    if kind == "adhoc":
        return Adhoc(**common, per_hour=rate)
    return Interactive(
        **common, sessions_per_hour=rate / SESSION_QUERIES, session_queries=SESSION_QUERIES
    )
