"""What a person asks first of a trace, as figures and as tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table
from scipy import stats

from lsched.arrivals import US_PER_S
from lsched.tables import counted, duration, number, plain_table, time_unit
from sim import Cluster
from traces import Plan, Query, Trace
from traces.split import template_of
from traces.statistics import (
    Floats,
    arrival_statistics,
    critical_path_us,
    est_work_us,
    estimate_errors,
    parallelism,
    q_errors,
    repetition_rate,
    template_counts,
    work_us,
)

MAX_ROWS = 15
"""Rows of a table before the rest is summed up."""
PERCENTILES = (10, 50, 90, 99)

Figures = dict[str, Any]


def describe(trace: Trace, cluster: Cluster) -> Figures:
    """The figures of a trace, as plain values by section: what ``describe.json`` holds.

    Times in seconds; ``load`` is for the given cluster.
    """
    work = work_us(trace)
    arrivals = arrival_statistics(trace, work)
    figures: Figures = {
        "name": trace.name,
        "description": trace.description,
        "source": trace.source,
        "num_plans": len(trace.plans),
        "num_queries": len(trace.queries),
        "num_tenants": len({query.tenant for query in trace.queries}),
        "work_s": _distribution(work / US_PER_S),
        "parallelism": _distribution(parallelism(trace, work)),
        "templates": _templates(trace),
        "groups": {
            key: _groups(trace, work, key)
            for key in ("query_class", "tenant")
            if any(getattr(query, key) for query in trace.queries)
        },
        "arrivals": None,
        "load": None,
        "estimates": _estimates(trace.plans),
    }
    if arrivals is not None:
        per_span = cluster.num_executors * arrivals.span_s * US_PER_S
        gap_us = (trace.queries[-1].arrival_us - trace.queries[0].arrival_us) / (len(work) - 1)
        figures["arrivals"] = {
            "first_s": trace.queries[0].arrival_us / US_PER_S,
            "last_s": trace.queries[-1].arrival_us / US_PER_S,
            "mean_gap_s": gap_us / US_PER_S,
            "gap_cv": arrivals.gap_cv,
            "span_s": arrivals.span_s,
            "count_cv": arrivals.count_cv,
            "dispersion": arrivals.dispersion,
            "peak_to_mean": arrivals.peak_to_mean,
            "autocorrelations": {str(lag): r for lag, r in arrivals.autocorrelations.items()},
        }
        figures["load"] = {
            "num_executors": cluster.num_executors,
            "mean": float(work.mean() / (gap_us * cluster.num_executors)),
            "peak": float(arrivals.work_us.max() / per_span),
        }
    return figures


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
    top = min(10, templates["count"])
    yield (
        "templates",
        f"{templates['count']:,}; {100 * templates['repetition_rate']:.0f} % of queries repeat "
        f"one, the {top} most frequent are {100 * templates['top_10_share']:.0f} % of queries",
    )
    yield from _arrival_rows(figures, cluster_name)
    errors = figures["estimates"]
    if errors is None:
        yield "estimates", "none recorded: schedulers see true means in their place"
        return
    yield (
        "estimates",
        f"q-error, median / p90: operators' work {number(errors['work_p50'])} / "
        f"{number(errors['work_p90'])}, output bytes {number(errors['output_p50'])} / "
        f"{number(errors['output_p90'])}",
    )
    if errors["spearman"] is not None:
        yield "", f"plans by estimated and by true work: Spearman's ρ {errors['spearman']:.2f}"


def _arrival_rows(figures: Figures, cluster_name: str) -> Iterator[tuple[str, str]]:
    arrivals, load = figures["arrivals"], figures["load"]
    if arrivals is None:
        yield "arrivals", "all at once"
        return
    span = duration(arrivals["span_s"])
    gap_cv = "" if arrivals["gap_cv"] is None else f"; gaps: CV {number(arrivals['gap_cv'])}"
    length_s = arrivals["last_s"] - arrivals["first_s"]
    yield (
        "arrivals",
        f"over {duration(length_s)}, one every {duration(arrivals['mean_gap_s'])} in the mean"
        f"{gap_cv} (Poisson: 1)",
    )
    yield (
        "burstiness",
        f"queries per {span}: CV {number(arrivals['count_cv'])}, dispersion "
        f"{number(arrivals['dispersion'])} (Poisson: 1), peak ÷ mean "
        f"{number(arrivals['peak_to_mean'])}",
    )
    if correlations := arrivals["autocorrelations"]:
        shown = ", ".join(f"{value:.2f} at {lag} × {span}" for lag, value in correlations.items())
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
    total: dict[str, float] = defaultdict(float)
    uses: dict[str, int] = defaultdict(int)
    for query, work in zip(trace.queries, work_us(trace).tolist(), strict=True):
        total[query.plan] += work
        uses[query.plan] += 1
    plans, title = trace.plans, f"{counted(len(trace.plans), 'plan')}, at size factor 1"
    if max_rows is not None and len(plans) > max_rows:
        plans = tuple(sorted(plans, key=lambda plan: -total[plan.name])[:max_rows])
        title = f"the {max_rows} plans with most work of {title}"
    unit, per_s = time_unit(plan.work_us / US_PER_S for plan in plans)
    table = plain_table(title)
    table.add_column("plan", overflow="fold")
    for header in (
        *(
            "oper-\nators",
            "breaking\nedges",
            "work\norders",
            f"work\n{unit}",
            "mean work\norder, ms",
        ),
        *("paral-\nlelism", "state\nMB", "est. ÷\ntrue work", "queries"),
    ):
        table.add_column(header, justify="right")
    for plan in plans:
        table.add_row(plan.name, *_plan_figures(plan, per_s), number(uses[plan.name]))
    return table


def _plan_figures(plan: Plan, per_s: float) -> tuple[str, ...]:
    orders = sum(operator.num_work_orders for operator in plan.operators)
    has_estimates = any(operator.est_work_order_us is not None for operator in plan.operators)
    return (
        str(len(plan.operators)),
        str(sum(edge.is_pipeline_breaker for edge in plan.edges)),
        f"{orders:,}",
        number(plan.work_us / US_PER_S * per_s),
        number(plan.work_us / orders / 1000),
        number(plan.work_us / critical_path_us(plan)),
        number(sum(operator.state_bytes for operator in plan.operators) / 1e6),
        number(est_work_us(plan) / plan.work_us) if has_estimates else "–",
    )


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


def _distribution(values: Floats) -> Figures:
    mean = float(values.mean())
    percentiles = np.percentile(values, PERCENTILES)
    return {
        "mean": mean,
        **{f"p{p}": float(v) for p, v in zip(PERCENTILES, percentiles, strict=True)},
        "min": float(values.min()),
        "max": float(values.max()),
        "cv": float(values.std() / mean),
    }


def _templates(trace: Trace) -> Figures:
    counts = [count for _, count in template_counts(trace)]
    return {
        "count": len(counts),
        "repetition_rate": repetition_rate(trace.queries),
        "top_10_share": sum(counts[:10]) / len(trace.queries),
    }


def _groups(trace: Trace, work: Floats, key: str) -> list[Figures]:
    """Queries by tenant or by class, those with most work first."""
    members: Mapping[str, list[tuple[Query, float]]] = defaultdict(list)
    for query, own in zip(trace.queries, work.tolist(), strict=True):
        members[getattr(query, key)].append((query, own))
    total = float(work.sum())
    groups = [_group(name, pairs, total) for name, pairs in members.items()]
    return sorted(groups, key=lambda group: -group["work_share"])


def _group(name: str, pairs: Iterable[tuple[Query, float]], total: float) -> Figures:
    queries, works = zip(*pairs, strict=True)
    own = float(sum(works))
    return {
        "name": name,
        "num_queries": len(queries),
        "work_share": own / total,
        "mean_work_s": own / len(queries) / US_PER_S,
        "num_templates": len(set(map(template_of, queries))),
        "repetition_rate": repetition_rate(queries),
    }


def _estimates(plans: Sequence[Plan]) -> Figures | None:
    errors = estimate_errors(plans)
    if errors is None:
        return None
    figures: Figures = {}
    for name in ("work", "output"):
        ratios = q_errors(getattr(errors, name))
        for p in (50, 90):
            figures[f"{name}_p{p}"] = float(np.percentile(ratios, p)) if len(ratios) else 1.0
    true = [plan.work_us for plan in plans]
    rank = stats.spearmanr(true, errors.plan_work * true) if len(plans) > 2 else None
    figures["spearman"] = None if rank is None else float(rank.statistic)
    return figures
