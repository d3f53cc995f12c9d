"""Filling the template: what a page says of each case."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lsched.html.charts import Chart
from lsched.html.plots import Plot
from lsched.html.results import CaseResults, Results, SchedulerResults
from lsched.statistics import mean_interval
from lsched.tables import (
    CLAIRVOYANT_MARK,
    INCOMPLETE_MARK,
    number,
    pieces_of,
    ratio_text,
    short_name,
    time_unit,
)


@dataclass(frozen=True, kw_only=True)
class Section:
    """What the page shows of one case.

    Attributes:
        case: its results.
        plots: drawn by ``lsched compare``.
        charts: Gantt charts to zoom.
        chart_note: why there are none, or what is to be known of them.
    """

    case: CaseResults
    plots: Sequence[Plot] = ()
    charts: Sequence[Chart] = ()
    chart_note: str = ""

    @property
    def heading(self) -> str:
        """What was run."""
        return self.case.heading

    @property
    def limit(self) -> str:
        """What no schedule goes below."""
        unit, per_s = self._unit
        return f"{number(self.case.lower_bound['mean_latency_s'] * per_s)} {unit}"

    @property
    def reference(self) -> str:
        """What ratios refer to."""
        return short_name(self.case.reference)

    @property
    def unit(self) -> str:
        """Of latencies."""
        return self._unit[0]

    @property
    def _unit(self) -> tuple[str, float]:
        times = (each.p99_latency_s for each in self.case.schedulers.values())
        return time_unit(time for time in times if not math.isnan(time))

    @property
    def finding(self) -> str:
        """The main result in one sentence."""
        case, best = self.case, self.case.best
        if not case.is_complete(best):
            return "Runs are missing."
        outcome, (unit, per_s) = case.schedulers[best], self._unit
        kind = ""
        if len({each.is_clairvoyant for each in case.schedulers.values()}) > 1:
            kind = " of those that do not see the future"
        ratio, than = outcome.ratio_to_reference["mean_latency_s"].ratio, ""
        if best != case.reference and not math.isnan(ratio.value):
            than = f", {ratio.value:.2f} × that of {self.reference}"
            if ratio.low is not None:
                than += f" (95 % confidence interval {ratio.low:.2f} to {ratio.high:.2f})"
        mean = number(outcome.mean_latency_s * per_s)
        limit = number(outcome.mean_latency_s / case.lower_bound["mean_latency_s"])
        return (
            f"{short_name(best)} has the lowest mean latency{kind}: {mean} {unit}{than}, and "
            f"{limit} × a bound that no schedule goes below."
        )

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One per scheduler, from the lowest mean latency to the highest."""
        return [self._row(name, self.case.schedulers[name]) for name in self.case.ranked]

    def _row(self, name: str, outcome: SchedulerResults) -> dict[str, Any]:
        case, per_s = self.case, self._unit[1]
        is_complete = case.is_complete(name)
        means = [run["mean_latency_s"] * per_s for run in outcome.per_seed]
        marks = (CLAIRVOYANT_MARK if outcome.is_clairvoyant else "") + (
            "" if is_complete else INCOMPLETE_MARK
        )
        mean_s = outcome.mean_latency_s
        limit = mean_s / case.lower_bound["mean_latency_s"] if is_complete else math.nan
        return {
            "name": short_name(name),
            "marks": marks,
            "is_best": name == case.best,
            "mean": number(mean_s * per_s),
            "mean_interval": _interval_text(means),
            "ratios": [
                ratio_text(
                    outcome.ratio_to_reference[figure].ratio, is_reference=name == case.reference
                )
                for figure in ("mean_latency_s", "p95_latency_s")
            ],
            "percentiles": [
                number(value * per_s)
                for value in (
                    outcome.p50_latency_s,
                    outcome.p95_latency_s,
                    outcome.p99_latency_s,
                )
            ],
            "others": [
                number(outcome.mean_slowdown),
                number(limit),
                _percent(outcome.utilization),
                number(outcome.num_schedules),
                number(outcome.mean_schedule_us),
            ],
        }


def render(
    results: Results, sections: Sequence[Section], common: Sequence[Plot], command: str
) -> str:
    """The page, in one piece: no other file, nothing from a network.

    Args:
        results: what ``results.json`` says.
        sections: one for each case.
        common: plots of several cases together.
        command: what makes the same results again; empty where that is not known.
    """
    environment = Environment(
        loader=PackageLoader("lsched", "html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    folder = files("lsched.html")
    return environment.get_template("report.html.j2").render(
        results=results,
        sections=sections,
        common=common,
        command=command,
        configuration=_configuration(results),
        style=(folder / "style.css").read_text(encoding="utf-8"),
        script=(folder / "gantt.js").read_text(encoding="utf-8"),
    )


def _breakable(name: str) -> Markup:
    """A name with the places where it may go on in a new line."""
    return Markup("<wbr>").join(pieces_of(name))


def _configuration(results: Results) -> dict[str, Mapping[str, Any]]:
    """Tables of what was set, without what is off."""
    first = results.cases[0]
    run = {
        "seeds": _seeds_text(first.seeds),
        "reference": first.reference,
        "history": "on" if first.has_history else "off",
        "lower bound": first.lower_bound.get("method"),
        **{f"{name} version": version for name, version in results.versions.items()},
    }
    tables = {"Run": run, "Cluster": first.cluster}
    for case in results.cases:
        tables["Arrivals" if len(results.cases) == 1 else f"Arrivals: {case.label}"] = case.arrivals
    is_off: tuple[object, ...] = (None, False, [], "")
    return {
        title: {
            key.replace("_", " "): f"{value:,}" if type(value) is int else value
            for key, value in table.items()
            if value not in is_off
        }
        for title, table in tables.items()
    }


def _seeds_text(seeds: Sequence[int]) -> str:
    """As the command line takes them."""
    if len(seeds) > 1 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}-{seeds[-1]}"
    return ", ".join(map(str, seeds))


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.0f}"


def _interval_text(values: Sequence[float]) -> str:
    """The 95 % confidence interval of a mean time over seeds; empty where there is none."""
    if len(set(values)) < 2:
        return ""
    _, low, high = mean_interval(values)
    assert low is not None
    assert high is not None
    return f"[{number(max(low, 0.0))}, {number(high)}]"  # of times, which are positive
