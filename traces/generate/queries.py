"""The queries of all tenants together, scaled and on plans that fit their size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from traces.generate.catalogue import Catalogue
from traces.generate.config import Target
from traces.generate.span import Span
from traces.generate.statements import Submissions
from traces.generate.tenants import Tenants
from traces.model import Query
from traces.statistics import work_at
from traces.units import HOUR_US, US_PER_S

SIZES = (1e-4, 1e6)
TIMES = (1e-3, 100.0)
"""Least and largest factors of a query; what is drawn beyond is cut."""
SCALES = (1e-4, 1e4)
"""Likewise of the factor that a target may need."""
TOLERANCE = 0.001
MAX_STEPS = 8
"""Work is nearly proportional to size, so that a few steps meet a target."""
CHUNK = 10_000


class Part(NamedTuple):
    """A tenant and its queries."""

    name: str
    tenants: Tenants
    drawn: Submissions

    @property
    def query_class(self) -> str:
        """Its class."""
        return str(self.tenants.__struct_config__.tag)

    def template_name(self, template: int) -> str:
        """The name of one of its templates."""
        kind = "t" if template < self.drawn.num_known else "once"
        return f"{self.name}/{kind}{template + 1}"


class Queries:
    """The queries of all tenants, in order of arrival.

    Attributes:
        count: how many.
        plans: those that they run, cut into fewer work orders where queries are large.
        summary: their work, and the load that it means.
    """

    def __init__(
        self, parts: list[Part], catalogue: Catalogue, target: Target | None, span: Span
    ) -> None:
        self._parts = parts
        drawn = [part.drawn for part in parts]
        time_us = np.concatenate([d.time_us for d in drawn])
        if not len(time_us):
            raise ValueError("no query arrives; expected higher rates or more hours")
        self.count = len(time_us)
        order = np.argsort(time_us, kind="stable")  # at one instant, tenants in their order
        self._time_us = time_us[order]
        self._part = np.repeat(np.arange(len(parts)), [len(d.time_us) for d in drawn])[order]
        self._template = np.concatenate([d.template for d in drawn])[order]
        first = np.cumsum([0, *(len(d.plan) for d in drawn)])[:-1]
        template = first[self._part] + self._template
        times = np.concatenate([d.time for d in drawn])[template]
        times *= np.concatenate([d.time_factor for d in drawn])[order]
        self._time_factor = _rounded(times.clip(*TIMES))
        size = np.concatenate([d.size for d in drawn])
        variation = np.concatenate([d.size_factor for d in drawn])[order]
        place = np.concatenate([d.plan for d in drawn])
        most = np.repeat([p.tenants.work_orders for p in parts], [len(d.plan) for d in drawn])

        def work_us(scale: float) -> float:
            """Make all templates larger; the work that it gives."""
            reference = catalogue.references(place, size * scale, most)
            kinds = np.stack((place, reference, np.where(reference > 0, most, 0)), axis=1)
            variants, self._plan = np.unique(kinds[template], axis=0, return_inverse=True)
            self.plans = tuple(catalogue.cut(int(p), float(r), int(w)) for p, r, w in variants)
            relative = size * scale / np.where(reference > 0, reference, 1.0)
            self._size_factor = _rounded((relative[template] * variation).clip(*SIZES))
            return self._work_us()

        total_us, scale = work_us(1.0), 1.0
        load = ""
        if target is not None:
            capacity_us = target.executors * span.hours * HOUR_US
            for _ in range(MAX_STEPS):
                if abs(total_us / (target.load * capacity_us) - 1) < TOLERANCE:
                    break
                scale *= target.load * capacity_us / total_us
                if not SCALES[0] <= scale <= SCALES[1]:
                    raise ValueError(
                        f"target: a load of {target.load:g} is out of reach of {self.count:,} "
                        f"queries with {total_us / US_PER_S:,.0f} s of work; change sizes or rates"
                    )
                total_us = work_us(scale)
            achieved = total_us / capacity_us
            load = (
                f", a load of {achieved:.3f} on {target.executors} executors; sizes × {scale:.4g}"
            )
        self.summary = f"{total_us / US_PER_S:,.0f} executor-seconds{load}"

    def _work_us(self) -> float:
        total = np.zeros(self.count)
        for index, plan in enumerate(self.plans):
            chosen = np.flatnonzero(self._plan == index)
            total[chosen] = work_at(plan, self._size_factor[chosen])
        return float((total * self._time_factor).sum())

    def __iter__(self) -> Iterator[Query]:
        """One at a time, numbered in order."""
        names = [plan.name for plan in self.plans]
        columns = (self._time_us, self._part, self._template, self._plan)
        factors = (self._size_factor, self._time_factor)
        for start in range(0, self.count, CHUNK):
            rows_of = slice(start, start + CHUNK)
            rows = zip(*(c[rows_of].tolist() for c in (*columns, *factors)), strict=True)
            for number, (time_us, at, template, plan, size, time) in enumerate(rows, start):
                part = self._parts[at]
                yield Query(
                    query_id=number,
                    plan=names[plan],
                    arrival_us=time_us,
                    tenant=part.name,
                    query_class=part.query_class,
                    template=part.template_name(template),
                    size_factor=float(f"{size:.3g}"),  # exactly what is written
                    time_factor=float(f"{time:.3g}"),
                )


def _rounded(values: np.ndarray) -> np.ndarray:
    """To three significant digits."""
    unit = 10.0 ** (np.floor(np.log10(values)) - 2)
    rounded: np.ndarray = np.rint(values / unit) * unit
    return rounded
