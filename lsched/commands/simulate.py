"""``lsched simulate``: one scheduler, once."""

from __future__ import annotations

from dataclasses import dataclass

from lsched.commands.console import output_console
from lsched.commands.options import (
    NO_ARRIVAL_OPTIONS,
    ArrivalGroup,
    ClusterText,
    OnOff,
    OptionalPath,
    TraceText,
    WholeNumber,
)
from lsched.output import check_output_files
from lsched.report import RECORD_FIELDS, write_csv, write_json
from lsched.runner import Job, Setting, bounds_of, simulate_job
from lsched.specs import check_seeds, parse_cluster
from lsched.tables import summary_table
from sim import Event, make_scheduler
from traces import load


@dataclass(frozen=True, kw_only=True)
class Options:
    """Run one scheduler once and show the figures of the run."""

    trace: TraceText
    """A shipped trace or a trace file."""

    scheduler: str = "fair"
    """As name, name:key=value+key=value, or path/to/file.py:ClassName."""

    seed: WholeNumber = 0
    """For arrivals, the luck of work orders, and schedulers that draw."""

    cluster: ClusterText = "inmemory-32"

    history: OnOff = "on"
    """Whether schedulers see completed runs of a plan."""

    json: OptionalPath = None
    """File for the figures."""

    csv: OptionalPath = None
    """File for one row per query."""

    events: OptionalPath = None
    """File for the event log, as CSV."""

    gantt: OptionalPath = None
    """File (.png, .pdf, .svg) for a Gantt chart of the executors."""

    arrivals: ArrivalGroup = NO_ARRIVAL_OPTIONS


def run(options: Options) -> None:
    """Do what the options say."""
    check_output_files(options.json, options.csv, options.events, options.gantt)
    if options.gantt is not None:
        from lsched.plots import check_format

        check_format(options.gantt)
    trace = load(options.trace)
    setting = Setting((trace,), parse_cluster(options.cluster), options.history == "on")
    (seed,) = check_seeds([options.seed])
    job = Job(0, options.arrivals.arrivals(), options.scheduler, seed)
    make_scheduler(options.scheduler, seed=seed)  # a mistake in it is not one of the run
    has_events = options.events is not None or options.gantt is not None
    result = simulate_job(setting, job, record_events=has_events)
    summary = result.summary()
    lower_bound = bounds_of(setting, job, "fast")
    if options.json is not None:
        document = {
            "trace": trace.name,
            "scheduler": options.scheduler,
            "seed": seed,
            "cluster": options.cluster,
            "arrivals": job.arrivals.config(),
            "lower_bound": {
                "mean_latency_s": lower_bound.mean_latency_s,
                "makespan_s": lower_bound.makespan_s,
            },
            **summary,
        }
        write_json(document, options.json)
    if options.csv is not None:
        rows = ({name: getattr(query, name) for name in RECORD_FIELDS} for query in result.queries)
        write_csv(rows, RECORD_FIELDS, options.csv)
    if options.events is not None:
        write_csv((event._asdict() for event in result.events or ()), Event._fields, options.events)
    if options.gantt is not None:
        from lsched.plots import save
        from lsched.plots.gantt import gantt

        heading = f"{options.scheduler}: {trace.name}, {job.arrivals.label}, {options.cluster}"
        save(gantt(result, heading=heading), options.gantt)
    title = f"{options.scheduler} on {trace.name}, {job.arrivals.label}, seed {seed}"
    output_console().print(summary_table(title, summary, lower_bound))
