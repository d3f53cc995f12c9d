"""The time that a generated trace covers, and rates by hour of day and by weekday."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator

import numpy as np

from traces.generate.calibration import HOUR_SHARES
from traces.generate.checks import check_numbers, check_word
from traces.units import DAY_US, HOUR_US, US_PER_S

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
START = re.compile(r"([a-zA-Z]+|\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d))?")

PROFILES: dict[str, tuple[float, ...]] = {
    "flat": (1,) * 24,
    # Work from 8 to 18, a dip at noon, a little in the evening.
    "office": (1, 1, 1, 1, 1, 1, 3, 8, 16, 22, 24, 22, 17, 20, 23, 22, 18, 11, 6, 4, 3, 2, 1, 1),
    # Loads from 22 to 6.
    "night": (10, 12, 12, 10, 8, 5, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4, 8),
    "fleet": HOUR_SHARES,
}
"""Rates by hour of day, as weights. ``fleet``: what Redset's instances together do."""
WEEKS: dict[str, tuple[float, ...]] = {
    "all": (1,) * 7,
    "workdays": (1, 1, 1, 1, 1, 0, 0),
    "weekends": (0, 0, 0, 0, 0, 1, 1),
}
"""Rates by weekday from Monday, as factors."""


def hour_weights(profile: str | tuple[float, ...]) -> np.ndarray:
    """Rates of the 24 hours of a day, with a mean of 1.

    Raises:
        ValueError: it is neither a known name nor 24 numbers.
    """
    if isinstance(profile, str):
        check_word("profile", profile, PROFILES)
        profile = PROFILES[profile]
    check_numbers("profile", profile, 24)
    weights = np.array(profile, float)
    relative: np.ndarray = weights / weights.mean()
    return relative


def week_weights(weekdays: str | tuple[float, ...]) -> tuple[float, ...]:
    """Factors of the seven days of a week, from Monday.

    Raises:
        ValueError: it is neither a known name nor 7 numbers.
    """
    if isinstance(weekdays, str):
        check_word("weekdays", weekdays, WEEKS)
        return WEEKS[weekdays]
    check_numbers("weekdays", weekdays, 7)
    return weekdays


class Span:
    """From when to when queries arrive.

    Times are µs since midnight of the first day, so that a time modulo 24 h is a time of day.

    Attributes:
        start_us, end_us: the first instant, and the first after it.
        weekday: of the first day, Monday is 0.
        growth: factor of all rates from one day to the next.
        hour_us: edges of the clock hours, clipped to the span; one more than there are hours.
        hour: hour of day of each.
        day: day of each, from 0.
    """

    def __init__(self, start: str, hours: float, growth: float = 1.0) -> None:
        self.weekday, minutes = parse_start(start)
        self.start_us = minutes * 60 * US_PER_S
        self.end_us = self.start_us + round(hours * HOUR_US)
        self.growth = growth
        first, last = self.start_us // HOUR_US, -(-self.end_us // HOUR_US)
        edges = np.arange(first, last + 1, dtype=np.int64) * HOUR_US
        self.hour_us = edges.clip(self.start_us, self.end_us)
        self.hour = np.arange(first, last) % 24
        self.day = np.arange(first, last) // 24

    @property
    def hours(self) -> float:
        """Its length."""
        return (self.end_us - self.start_us) / HOUR_US

    @property
    def hour_lengths(self) -> np.ndarray:
        """Length of each clock hour in it; the first and the last may be cut."""
        lengths: np.ndarray = np.diff(self.hour_us) / HOUR_US
        return lengths

    def days(self, weekdays: str | tuple[float, ...], growth: float) -> Iterator[tuple[int, float]]:
        """Each day's number and the factor of its rates: by weekday, and by growth until then."""
        weights = week_weights(weekdays)
        for day in range(-(-self.end_us // DAY_US)):
            factor = weights[(self.weekday + day) % 7]
            yield day, factor and factor * (self.growth * growth) ** day

    def inside(self, time_us: np.ndarray) -> np.ndarray:
        """Which of these times are in it."""
        return (time_us >= self.start_us) & (time_us < self.end_us)


def parse_start(text: str) -> tuple[int, int]:
    """Weekday (Monday is 0) and minute of the day of a text such as ``Monday 08:00``.

    Raises:
        ValueError: it is neither a weekday nor an ISO date, or the time is not HH:MM.
    """
    try:
        match = START.fullmatch(text.strip())
        if match is None:
            raise ValueError
        day, clock = match.groups("00:00")
        time = datetime.time.fromisoformat(clock)
        known = [name for name in WEEKDAYS if name.startswith(day.lower()) and len(day) >= 3]
        weekday = WEEKDAYS.index(known[0]) if known else datetime.date.fromisoformat(day).weekday()
    except ValueError:
        raise ValueError(
            f"start is {text!r}, expected a weekday or a date, and a time if not midnight, as in "
            "'Mon', 'Monday 08:00', '2026-11-23' or '2026-11-23 08:00'"
        ) from None
    return weekday, time.hour * 60 + time.minute


def spread(counts: np.ndarray, edge_us: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Times of so many events between each two edges, uniform between them."""
    start_us, length_us = np.repeat(edge_us[:-1], counts), np.repeat(np.diff(edge_us), counts)
    times: np.ndarray = start_us + length_us * generator.random(len(start_us))
    return times
