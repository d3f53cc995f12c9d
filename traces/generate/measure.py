"""What a generated fleet is like, in the figures that are published of real ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from traces.generate.batch import Batch
from traces.generate.bursty import Adhoc, Interactive
from traces.generate.catalogue import Catalogue
from traces.generate.dashboard import Dashboard
from traces.generate.fleet import Fleet
from traces.generate.generator import tenant_generators
from traces.generate.span import Span
from traces.generate.tenants import Tenants
from traces.units import HOUR_US


class HourlyCounts(NamedTuple):
    """A tenant's queries in each hour, at its own rate or a lower one.

    Attributes:
        tenants: what it is like.
        per_hour: its mean rate.
        counts: of each hour.
    """

    tenants: Tenants
    per_hour: float
    counts: np.ndarray

    @property
    def variation(self) -> float:
        """Coefficient of variation of the count."""
        return float(self.counts.std() / self.counts.mean())

    @property
    def peak_to_mean(self) -> float:
        """The busiest hour ÷ the mean one."""
        return float(self.counts.max() / self.counts.mean())

    def autocorrelation(self, lag: int) -> float:
        """Correlation of the count with that ``lag`` hours later; NaN if it is constant."""
        centred = self.counts - self.counts.mean()
        variance = float((centred * centred).mean())
        if variance == 0.0:
            return float("nan")
        return float((centred[:-lag] * centred[lag:]).mean()) / variance


def hourly_counts(
    fleet: Fleet, days: int, seed: int, max_per_hour: float = 5000.0
) -> Iterator[HourlyCounts]:
    """Draw the arrivals of each tenant of a fleet.

    Tenants with a higher rate than ``max_per_hour`` are drawn at that rate: chance plays no part
    there, so that relative figures are the same.
    """
    span = Span("Monday", 24 * days)
    for tenants in fleet.draw(seed, span, Catalogue(("tpch",))):
        rate = tenants.expected(span) / span.hours
        slower = _slower(tenants, min(max_per_hour / rate, 1.0))
        arrivals = slower.arrivals(span, tenant_generators(seed, tenants.name)[0])
        time_us = arrivals.time_us[span.inside(arrivals.time_us)]
        counts = np.bincount((time_us // HOUR_US).astype(np.int64), minlength=24 * days)
        yield HourlyCounts(tenants, rate, counts.astype(float))


def _slower(tenants: Tenants, factor: float) -> Tenants:
    changes: dict[str, float]
    if factor == 1.0:
        return tenants
    if isinstance(tenants, Adhoc):
        changes = {"per_hour": tenants.per_hour * factor}
    elif isinstance(tenants, Interactive):
        changes = {"sessions_per_hour": tenants.sessions_per_hour * factor}
    elif isinstance(tenants, Dashboard):
        changes = {"panels": max(round(tenants.panels * factor), 1)}
    else:
        assert isinstance(tenants, Batch)
        jobs = max(round(tenants.jobs * factor), 1)
        changes = {"jobs": jobs, "gap_s": tenants.gap_s * tenants.jobs / jobs}
    return msgspec.structs.replace(tenants, **changes)
