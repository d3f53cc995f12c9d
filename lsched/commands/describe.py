"""``lsched describe``: what is in a trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lsched.commands.console import output_console
from lsched.commands.options import ClusterText, OptionalPath, OptionalText, TraceText
from lsched.config_file import write_config
from lsched.describe import Figures, describe
from lsched.describe_tables import group_table, operator_table, overview, plan_table
from lsched.errors import OptionError
from lsched.output import output_directory
from lsched.report import write_json
from lsched.specs import parse_cluster
from sim import Cluster
from traces import Plan, Trace, load
from traces.errors import did_you_mean


@dataclass(frozen=True, kw_only=True)
class Options:
    """Say what is in a trace: queries, tenants, templates, work, arrivals, load and estimates."""

    trace: TraceText
    """A shipped trace or a trace file."""

    cluster: ClusterText = "inmemory-32"

    plan: OptionalText = None
    """Show this plan, operator by operator; with --out also as a graph."""

    all_plans: bool = False
    """List every plan, instead of those with most work."""

    out: OptionalPath = None
    """Directory for describe.json, config.json and plots."""

    format: Literal["png", "pdf", "svg"] = "png"
    """Format of the plots."""


def run(options: Options) -> None:
    """Do what the options say."""
    trace, cluster = load(options.trace), parse_cluster(options.cluster)
    plan = None if options.plan is None else _plan(trace, options.plan)
    figures = describe(trace, cluster) if plan is None or options.out is not None else {}
    if options.out is not None:
        _write(options, trace, cluster, figures, plan)
    console = output_console()
    if plan is not None:
        console.print(operator_table(plan))
    else:
        _show(options, trace, figures)
    if options.out is not None:
        console.print(f"\nwritten to {options.out}", soft_wrap=True)


def _plan(trace: Trace, name: str) -> Plan:
    plans = trace.plans_by_name()
    if name not in plans:
        shown = ", ".join(list(plans)[:20]) + (", …" if len(plans) > 20 else "")
        raise OptionError(
            f"no plan {name!r} in trace {trace.name!r}: there are {shown}"
            + did_you_mean(name, plans)
        )
    return plans[name]


def _show(options: Options, trace: Trace, figures: Figures) -> None:
    console = output_console()
    console.print(f"{trace.name}: {trace.description}" if trace.description else trace.name)
    for key, value in trace.source.items():
        console.print(f"  {key}: {value}", style="dim")
    console.print()
    console.print(overview(figures, options.cluster))
    console.print()
    for key, title in (("query_class", "classes"), ("tenant", "tenants")):
        if groups := figures["groups"].get(key):
            console.print(group_table(title, groups))
    console.print(plan_table(trace, None) if options.all_plans else plan_table(trace))


def _write(
    options: Options, trace: Trace, cluster: Cluster, figures: Figures, plan: Plan | None
) -> None:
    from lsched.plots.files import save
    from lsched.plots.plan import plan_graph
    from lsched.plots.trace import OWN_FILE, trace_figures

    assert options.out is not None
    with output_directory(options.out, OWN_FILE, "describe.json") as directory:
        write_json(figures, directory / "describe.json")
        write_config(options, directory)
        plots = dict(trace_figures(trace, cluster, options.cluster))
        if plan is not None:
            plots["plan"] = plan_graph(plan)
        for name, figure in plots.items():
            save(figure, directory / f"{name}.{options.format}")
