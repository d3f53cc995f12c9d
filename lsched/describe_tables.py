"""What a person asks first of a trace, as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from rich.table import Table

from lsched.arrivals import US_PER_S
from lsched.describe import PERCENTILES, Figures
from lsched.tables import counted, duration, number, plain_table, time_unit
from traces import Plan, Trace
from traces.statistics import critical_path_us, est_work_us, work_us

MAX_ROWS = 15
"""Rows of a table before the rest is summed up."""


def overview(figures: Figures, cluster_name: str) -> Table:
    """What all queries together are like, a line for each aspect."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for label, text in _overview_rows(figures, cluster_name):
        table.add_row(label, text)
    return table


def _overview_rows(figures: Figures, cluster_name: str) -> Iterator[tuple[str, str]]:
    work, wide, templates = figures["work_s"], figures["parallelism"], figures["templates"]
    tenants = counted(figures["num_tenants"], "tenant")
    plans = counted(figures["num_plans"], "plan")
    yield "queries", f"{figures['num_queries']:,}, of {plans} and {tenants}"
    unit, per_s = time_unit([work["p99"]])
    shown = ", ".join(f"p{p} {number(work[f'p{p}'] * per_s)}" for p in PERCENTILES)
    yield (
        "work per query",
        f"mean {number(work['mean'] * per_s)}, {shown}, most {number(work['max'] * per_s)} {unit}; "
        f"CV {number(work['cv'])}",
    )
    shown = ", ".join(f"p{p} {number(wide[f'p{p}'])}" for p in PERCENTILES)
    yield "parallelism", f"{shown} (work ÷ critical path)"
    most = (
        ""
        if templates["count"] <= 10
        else (f"; the 10 most frequent are {100 * templates['top_10_share']:.0f} % of queries")
    )
    yield (
        "templates",
        f"{templates['count']:,}; {100 * templates['repetition_rate']:.0f} % of queries repeat one"
        f"{most}",
    )
    yield from _arrival_rows(figures, cluster_name)
    errors = figures["estimates"]
    if errors is None:
        yield "estimates", "none recorded: schedulers see true means in their place"
        return
    shown = ", ".join(
        f"{what} {number(errors[f'{name}_p50'])} / {number(errors[f'{name}_p90'])}"
        for name, what in (("work", "operators' work"), ("output", "output bytes"))
        if errors[f"{name}_p50"] is not None
    )
    yield "estimates", f"q-error, median / p90: {shown}"
    if errors["spearman"] is not None:
        yield "", f"queries by estimated and by true work: Spearman's ρ {errors['spearman']:.2f}"


def _arrival_rows(figures: Figures, cluster_name: str) -> Iterator[tuple[str, str]]:
    arrivals, load = figures["arrivals"], figures["load"]
    if arrivals is None:
        yield "arrivals", "all at once"
        return
    span = duration(arrivals["span_s"])
    gap_cv = (
        ""
        if arrivals["gap_cv"] is None
        else (f"; gaps: CV {number(arrivals['gap_cv'])} (Poisson: 1)")
    )
    length, gap = duration(arrivals["length_s"]), duration(arrivals["mean_gap_s"])
    yield "arrivals", f"over {length}, one every {gap} in the mean{gap_cv}"
    yield (
        "burstiness",
        f"queries per {span}: CV {number(arrivals['count_cv'])}, dispersion "
        f"{number(arrivals['dispersion'])} (Poisson: 1), peak ÷ mean "
        f"{number(arrivals['peak_to_mean'])}",
    )
    if correlations := arrivals["autocorrelations"]:
        shown = ", ".join(
            f"{value:.2f} after {duration(int(lag) * arrivals['span_s'])}"
            for lag, value in correlations.items()
        )
        yield "", f"autocorrelation {shown}"
    yield (
        "offered load",
        f"{load['mean']:.2f} on {cluster_name} ({counted(load['num_executors'], 'executor')}); in "
        f"the busiest {span} {load['peak']:.2f}",
    )


