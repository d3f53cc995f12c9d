"""Ad hoc queries and sessions: random arrivals whose rate changes from hour to hour."""

from __future__ import annotations

import itertools
import math

import numpy as np

from traces.generate.checks import check_number
from traces.generate.span import Span, hour_weights, spread
from traces.generate.tenants import Arrivals, Statements
from traces.units import US_PER_S

PERSISTENCE = 0.5
"""Correlation of the logarithm of an hour's factor with that of the hour before."""


class Bursty(Statements, frozen=True, kw_only=True):
    """Tenants whose rate is that of the hour of the day, times a log-normal factor of the hour.

    Attributes:
        profile: rates by hour of the day: ``flat``, ``office``, ``night``, ``fleet`` or 24 numbers.
        burstiness: standard deviation of the logarithm of the factor. Factors of neighbouring
            hours resemble each other.
        routine: the part of its variance that is a habit, the same every day.
    """

    profile: str | tuple[float, ...] = "office"
    burstiness: float = 0.6
    routine: float = 0.5

    def check(self) -> None:
        """Raise ValueError, beginning with the field, where a value of this class is wrong."""
        super().check()
        hour_weights(self.profile)
        check_number("burstiness", self.burstiness, 0.0, 3.0)
        check_number("routine", self.routine, 0.0, 1.0)

    def hourly(self, per_hour: float, span: Span) -> np.ndarray:
        """Expected events in each hour of a span, without the factor."""
        days = np.array([factor for _, factor in span.days(self.weekdays, self.growth)])
        weights = hour_weights(self.profile)[span.hour] * days[span.day]
        expected: np.ndarray = per_hour * weights * span.hour_lengths
        return expected

    def counts(self, per_hour: float, span: Span, generator: np.random.Generator) -> np.ndarray:
        """Draw the number of events in each hour.

        The factors are scaled so that the expected number of events is as without them.
        """
        plain = self.hourly(per_hour, span)
        if self.burstiness:
            habit = _autoregressive(generator.standard_normal(24))
            own = _autoregressive(generator.standard_normal(len(plain)))
            mixed = math.sqrt(self.routine) * habit[span.hour] + math.sqrt(1 - self.routine) * own
            bursty = plain * np.exp(self.burstiness * mixed)
            plain = bursty * (plain.sum() / max(bursty.sum(), 1e-300))
        return generator.poisson(plain)


class Adhoc(Bursty, frozen=True, kw_only=True, tag="adhoc"):
    """Single queries that people and programs send when they need an answer.

    Attributes:
        per_hour: mean rate over a day whose weekday has the factor 1.
    """

    size: float = 3.0
    size_sd: float = 1.2
    repetition: float = 0.6
    per_hour: float = 20.0

    def check(self) -> None:
        """Raise ValueError, beginning with the field, where a value of this class is wrong."""
        super().check()
        check_number("per_hour", self.per_hour, 0.0, 1e6)

    def expected(self, span: Span) -> float:
        """Queries of one tenant in a span, in the mean and about."""
        return float(self.hourly(self.per_hour, span).sum())

    def arrivals(self, span: Span, generator: np.random.Generator) -> Arrivals:
        """Draw the arrivals of one tenant."""
        counts = self.counts(self.per_hour, span, generator)
        return Arrivals(spread(counts, span.hour_us, generator), None)


class Interactive(Bursty, frozen=True, kw_only=True, tag="interactive"):
    """Sessions of people who look at an answer before they ask again.

    The next query of a session comes a think time after the one before it arrived, whether or not
    that is answered: arrivals do not depend on the scheduler.

    Attributes:
        sessions_per_hour: mean rate over a day whose weekday has the factor 1.
        session_queries: mean number of queries of a session, which is geometric.
        think_s: median time from one query to the next, which is log-normal.
        think_sd: standard deviation of its logarithm.
    """

    templates: int = 30
    sessions_per_hour: float = 3.0
    session_queries: float = 8.0
    think_s: float = 30.0
    think_sd: float = 1.0

    def check(self) -> None:
        """Raise ValueError, beginning with the field, where a value of this class is wrong."""
        super().check()
        check_number("sessions_per_hour", self.sessions_per_hour, 0.0, 1e6)
        check_number("session_queries", self.session_queries, 1.0, 1000.0)
        check_number("think_s", self.think_s, 0.0, 86_400.0)
        check_number("think_sd", self.think_sd, 0.0, 2.0)

    def expected(self, span: Span) -> float:
        """Queries of one tenant in a span, in the mean and about."""
        sessions = float(self.hourly(self.sessions_per_hour, span).sum())
        return sessions * self.session_queries

    def arrivals(self, span: Span, generator: np.random.Generator) -> Arrivals:
        """Draw the arrivals of one tenant."""
        sessions = self.counts(self.sessions_per_hour, span, generator)
        start_us = spread(sessions, span.hour_us, generator)
        lengths = generator.geometric(1 / self.session_queries, len(start_us))
        is_first = np.zeros(int(lengths.sum()), bool)
        is_first[np.cumsum(lengths) - lengths] = True
        think = generator.standard_normal(len(is_first)) * self.think_sd
        think_us = np.where(is_first, 0.0, self.think_s * US_PER_S * np.exp(think))
        passed_us = np.cumsum(think_us)
        since_us = passed_us - np.repeat(passed_us[is_first], lengths)
        return Arrivals(np.repeat(start_us, lengths) + since_us, None)


def _autoregressive(noise: np.ndarray) -> np.ndarray:
    """Standard normal numbers, each correlated with the one before it."""
    step = math.sqrt(1 - PERSISTENCE * PERSISTENCE)
    values = itertools.accumulate(noise.tolist(), lambda last, new: PERSISTENCE * last + step * new)
    return np.array(list(values))
