"""Batches: nightly and hourly loads."""

from __future__ import annotations

import numpy as np

from traces.generate.checks import check_number
from traces.generate.span import Span
from traces.generate.tenants import MAX_TEMPLATES, Arrivals, Tenants, daily_counts
from traces.units import DAY_US, HOUR_US, US_PER_S


class Batch(Tenants, frozen=True, kw_only=True, tag="batch"):
    """A load that runs at given hours or every few hours. Each of its jobs is a template.

    Attributes:
        jobs: queries of one run; growth and weekdays change their number.
        at_hours: hours of the day when it runs, such as [1.5, 13].
        every_hours: or else how far apart its runs are, from midnight on.
        gap_s: from one job to the next; 0: all at once.
        late_s: mean lateness of a run, which is exponential.
    """

    prefer: str = "long"
    size: float = 100.0
    jobs: int = 5
    at_hours: tuple[float, ...] = ()
    every_hours: float | None = None
    gap_s: float = 0.0
    late_s: float = 60.0

    def check(self) -> None:
        """Raise ValueError, beginning with the field, where a value of this class is wrong."""
        check_number("jobs", self.jobs, 1, MAX_TEMPLATES)
        check_number("gap_s", self.gap_s, 0.0, 86_400.0)
        check_number("late_s", self.late_s, 0.0, 86_400.0)
        if bool(self.at_hours) == (self.every_hours is not None):
            raise ValueError("give one of at_hours (as in [1.5, 13]) and every_hours")
        if self.every_hours is not None:
            check_number("every_hours", self.every_hours, 0.1, 24.0)
        for hour in self.at_hours:
            if not 0.0 <= hour < 24.0:
                raise ValueError(f"at_hours has {hour:g}, expected from 0 to below 24")
        if len(set(self.at_hours)) < len(self.at_hours):
            raise ValueError(f"at_hours is {list(self.at_hours)}, expected each hour once")

    def num_templates(self, span: Span) -> int:
        """Templates that a tenant knows from the beginning."""
        return max((jobs for _, jobs in self._days(span)), default=1)

    def expected(self, span: Span) -> float:
        """Queries of one tenant in a span, in the mean and about."""
        run_us = self._run_us()
        return float(
            sum(
                jobs * np.count_nonzero(span.inside(run_us + day * DAY_US))
                for day, jobs in self._days(span)
            )
        )

    def arrivals(self, span: Span, generator: np.random.Generator) -> Arrivals:
        """Draw the arrivals of one tenant."""
        run_us = self._run_us()
        times, templates = [], []
        for day, jobs in self._days(span):
            late_us = generator.exponential(self.late_s * US_PER_S, len(run_us))
            start_us = run_us + day * DAY_US
            is_run = span.inside(start_us)
            job_us = np.arange(jobs) * (self.gap_s * US_PER_S)
            times.append(((start_us + late_us)[is_run, None] + job_us).ravel())
            templates.append(np.tile(np.arange(jobs), np.count_nonzero(is_run)))
        if not times:
            return Arrivals(np.empty(0), np.empty(0, np.int64))
        return Arrivals(np.concatenate(times), np.concatenate(templates))

    def _days(self, span: Span) -> list[tuple[int, int]]:
        return daily_counts(self.jobs, span, self)

    def _run_us(self) -> np.ndarray:
        """When it runs, after midnight."""
        hours = self.at_hours or np.arange(0.0, 24.0, self.every_hours)
        return np.asarray(hours, float) * HOUR_US
