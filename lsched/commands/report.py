"""``lsched report``: what ``lsched compare`` found, as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from lsched.arrivals import Arrivals
from lsched.commands import compare
from lsched.commands.console import output_console
from lsched.commands.options import ArrivalOptions, OptionalText, OptionalWholeNumber
from lsched.config_file import command_line
from lsched.errors import OptionError
from lsched.html import (
    CaseResults,
    Chart,
    Results,
    Section,
    chart_of,
    plots_by_case,
    read_results,
    render,
)
from lsched.runner import RUN_ERRORS, Job, Setting, simulate_job
from lsched.specs import parse_cluster, parse_schedulers
from traces import load
from traces.output import atomic_file

PAGE = "report.html"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Make one HTML page of what lsched compare wrote: figures, plots, Gantt charts to zoom.

    Gantt charts are drawn of one seed, which is simulated again with the same results.
    """

    directory: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR")]
    """The output directory of lsched compare; report.html is written there."""

    schedulers: OptionalText = None
    """Those to draw Gantt charts of; if not given, the reference and the best."""

    seed: OptionalWholeNumber = None
    """The seed to draw them of; if not given, the first."""

    no_gantt: bool = False
    """Leave the charts out, and simulate nothing."""


def run(options: Options) -> None:
    """Do what the options say."""
    results = read_results(options.directory)
    _check_charts(options, results)
    plots = plots_by_case(options.directory, [case.label for case in results.cases])
    sections = []
    for index, case in enumerate(results.cases):
        charts, note = _charts(options, results, index)
        drawn = [plot for plot in plots[index] if plot.kind != "gantt" or not charts]
        sections.append(Section(case=case, plots=drawn, charts=charts, chart_note=note))
    page = render(results, sections, plots[-1], command_text(results.options))
    with atomic_file(options.directory / PAGE) as out:
        out.write(page.encode())
    output_console().print(f"written to {options.directory / PAGE}", soft_wrap=True)


def command_text(options: Mapping[str, Any]) -> str:
    """The command line of ``lsched compare`` with these options, without what is its default.

    Workers and Ray are left out: results do not depend on them.
    """
    if not options:
        return ""
    flat = {**options, **options.get("arrivals", {})}
    values = {key.replace("_", "-"): value for key, value in flat.items()}
    return command_line(compare.Options, values, "traces", ["workers", "ray"])


def _check_charts(options: Options, results: Results) -> None:
    case = results.cases[0]
    for name in parse_schedulers(options.schedulers) if options.schedulers else ():
        if name not in case.schedulers:
            raise OptionError(
                f"scheduler {name!r} was not compared, there are {', '.join(case.schedulers)}"
            )
    if options.seed is not None and options.seed not in case.seeds:
        raise OptionError(f"seed {options.seed} was not compared, there are {case.seeds}")


def _charts(options: Options, results: Results, index: int) -> tuple[list[Chart], str]:
    """Gantt charts of a case, and what is to be said of them."""
    case = results.cases[index]
    if options.no_gantt:
        return [], "Gantt charts were left out."
    if not results.options:
        return [], "The results were not written by a command, so no run can be drawn."
    seed = case.seeds[0] if options.seed is None else options.seed
    names = parse_schedulers(options.schedulers) if options.schedulers else ()
    charts, note = [], ""
    try:
        setting, arrivals = _setting(results, index)
        for name in names or dict.fromkeys([case.reference, case.best]):
            result = simulate_job(setting, Job(0, arrivals, name, seed), record_events=True)
            charts.append(chart_of(result))
            if not _is_same(case, name, seed, result.summary()["mean_latency_s"]):
                note = (
                    "Simulated again for this page, these runs differ from those of the table: "
                    "the trace or the version of lsched has changed."
                )
    except (*RUN_ERRORS, OptionError, OSError) as error:
        return [], f"The runs could not be simulated again, so there is nothing to zoom: {error}"
    return charts, note


def _setting(results: Results, index: int) -> tuple[Setting, Arrivals]:
    """What a case ran with: traces are outermost in the list of cases."""
    options = results.options
    kinds = ArrivalOptions(**options["arrivals"]).all_arrivals(options["loads"])
    trace, kind = divmod(index, len(kinds))
    cluster = parse_cluster(options["cluster"])
    setting = Setting((load(options["traces"][trace]),), cluster, options["history"] == "on")
    return setting, kinds[kind]


def _is_same(case: CaseResults, scheduler: str, seed: int, mean_latency_s: float) -> bool:
    runs = [run for run in case.schedulers[scheduler].per_seed if run["seed"] == seed]
    return all(run["mean_latency_s"] == mean_latency_s for run in runs)
