"""What all classes of tenants have in common in a configuration."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from msgspec import Struct

from traces.generate.checks import check_name, check_number, check_word
from traces.generate.span import Span, week_weights

MAX_COUNT = 1_000
MAX_QUERIES = 3_000_000
MIN_SIZE, MAX_SIZE = 1e-3, 1e5
MAX_TEMPLATES = 100_000
PREFERENCES = ("any", "short", "long")


class Arrivals(NamedTuple):
    """When a tenant's queries arrive (µs, in order), and which of its templates each one is.

    ``template`` is None where that is drawn afterwards, by popularity.
    """

    time_us: np.ndarray
    template: np.ndarray | None


class Tenants(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="class"):
    """Tenants that are alike: each draws its own templates and arrivals.

    Attributes:
        name: of the tenant; of several, the beginning of their names.
        count: how many there are.
        plans: which plans its templates may have: patterns of names (``q*``, ``tpcds-q1?``).
        prefer: of those plans the half with less work (``short``), with more (``long``), or
            ``any``.
        size: median size factor of its templates.
        size_sd: standard deviation of the logarithm of their size factors.
        time_sd: likewise of their hidden time factors, which have a mean of 1.
        variation: likewise of both factors between executions of one template.
        work_orders: about as many work orders a query has at most. Where the size would make
            more of them, they become longer instead, by a power of 4.
        growth: factor of its rates from one day to the next.
        weekdays: factors of its rates from Monday to Sunday: ``all``, ``workdays``, ``weekends``
            or seven numbers.
    """

    name: str
    count: int = 1
    plans: tuple[str, ...] = ("*",)
    prefer: str = "any"
    size: float = 1.0
    size_sd: float = 0.5
    time_sd: float = 0.3
    variation: float = 0.1
    work_orders: int = 1000
    growth: float = 1.0
    weekdays: str | tuple[float, ...] = "all"

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_number("count", self.count, 1, MAX_COUNT)
        check_word("prefer", self.prefer, PREFERENCES)
        check_number("size", self.size, MIN_SIZE, MAX_SIZE)
        for field in ("size_sd", "time_sd", "variation"):
            check_number(field, getattr(self, field), 0.0, 2.0)
        check_number("work_orders", self.work_orders, 1, 1_000_000)
        check_number("growth", self.growth, 0.5, 2.0)
        week_weights(self.weekdays)
        if not self.plans:
            raise ValueError("plans is empty, expected at least one pattern such as 'q*'")
        self.check()

    def names(self) -> list[str]:
        """The names of the tenants."""
        if self.count == 1:
            return [self.name]
        return [f"{self.name}-{number}" for number in range(1, self.count + 1)]

    def check(self) -> None:
        """Raise ValueError, beginning with the field, where a value of this class is wrong."""

    def num_templates(self, span: Span) -> int:
        """Templates that a tenant knows from the beginning."""
        raise NotImplementedError

    def expected(self, span: Span) -> float:
        """Queries of one tenant in a span, in the mean and about."""
        raise NotImplementedError

    def arrivals(self, span: Span, generator: np.random.Generator) -> Arrivals:
        """Draw the arrivals of one tenant."""
        raise NotImplementedError


class Statements(Tenants, frozen=True, kw_only=True):
    """Tenants whose queries repeat templates by popularity, or are new.

    Attributes:
        templates: how many templates repeat.
        repetition: probability that a query is one of them; otherwise it is a statement that
            comes only once.
        popularity: exponent of Zipf's law: the k-th template comes in proportion to k^-popularity.
    """

    templates: int = 20
    repetition: float = 0.8
    popularity: float = 1.0

    def check(self) -> None:
        """Raise ValueError, beginning with the field, where a value of this class is wrong."""
        check_number("templates", self.templates, 1, MAX_TEMPLATES)
        check_number("repetition", self.repetition, 0.0, 1.0)
        check_number("popularity", self.popularity, 0.0, 5.0)

    def num_templates(self, span: Span) -> int:
        """Templates that a tenant knows from the beginning."""
        return self.templates


def daily_counts(count: int, span: Span, tenants: Tenants) -> list[tuple[int, int]]:
    """Of something done ``count`` times: how often on each day that has any, by its number."""
    factors = span.days(tenants.weekdays, tenants.growth)
    rounded = [(day, int(min(count * factor, 1e9) + 0.5)) for day, factor in factors]
    return [(day, number) for day, number in rounded if number]
