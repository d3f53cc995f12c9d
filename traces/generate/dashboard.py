"""Dashboards: a set of panels that is refreshed together, again and again."""

from __future__ import annotations

import numpy as np

from traces.generate.checks import check_number
from traces.generate.span import Span
from traces.generate.tenants import MAX_TEMPLATES, Arrivals, Tenants, daily_counts
from traces.units import DAY_US, HOUR_US, US_PER_S


class Dashboard(Tenants, frozen=True, kw_only=True, tag="dashboard"):
    """A dashboard. Each panel is a template.

    Attributes:
        panels: queries of one refresh; growth and weekdays change their number.
        period_s: from one refresh to the next.
        jitter_s: each panel's query comes up to so much later.
        active_hours: from when to when it is refreshed each day; [20, 6] goes over midnight.
        phase_s: of the refreshes, after midnight; if not given, drawn for each tenant.
    """

    prefer: str = "short"
    size: float = 0.3
    panels: int = 6
    period_s: float = 900.0
    jitter_s: float = 2.0
    active_hours: tuple[float, float] = (0.0, 24.0)
    phase_s: float | None = None

    def check(self) -> None:
        """Raise ValueError, beginning with the field, where a value of this class is wrong."""
        check_number("panels", self.panels, 1, MAX_TEMPLATES)
        check_number("period_s", self.period_s, 1.0, 86_400.0)
        check_number("jitter_s", self.jitter_s, 0.0, 86_400.0)
        if self.phase_s is not None:
            check_number("phase_s", self.phase_s, 0.0, 86_400.0)
        for hour in self.active_hours:
            check_number("active_hours", hour, 0.0, 24.0)
        if self.active_hours[0] == self.active_hours[1]:
            raise ValueError("active_hours begins and ends at the same hour; all day is [0, 24]")

    def num_templates(self, span: Span) -> int:
        """Templates that a tenant knows from the beginning."""
        return max((panels for _, panels in self._days(span)), default=1)

    def expected(self, span: Span) -> float:
        """Queries of one tenant in a span, in the mean and about."""
        refreshes = sum(
            panels * max(min(end_us, span.end_us) - max(start_us, span.start_us), 0)
            for day, panels in self._days(span)
            for start_us, end_us in self._active_us(day)
        )
        return refreshes / (self.period_s * US_PER_S)

    def arrivals(self, span: Span, generator: np.random.Generator) -> Arrivals:
        """Draw the arrivals of one tenant."""
        drawn = generator.random() * self.period_s
        phase_us = (drawn if self.phase_s is None else self.phase_s) * US_PER_S
        period_us = self.period_s * US_PER_S
        times, templates = [], []
        for day, panels in self._days(span):
            for start_us, end_us in self._active_us(day):
                bounds = (max(start_us, span.start_us), min(end_us, span.end_us))
                first, last = (np.ceil((bound - phase_us) / period_us) for bound in bounds)
                refresh_us = phase_us + np.arange(first, last) * period_us
                delay_us = generator.random((len(refresh_us), panels)) * self.jitter_s * US_PER_S
                times.append((refresh_us[:, None] + delay_us).ravel())
                templates.append(np.tile(np.arange(panels), len(refresh_us)))
        if not times:
            return Arrivals(np.empty(0), np.empty(0, np.int64))
        return Arrivals(np.concatenate(times), np.concatenate(templates))

    def _days(self, span: Span) -> list[tuple[int, int]]:
        return daily_counts(self.panels, span, self)

    def _active_us(self, day: int) -> list[tuple[int, int]]:
        """Its active times on a day, which may be two: after midnight and before it."""
        start, end = (round(hour * HOUR_US) for hour in self.active_hours)
        parts = [(start, end)] if start < end else [(0, end), (start, DAY_US)]
        return [(day * DAY_US + begin, day * DAY_US + finish) for begin, finish in parts]
