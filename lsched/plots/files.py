"""Which plots a comparison gets, and writing them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from matplotlib.figure import Figure

from lsched.compare import Case, Comparison
from lsched.errors import OptionError
from lsched.plots.distributions import latency_by_plan, latency_cdf
from lsched.plots.gantt import gantt, readable_window
from lsched.plots.ratios import ratio_to_reference
from lsched.plots.series import latency_by_load, queries_in_system
from lsched.plots.style import case_heading
from lsched.runner import Job, simulate_job
from lsched.tables import short_name
from traces.errors import did_you_mean
from traces.output import atomic_file

FORMATS = ("png", "pdf", "svg")
DPI = 150


def check_format(path: Path) -> str:
    """The format that a file's name asks for.

    Raises:
        OptionError: it is none of png, pdf and svg.
    """
    suffix = path.suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        raise OptionError(
            f"{path}: plots are written as .png, .pdf or .svg, not as "
            f"{path.suffix or 'a file without ending'}{did_you_mean(suffix, FORMATS)}"
        )
    return suffix


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the file's name, complete or not at all."""
    kind = check_format(path)
    with atomic_file(path) as out:
        put(figure, kind, out)


def put(figure: Figure, kind: str, out: IO[bytes]) -> None:
    """Write a figure as png, pdf or svg."""
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind)
    figure.savefig(out, format=kind, dpi=DPI, metadata=metadata)
    out.flush()


def write_plots(comparison: Comparison, directory: Path, kind: str = "png") -> list[Path]:
    """Write every plot of a comparison into a directory.

    With one case the names are ``latency-cdf``, ``latency-by-plan``, ``queries-in-system``,
    ``ratio-to-reference`` and ``gantt-SCHEDULER`` (of the reference and the best, first seed);
    with several the case follows. A trace with several loads gets ``latency-by-load``.

    Schedulers that lack runs are left out, as the others met more seeds. Where that is the
    reference, there is only ``latency-cdf``.
    """
    paths = []
    for name, figure in _figures(_complete(comparison)):
        path = directory / f"{name}.{kind}"
        save(figure, path)
        paths.append(path)
    return paths


def _complete(comparison: Comparison) -> Comparison:
    """Without the outcomes of schedulers that lack runs on any case."""
    lacking = {entry["scheduler"] for entry in comparison.incomplete}
    cases = []
    for case in comparison.cases:
        outcomes = {name: o for name, o in case.outcomes.items() if name not in lacking}
        cases.append(dataclasses.replace(case, outcomes=outcomes))
    return dataclasses.replace(comparison, cases=tuple(cases))


def _figures(comparison: Comparison) -> Iterator[tuple[str, Figure]]:
    several = len(comparison.cases) > 1
    for case in comparison.cases:
        end = f"-{file_name(case.label)}" if several else ""
        if case.outcomes:
            yield f"latency-cdf{end}", latency_cdf(comparison, case)
        if comparison.reference not in case.outcomes:
            continue
        yield f"latency-by-plan{end}", latency_by_plan(comparison, case)
        yield f"queries-in-system{end}", queries_in_system(comparison, case)
        if len(case.outcomes) > 1:
            yield f"ratio-to-reference{end}", ratio_to_reference(comparison, case)
        for scheduler, figure in _gantts(comparison, case):
            yield f"gantt-{file_name(scheduler)}{end}", figure
    for trace in dict.fromkeys(case.trace for case in comparison.cases):
        cases = [c for c in comparison.cases if c.trace == trace and c.arrivals.load is not None]
        if len(cases) > 1 and comparison.reference in cases[0].outcomes:
            end = f"-{file_name(trace)}" if len({c.trace for c in comparison.cases}) > 1 else ""
            yield f"latency-by-load{end}", latency_by_load(comparison, cases)


def _gantts(comparison: Comparison, case: Case) -> Iterator[tuple[str, Figure]]:
    """The reference and the best, in the same window of the first seed.

    They run again, to have their event logs; the same seed gives the same run.
    """
    trace = list(dict.fromkeys(case.trace for case in comparison.cases)).index(case.trace)
    window_s = None
    for scheduler in dict.fromkeys((comparison.reference, case.best.scheduler)):
        job = Job(trace, case.arrivals, scheduler, comparison.seeds[0])
        result = simulate_job(comparison.setting, job, record_events=True)
        window_s = window_s or readable_window(result)
        yield scheduler, gantt(result, window_s, case_heading(comparison, case))


def file_name(text: str) -> str:
    """A text as part of a file's name."""
    kept = "".join(c if c.isalnum() or c in ".=" else "-" for c in short_name(text))
    return "-".join(filter(None, kept.split("-")))
