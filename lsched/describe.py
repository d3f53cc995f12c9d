"""What a person asks first of a trace, as figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from scipy import stats

from lsched.arrivals import US_PER_S
from sim import Cluster
from traces import Query, Trace
from traces.split import template_of
from traces.statistics import (
    Floats,
    arrival_statistics,
    est_query_work_us,
    estimate_errors,
    parallelism,
    q_errors,
    repetition_rate,
    template_counts,
    variation,
    work_us,
)

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
        "estimates": _estimates(trace, work),
    }
    if arrivals is not None:
        per_span = cluster.num_executors * arrivals.span_s * US_PER_S
        length_us = trace.queries[-1].arrival_us - trace.queries[0].arrival_us
        gap_us = length_us / (len(work) - 1)
        figures["arrivals"] = {
            "first_s": trace.queries[0].arrival_us / US_PER_S,
            "length_s": length_us / US_PER_S,
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


def _distribution(values: Floats) -> Figures:
    percentiles = np.percentile(values, PERCENTILES)
    return {
        "mean": float(values.mean()),
        **{f"p{p}": float(v) for p, v in zip(PERCENTILES, percentiles, strict=True)},
        "min": float(values.min()),
        "max": float(values.max()),
        "cv": variation(values),
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


def _estimates(trace: Trace, work: Floats) -> Figures | None:
    """Errors of the recorded estimates; None where there are none, of the whole or of a part."""
    errors = estimate_errors(trace.plans)
    if errors is None:
        return None
    figures: Figures = {}
    for name in ("work", "output"):
        ratios = q_errors(getattr(errors, name))
        for p in (50, 90):
            figures[f"{name}_p{p}"] = float(np.percentile(ratios, p)) if len(ratios) else None
    estimated = est_query_work_us(trace)
    has_ranks = np.ptp(estimated) > 0 and np.ptp(work) > 0
    figures["spearman"] = float(stats.spearmanr(estimated, work).statistic) if has_ranks else None
    return figures