def group_table(title: str, groups: Sequence[Figures]) -> Table:
    """Tenants or classes, those with most work first."""
    unit, per_s = time_unit(group["mean_work_s"] for group in groups)
    table = plain_table(title)
    table.add_column("", overflow="fold")
    headers = ("queries", "share of\nwork, %", f"mean work\n{unit}", "templates", "repeat\n%")
    for header in headers:
        table.add_column(header, justify="right")
    for group in groups[:MAX_ROWS]:
        table.add_row(
            group["name"] or "(none)",
            number(group["num_queries"]),
            f"{100 * group['work_share']:.1f}",
            number(group["mean_work_s"] * per_s),
            number(group["num_templates"]),
            f"{100 * group['repetition_rate']:.0f}",
        )
    if rest := groups[MAX_ROWS:]:
        share = sum(group["work_share"] for group in rest)
        queries = sum(group["num_queries"] for group in rest)
        table.add_row(f"{len(rest)} more", number(queries), f"{100 * share:.1f}", "", "", "")
    return table


def plan_table(trace: Trace, max_rows: int | None = MAX_ROWS) -> Table:
    """One row per plan; where there are more than ``max_rows``, those with most work in all."""
    totals, uses = dict.fromkeys(trace.plans_by_name(), 0.0), Counter[str]()
    for query, work in zip(trace.queries, work_us(trace).tolist(), strict=True):
        totals[query.plan] += work
        uses[query.plan] += 1
    plans, title = trace.plans, f"{counted(len(trace.plans), 'plan')}, at size factor 1"
    if max_rows is not None and len(plans) > max_rows:
        plans = tuple(sorted(plans, key=lambda plan: -totals[plan.name])[:max_rows])
        title = f"the {max_rows} plans with most work of {title}"
    unit, per_s = time_unit(plan.work_us / US_PER_S for plan in plans)
    columns = _plan_columns(unit, per_s)
    operators = [operator for plan in trace.plans for operator in plan.operators]
    if not any(operator.state_bytes for operator in operators):
        del columns["state\nMB"]
    if all(operator.est_work_order_us is None for operator in operators):
        del columns["est. ÷\ntrue"]
    table = plain_table(title)
    table.add_column("plan", overflow="fold")
    for header in (*columns, "queries", "share\n%"):
        table.add_column(header, justify="right")
    all_work = sum(totals.values())
    for plan in plans:
        shown = (figure(plan) for figure in columns.values())
        share = f"{100 * totals[plan.name] / all_work:.1f}"
        table.add_row(plan.name, *shown, number(uses[plan.name]), share)
    return table


def _plan_columns(unit: str, per_s: float) -> dict[str, Callable[[Plan], str]]:
    def orders(plan: Plan) -> int:
        return sum(operator.num_work_orders for operator in plan.operators)

    return {
        "oper-\nators": lambda plan: number(len(plan.operators)),
        "work\norders": lambda plan: number(orders(plan)),
        f"work\n{unit}": lambda plan: number(plan.work_us / US_PER_S * per_s),
        "order\nms": lambda plan: number(plan.work_us / orders(plan) / 1000),
        "paral-\nlelism": lambda plan: number(plan.work_us / critical_path_us(plan)),
        "state\nMB": lambda plan: number(sum(o.state_bytes for o in plan.operators) / 1e6),
        "est. ÷\ntrue": lambda plan: number(est_work_us(plan) / plan.work_us),
    }


def operator_table(plan: Plan) -> Table:
    """One row per operator of a plan, with where its inputs come from."""
    table = plain_table(f"plan {plan.name}; inputs: > waits for the whole producer, - streams")
    for header in ("", "kind", "name", "inputs"):
        table.add_column(header, overflow="fold")
    for header in ("work\norders", "work\nms", "estimated\nms", "output\nMB", "state\nMB"):
        table.add_column(header, justify="right", no_wrap=True)
    for index, operator in enumerate(plan.operators):
        estimate = operator.est_work_order_us
        estimated = "–" if estimate is None else number(estimate * operator.num_work_orders / 1e3)
        table.add_row(
            str(index),
            operator.kind,
            operator.name,
            " ".join(
                f"{edge.producer}{'>' if edge.is_pipeline_breaker else '-'}"
                for edge in plan.inputs[index]
            ),
            f"{operator.num_work_orders:,}",
            number(operator.work_us / 1e3),
            estimated,
            number(operator.output_bytes / 1e6),
            number(operator.state_bytes / 1e6),
        )
    return table
