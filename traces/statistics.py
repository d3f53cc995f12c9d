"""Figures of a trace: work, parallelism, arrivals, repetition, errors of the estimates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from traces.model import Operator, Plan, Query, Trace
from traces.split import template_of
from traces.units import US_PER_S

Floats = NDArray[np.float64]

SPANS_S = (3600.0, 600.0, 60.0, 10.0, 1.0, 0.1, 0.01)
"""Spans that arrivals may be counted by."""
MIN_SPANS = 24
"""Arrivals are counted by the longest span of which the trace has as many."""


def work_us(trace: Trace) -> Floats:
    """True work of each query, µs, as ``Plan.work_at`` times its time factor. Shapes: [queries]."""
    times: Floats = np.array([query.time_factor for query in trace.queries])
    return times * _work_at_size(trace)


def est_query_work_us(trace: Trace) -> Floats:
    """Work of each query as the recorded estimates predict it, µs; time factors are hidden.

    Shapes: [queries].
    """
    return _work_at_size(trace, _est_work_order_us)


def work_at(
    plan: Plan, sizes: Floats, work_order_us: Callable[[Operator], float] | None = None
) -> Floats:
    """``Plan.work_at`` for many size factors, µs. Shapes: [sizes] → [sizes].

    Args:
        plan: the plan.
        sizes: the size factors.
        work_order_us: mean time of an operator's work order; None: the true one.
    """
    total = np.zeros(len(sizes))
    # One operator after the other: the same sum on every machine, and no array of all of them.
    for operator in plan.operators:
        each_us = operator.mean_work_order_us if work_order_us is None else work_order_us(operator)
        if operator.is_scalable:
            total += each_us * np.floor(operator.num_work_orders * sizes + 0.5).clip(1.0)
        else:
            total += each_us * operator.num_work_orders
    return total


def critical_path_us(plan: Plan) -> float:
    """Least latency of a plan on as many executors as it can use, µs.

    An operator takes at least its longest work order; it starts after everything behind its
    breaking inputs and ends no earlier than its producers.
    """
    starts, ends = [0.0] * len(plan.operators), [0.0] * len(plan.operators)
    for index in plan.topological_order:
        inputs = plan.inputs[index]
        starts[index] = max(
            (ends[e.producer] if e.is_pipeline_breaker else starts[e.producer] for e in inputs),
            default=0.0,
        )
        own = starts[index] + max(plan.operators[index].work_order_us)
        ends[index] = max([own, *(ends[edge.producer] for edge in inputs)])
    return max(ends)


def parallelism(trace: Trace, work: Floats) -> Floats:
    """Work ÷ critical path of each query: executors that it can keep busy in the mean.

    Args:
        trace: the trace.
        work: of its queries, see ``work_us``. Shapes: [queries].
    """
    paths = {plan.name: critical_path_us(plan) for plan in trace.plans}
    own = np.array([paths[query.plan] * query.time_factor for query in trace.queries])
    result: Floats = work / own
    return result


def repetition_rate(queries: Sequence[Query]) -> float:
    """Share of queries whose template was submitted before."""
    return 1.0 - len({template_of(query) for query in queries}) / len(queries)


def template_counts(trace: Trace) -> list[tuple[str, int]]:
    """Templates and how often each was submitted, the most frequent first."""
    return Counter(map(template_of, trace.queries)).most_common()


@dataclass(frozen=True)
class ArrivalStatistics:
    """How queries arrive.

    Attributes:
        span_s: what ``counts`` and ``work_us`` are by.
        starts_s: when each span begins; spans begin at multiples of their length.
        counts, work_us: queries, and their work, that arrive in each span.
        gap_cv: coefficient of variation of the gaps between arrivals; 1 for a Poisson process.
            None with fewer than three queries, or where all arrive at once.
        count_cv: coefficient of variation of the counts.
        dispersion: variance ÷ mean of the counts; 1 for a Poisson process.
        peak_to_mean: largest count ÷ mean.
        autocorrelations: of the counts, by lag in spans; only lags of which the trace is at least
            three long.
    """

    span_s: float
    starts_s: Floats
    counts: Floats
    work_us: Floats
    gap_cv: float | None
    count_cv: float
    dispersion: float
    peak_to_mean: float
    autocorrelations: dict[int, float]


def arrival_statistics(trace: Trace, work: Floats) -> ArrivalStatistics | None:
    """How queries arrive; None where all arrive at once.

    Args:
        trace: the trace.
        work: of its queries, see ``work_us``. Shapes: [queries].
    """
    times_us = np.array([query.arrival_us for query in trace.queries])
    length_s = float(times_us[-1] - times_us[0]) / US_PER_S
    if length_s == 0:
        return None
    span_s = next((span for span in SPANS_S if length_s >= MIN_SPANS * span), length_s / MIN_SPANS)
    index = np.floor(times_us / US_PER_S / span_s).astype(np.int64)
    first, size = index[0], int(index[-1] - index[0]) + 1
    counts = np.bincount(index - first, minlength=size).astype(float)
    gaps = np.diff(times_us).astype(float)
    variance, mean = float(counts.var()), float(counts.mean())
    return ArrivalStatistics(
        span_s=span_s,
        starts_s=(first + np.arange(size)) * span_s,
        counts=counts,
        work_us=np.bincount(index - first, weights=work, minlength=size).astype(float),
        gap_cv=variation(gaps) if len(gaps) > 1 else None,
        count_cv=variation(counts),
        dispersion=variance / mean,
        peak_to_mean=float(counts.max()) / mean,
        autocorrelations={
            lag: _autocorrelation(counts, lag)
            for lag in (1, *((24, 168) if span_s == 3600 else ()))
            if size >= 3 * lag and variance > 0
        },
    )


@dataclass(frozen=True)
class EstimateErrors:
    """Estimated ÷ true values, of operators that have an estimate and a true value above 0.

    Attributes:
        work, output: of operators' work and output bytes.
        plan_work: of plans' work, in their order.
    """

    work: Floats
    output: Floats
    plan_work: Floats


def estimate_errors(plans: Sequence[Plan]) -> EstimateErrors | None:
    """How wrong the recorded estimates are; None where no operator records any."""
    operators = [operator for plan in plans for operator in plan.operators]
    known = [operator for operator in operators if operator.est_work_order_us is not None]
    if not known:
        return None
    outputs = [
        (operator.est_output_bytes, operator.output_bytes)
        for operator in operators
        if operator.est_output_bytes and operator.output_bytes
    ]
    return EstimateErrors(
        work=np.array(
            [(operator.est_work_order_us or 0) / operator.mean_work_order_us for operator in known]
        ),
        output=np.array([estimated / true for estimated, true in outputs]),
        plan_work=np.array([est_work_us(plan) / plan.work_us for plan in plans]),
    )


def est_work_us(plan: Plan) -> float:
    """Work that the recorded estimates predict at size factor 1, µs; true where there are none."""
    return sum(
        _est_work_order_us(operator) * operator.num_work_orders for operator in plan.operators
    )


def q_errors(ratios: Floats) -> Floats:
    """The larger of a ratio and its inverse: 1 is exact."""
    return np.maximum(ratios, 1.0 / ratios)


def variation(values: Floats) -> float:
    """Coefficient of variation: standard deviation ÷ mean."""
    return float(values.std() / values.mean()) if np.ptp(values) else 0.0


def _est_work_order_us(operator: Operator) -> float:
    return operator.est_work_order_us or operator.mean_work_order_us


def _work_at_size(trace: Trace, work_order_us: Callable[[Operator], float] | None = None) -> Floats:
    """Work of each query at its size, µs, as ``work_at``. Shapes: [queries]."""
    sizes = np.array([query.size_factor for query in trace.queries])
    result = np.empty(len(trace.queries))
    for plan, rows in _rows_by_plan(trace):
        result[rows] = work_at(plan, sizes[rows], work_order_us)
    return result


def _rows_by_plan(trace: Trace) -> list[tuple[Plan, NDArray[np.intp]]]:
    place = {plan.name: index for index, plan in enumerate(trace.plans)}
    plans = np.array([place[query.plan] for query in trace.queries])
    order = np.argsort(plans, kind="stable")
    bounds = np.searchsorted(plans[order], np.arange(len(trace.plans) + 1))
    return [
        (plan, order[low:high])
        for plan, low, high in zip(trace.plans, bounds[:-1], bounds[1:], strict=True)
        if high > low
    ]


def _autocorrelation(values: Floats, lag: int) -> float:
    centred = values - values.mean()
    return float((centred[lag:] * centred[:-lag]).sum() / (centred**2).sum())
