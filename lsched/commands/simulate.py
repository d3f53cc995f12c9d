"""``lsched simulate``: one scheduler, once."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from lsched.commands.console import output_console, progress_bar
from lsched.commands.options import (
    NO_ARRIVAL_OPTIONS,
    ArrivalGroup,
    ClusterText,
    EngineOption,
    OnOff,
    OptionalPath,
    TraceText,
    WholeNumber,
    chosen_engine,
)
from lsched.config_file import config_beside, put_config
from lsched.output import check_output_files
from lsched.perfetto import MemoryWatch, put_perfetto
from lsched.report import RECORD_FIELDS, csv_rows, put_csv, put_json, record_row
from lsched.runner import blamed
from lsched.specs import check_scheduler_text, check_seeds, parse_cluster
from lsched.tables import summary_table
from lsched.watch import simulate_watched
from sim import Cluster, Event, QueryRecord, Result, lower_bounds, make_scheduler, simulate
from traces import Trace, TraceStream, open_stream
from traces.output import atomic_file

OUTPUT_FILES = ("json", "csv", "events", "gantt", "perfetto")
"""Options that name files to write; ``FILE.config.json`` is beside the first that is given."""
MAX_LOADED = 100_000
"""Queries of a trace that is replayed from memory; of longer ones only those in the system are."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Run one scheduler once and show the figures of the run.

    All options are left beside the first file that is written, as FILE.config.json.

    Of a trace of more than 100,000 queries only those in the system are kept in memory.
    """

    trace: TraceText
    """A shipped trace or a trace file."""

    scheduler: str = "fair"
    """As name, name:key=value+key=value, or path/to/file.py:ClassName."""

    seed: WholeNumber = 0
    """For arrivals, the luck of work orders, and schedulers that draw."""

    cluster: ClusterText = "inmemory-32"

    history: OnOff = "on"
    """Whether schedulers see completed runs of a plan."""

    engine: EngineOption = "auto"
    """What simulates: fast where numba is installed, else simpy. Their results are equal."""

    json: OptionalPath = None
    """File for the figures."""

    csv: OptionalPath = None
    """File for one row per query."""

    events: OptionalPath = None
    """File for the event log, as CSV."""

    gantt: OptionalPath = None
    """File (.png, .pdf, .svg) for a Gantt chart of the executors."""

    perfetto: OptionalPath = None
    """File (.json) for the run as trace events, which ui.perfetto.dev opens."""

    arrivals: ArrivalGroup = NO_ARRIVAL_OPTIONS


def run(options: Options) -> None:
    """Do what the options say."""
    outputs = [getattr(options, name) for name in OUTPUT_FILES]
    config = config_beside(*outputs)
    check_output_files(*outputs, config)
    if options.gantt is not None:
        from lsched.plots import check_format

        check_format(options.gantt)
    arrivals, cluster = options.arrivals.arrivals(), parse_cluster(options.cluster)
    (seed,) = check_seeds([options.seed])
    # Made here once: a mistake in it is not one of the run.
    make_scheduler(check_scheduler_text(options.scheduler), seed=seed)
    stream = open_stream(options.trace)
    is_long = stream.num_queries > MAX_LOADED and arrivals.is_replay_of_all
    is_streamed = is_long and options.perfetto is None
    trace = stream if is_streamed else arrivals.of(stream.load(), cluster, seed)
    memory = MemoryWatch()
    with ExitStack() as files:  # each gets its final name when all are complete
        result = _simulate(options, trace, cluster, seed, memory, files)
        summary = result.summary()
        bounds = _bounds(result, trace, seed)
        if options.json is not None:
            document = {
                "trace": trace.name,
                "scheduler": options.scheduler,
                "seed": seed,
                "cluster": options.cluster,
                "arrivals": arrivals.config(),
                "lower_bound": bounds,
                **summary,
            }
            put_json(document, files.enter_context(atomic_file(options.json)))
        if options.events is not None:
            events = (event._asdict() for event in result.events or ())
            put_csv(events, Event._fields, files.enter_context(atomic_file(options.events)))
        if options.gantt is not None:
            from lsched.plots import put
            from lsched.plots.gantt import gantt

            heading = f"{trace.name}, {arrivals.label}, {options.cluster}"
            out = files.enter_context(atomic_file(options.gantt))
            put(gantt(result, heading=heading), check_format(options.gantt), out)
        if options.perfetto is not None and isinstance(trace, Trace):
            out = files.enter_context(atomic_file(options.perfetto))
            put_perfetto(result, trace, memory.used_bytes, out)
        if config is not None:
            put_config(options, files.enter_context(atomic_file(config)))
    title = f"{options.scheduler} on {trace.name}, {arrivals.label}, seed {seed}"
    output_console().print(summary_table(title, summary, bounds))


def _simulate(
    options: Options,
    trace: Trace | TraceStream,
    cluster: Cluster,
    seed: int,
    memory: MemoryWatch,
    files: ExitStack,
) -> Result:
    """The run; rows of queries are written as they complete."""
    engine = chosen_engine(options.engine)
    with ExitStack() as running:
        progress = running.enter_context(progress_bar("simulating"))
        write_row = None
        if options.csv is not None:
            out = files.enter_context(atomic_file(options.csv))
            write_row = running.enter_context(csv_rows(RECORD_FIELDS, out))
        num_completed = 0

        def note(record: QueryRecord) -> None:
            nonlocal num_completed
            num_completed += 1
            if write_row is not None:
                write_row(record_row(record))
            progress(num_completed, trace.num_queries)

        with blamed(trace.name, options.scheduler, seed):
            if options.perfetto is not None and isinstance(trace, Trace):
                return simulate_watched(
                    trace,
                    options.scheduler,
                    memory,
                    cluster=cluster,
                    seed=seed,
                    history=options.history == "on",
                    engine=engine,
                    record_events=True,
                    on_record=note,
                )
            return simulate(
                trace,
                options.scheduler,
                cluster=cluster,
                seed=seed,
                history=options.history == "on",
                engine=engine,
                record_events=options.events is not None or options.gantt is not None,
                on_record=note,
                keep_records=options.gantt is not None,
            )


def _bounds(result: Result, trace: Trace | TraceStream, seed: int) -> dict[str, float]:
    """What no scheduler goes below; of a trace that is not kept, each query alone (B1)."""
    if isinstance(trace, Trace):
        found = lower_bounds(trace, result.cluster, seed)
        return {"mean_latency_s": found.mean_latency_s, "makespan_s": found.makespan_s}
    return {"mean_latency_s": result.totals.isolated_s / result.totals.num_queries}
