"""Reading ``results.json``: the parts of it that a page shows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from lsched.errors import OptionError
from lsched.report import VERSION
from lsched.statistics import Ratio
from lsched.tables import counted


class RatioResults(Struct, frozen=True):
    """A ratio to the reference; ``value`` is None where no seed is left."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def ratio(self) -> Ratio:
        """As the tables take it; where all seeds gave the same, there is no interval."""
        value = math.nan if self.value is None else self.value
        return Ratio(value) if self.low == self.high else Ratio(value, self.low, self.high)


class SchedulerResults(Struct, frozen=True, kw_only=True):
    """One scheduler: ``Result.summary()`` over all seeds, and by seed. NaN where no run is left."""

    mean_latency_s: float = math.nan
    p50_latency_s: float = math.nan
    p95_latency_s: float = math.nan
    p99_latency_s: float = math.nan
    mean_slowdown: float = math.nan
    utilization: float = math.nan
    num_schedules: float = math.nan
    mean_schedule_us: float = math.nan
    is_clairvoyant: bool
    ratio_to_reference: dict[str, RatioResults]
    per_seed: list[dict[str, float]]


class CaseResults(Struct, frozen=True, kw_only=True):
    """One trace with one kind of arrivals."""

    trace: str
    label: str
    arrivals: dict[str, Any]
    cluster: dict[str, Any]
    seeds: list[int]
    reference: str
    has_history: bool
    lower_bound: dict[str, Any]
    schedulers: dict[str, SchedulerResults]

    def is_complete(self, scheduler: str) -> bool:
        """Whether no run of a scheduler is lost."""
        return len(self.schedulers[scheduler].per_seed) == len(self.seeds)

    @property
    def ranked(self) -> list[str]:
        """Schedulers from the lowest mean latency to the highest; then those that lack seeds."""
        return sorted(
            self.schedulers,
            key=lambda name: (
                not self.is_complete(name),
                not self.schedulers[name].per_seed,
                self.schedulers[name].mean_latency_s,
            ),
        )

    @property
    def best(self) -> str:
        """The lowest mean latency, of a scheduler that is not clairvoyant if there is one."""
        ranked = self.ranked
        return next((n for n in ranked if not self.schedulers[n].is_clairvoyant), ranked[0])

    @property
    def heading(self) -> str:
        """What was run: ``tpch, load 0.8, scale 10, inmemory-32, 5 seeds × 200 queries``."""
        scale = self.arrivals.get("scale") or 1
        runs = [run for each in self.schedulers.values() for run in each.per_seed]
        size = f" × {counted(int(runs[0]['num_queries']), 'query')}" if runs else ""
        parts = [
            self.label,
            "" if scale == 1 else f"scale {scale:g}",
            str(self.cluster["name"]),
            counted(len(self.seeds), "seed") + size,
        ]
        return ", ".join(filter(None, parts))


class Results(Struct, frozen=True, kw_only=True):
    """All of a comparison.

    Attributes:
        versions: of lsched, and of what its results depend on.
        options: of the command, empty where it was not made by one.
        incomplete: runs that are missing, as ``Comparison.incomplete``.
        cases: at least one.
    """

    versions: dict[str, str]
    options: dict[str, Any]
    incomplete: list[dict[str, Any]]
    cases: list[CaseResults]


def read_results(directory: Path) -> Results:
    """Read ``results.json`` in the output directory of ``lsched compare``.

    Raises:
        OptionError: there is none, or it is not one that this version of lsched wrote.
    """
    path = directory / "results.json"
    try:
        document = msgspec.json.decode(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise OptionError(
            f"{directory} has no results.json, so it is not what a finished `lsched compare … "
            "--out DIR` has written"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise OptionError(f"{path} is not a results.json of version {VERSION}")
    document.setdefault("cases", document.get("comparisons", [document]))
    try:
        results = msgspec.convert(document, Results)
    except msgspec.ValidationError as error:
        raise OptionError(f"{path}: {error}; run the comparison again") from None
    if not results.cases or not all(case.schedulers for case in results.cases):
        raise OptionError(f"{path} has no results")
    return results
