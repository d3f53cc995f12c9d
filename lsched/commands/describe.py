"""``lsched describe``: what is in a trace."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from rich.table import Table

from lsched.arrivals import US_PER_S
from lsched.commands.console import output_console
from lsched.commands.options import ClusterText, TraceText
from lsched.specs import parse_cluster
from lsched.tables import number, plain_table, time_unit
from sim import Cluster
from traces import Plan, Trace, load


@dataclass(frozen=True, kw_only=True)
class Options:
    """Say what is in a trace: plans, work, queries, and the load that they put on a cluster."""

    trace: TraceText
    """A shipped trace or a trace file."""

    cluster: ClusterText = "inmemory-32"


def run(options: Options) -> None:
    """Do what the options say."""
    trace, cluster = load(options.trace), parse_cluster(options.cluster)
    console = output_console()
    console.print(f"{trace.name}: {trace.description}" if trace.description else trace.name)
    for key, value in trace.source.items():
        console.print(f"  {key}: {value}", style="dim")
    console.print(plan_table(trace))
    for line in query_lines(trace, cluster, options.cluster):
        console.print(line)


def plan_table(trace: Trace) -> Table:
    """One row per plan."""
    unit, per_s = time_unit(plan.work_us / US_PER_S for plan in trace.plans)
    table = plain_table(f"{len(trace.plans)} plans, at size factor 1")
    table.add_column("plan", overflow="fold")
    for header in (
        "operators",
        "edges",
        "breaking\nedges",
        "work\norders",
        f"work\n{unit}",
        "mean work\norder, ms",
        "state\nMB",
        "queries",
    ):
        table.add_column(header, justify="right")
    uses = Counter(query.plan for query in trace.queries)
    for plan in trace.plans:
        table.add_row(plan.name, *_plan_figures(plan, per_s), str(uses[plan.name]))
    return table


def query_lines(trace: Trace, cluster: Cluster, cluster_name: str) -> list[str]:
    """Queries, their arrivals, and the offered load."""
    plans = trace.plans_by_name()
    work_s = [
        plans[query.plan].work_at(query.size_factor) * query.time_factor / US_PER_S
        for query in trace.queries
    ]
    span_s = (trace.queries[-1].arrival_us - trace.queries[0].arrival_us) / US_PER_S
    unit, per_s = time_unit(work_s)
    mean_s = sum(work_s) / len(work_s)
    lines = [
        f"{len(trace.queries)} queries; work per query: mean {number(mean_s * per_s)}, "
        f"least {number(min(work_s) * per_s)}, most {number(max(work_s) * per_s)} {unit}"
    ]
    if span_s == 0:
        lines.append("all arrive at once")
        return lines
    gap_s = span_s / (len(trace.queries) - 1)
    offered = mean_s / (gap_s * cluster.num_executors)
    gap_unit, gap_per_s = time_unit([gap_s])
    lines.append(
        f"arrivals over {number(span_s)} s, one every {number(gap_s * gap_per_s)} {gap_unit} in "
        "the mean"
    )
    lines.append(
        f"offered load on {cluster_name} ({cluster.num_executors} executors): {offered:.2f}"
    )
    return lines


def _plan_figures(plan: Plan, per_s: float) -> tuple[str, ...]:
    orders = sum(operator.num_work_orders for operator in plan.operators)
    return (
        str(len(plan.operators)),
        str(len(plan.edges)),
        str(sum(edge.is_pipeline_breaker for edge in plan.edges)),
        f"{orders:,}",
        number(plan.work_us / US_PER_S * per_s),
        number(plan.work_us / orders / 1000),
        number(sum(operator.state_bytes for operator in plan.operators) / 1e6),
    )
