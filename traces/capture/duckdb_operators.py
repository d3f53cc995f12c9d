"""From measured pipelines to operators with times of their own.

A pipeline's work orders are measured as a whole. Each is divided between the pipeline's operators
in proportion to their times in the profile; what a sink does after the last row is its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from traces.cache import probe_slowdown
from traces.capture.duckdb_draft import DraftOperator, DraftPlan
from traces.capture.duckdb_log import LogEvent, PipelineTimes, measure_pipelines
from traces.capture.duckdb_plan import CACHE_BYTES, draft_plan
from traces.capture.duckdb_profile import Profile
from traces.model import Edge

TRIVIAL_SHARE = 0.02
"""Projections, filters, limits and constants below this share of the plan's work join their
neighbour in the pipeline."""
VECTOR_ROWS = 2048
"""A pipeline over at most one vector of rows does not grow with the data."""
MIN_BODY_SHARE = 0.05
"""Least share of a sink's time that is taken to be spent row by row, not at the end."""


@dataclass(frozen=True)
class Execution:
    """What was recorded of one execution: profile, log and end on the log's clock."""

    profile: Profile
    events: Sequence[LogEvent]
    end_us: int


@dataclass
class MeasuredOperator:
    """An operator with the measured times of its work orders."""

    draft: DraftOperator
    work_order_us: list[float]
    is_scalable: bool

    @property
    def work_us(self) -> float:
        """Sum of its times."""
        return sum(self.work_order_us)


@dataclass
class MeasuredPlan:
    """A plan with times, of the execution whose total is the median.

    Attributes:
        pipelines: chains of operator indices.
        latency_us: wall time of that execution, planning included.
        execution_us: the part of it that was given to pipelines.
    """

    name: str
    operators: list[MeasuredOperator]
    edges: list[Edge]
    pipelines: list[list[int]]
    latency_us: float
    execution_us: float

    @property
    def coverage(self) -> float:
        """Share of the wall time that the work orders explain."""
        return self.execution_us / self.latency_us if self.latency_us else 1.0


def measure_plan(
    name: str,
    executions: Sequence[Execution],
    row_group_rows: Mapping[tuple[str, int], int],
) -> MeasuredPlan:
    """The plan of a query with times from its median execution.

    Args:
        name: the plan's name.
        executions: at least one.
        row_group_rows: rows by table and row-group number.
    """
    ranked = []
    for number, execution in enumerate(executions):
        draft = draft_plan(execution.profile)
        # Only Parquet scans leave events: with others among them, gaps would mean nothing.
        events = execution.events if _scans_parquet(draft) else ()
        times = measure_pipelines(draft, events, execution.end_us, row_group_rows)
        ranked.append((sum(time.total_us for time in times), number, draft, times))
    ranked.sort(key=lambda entry: entry[:2])
    total_us, number, draft, times = ranked[(len(ranked) - 1) // 2]
    operators = _divide(draft, times)
    plan = _Merger(draft, operators).merged(TRIVIAL_SHARE * total_us)
    plan.name = name
    plan.latency_us = 1e6 * executions[number].profile.latency_s
    plan.execution_us = total_us
    _to_own_cache(plan)
    return plan


def _scans_parquet(draft: DraftPlan) -> bool:
    """Whether every table is read from Parquet files."""
    scans = [operator.node.info for operator in draft.operators if operator.kind == "scan"]
    return all(info.get("Function", "") in ("READ_PARQUET", "PARQUET_SCAN") for info in scans)


def _divide(draft: DraftPlan, times: list[PipelineTimes]) -> list[MeasuredOperator]:
    """Operators with their share of each work order."""
    shares: dict[int, list[float]] = {}
    for chain, time in zip(draft.pipelines, times, strict=True):
        body_us = sum(time.work_order_us)
        weights = [1e6 * draft.operators[index].time_s for index in chain]
        weights[-1] = max(weights[-1] - time.finish_us, MIN_BODY_SHARE * weights[-1])
        total = sum(weights)
        for index, weight in zip(chain, weights, strict=True):
            share = weight / total if total else 1.0 / len(chain)
            if index == chain[-1] and body_us:
                share += time.finish_us / body_us
            shares[index] = [duration * share for duration in time.work_order_us]
    pipeline_of = draft.pipeline_of()
    heads = [draft.operators[chain[0]].rows_in for chain in draft.pipelines]
    return [
        MeasuredOperator(operator, shares[index], heads[pipeline_of[index]] > VECTOR_ROWS)
        for index, operator in enumerate(draft.operators)
    ]


class _Merger:
    """Folds trivial operators into a neighbour; their time goes along.

    Into the producer in the same pipeline, else into the consumer in the same pipeline, else (alone
    in its pipeline) into its only producer.
    """

    def __init__(self, draft: DraftPlan, operators: list[MeasuredOperator]) -> None:
        self._operators = dict(enumerate(operators))
        self._edges = list(draft.edges)
        self._pipelines = [list(chain) for chain in draft.pipelines]

    def merged(self, limit_us: float) -> MeasuredPlan:
        for index in list(self._operators):
            operator = self._operators[index]
            is_simple = operator.draft.kind in ("project", "filter", "limit", "other")
            if is_simple and operator.work_us < limit_us:
                self._merge(index)
        kept = {old: new for new, old in enumerate(self._operators)}
        return MeasuredPlan(
            name="",
            operators=list(self._operators.values()),
            edges=[
                Edge(kept[edge.producer], kept[edge.consumer], edge.is_pipeline_breaker)
                for edge in self._edges
            ],
            pipelines=[[kept[old] for old in chain] for chain in self._pipelines if chain],
            latency_us=0.0,
            execution_us=0.0,
        )

    def _merge(self, index: int) -> None:
        inputs = [edge for edge in self._edges if edge.consumer == index]
        outputs = [edge for edge in self._edges if edge.producer == index]
        upstream = [edge.producer for edge in inputs if not edge.is_pipeline_breaker]
        downstream = [edge.consumer for edge in outputs if not edge.is_pipeline_breaker]
        target = next(iter(upstream + downstream), None)
        is_alone = target is None
        if is_alone:
            if len(inputs) != 1:
                return
            target = inputs[0].producer
        assert target is not None
        operator, host = self._operators.pop(index), self._operators[target]
        if is_alone:
            growth = 1 + operator.work_us / host.work_us if host.work_us else 1.0
            host.work_order_us = [time * growth for time in host.work_order_us]
        else:
            host.work_order_us = [
                one + other
                for one, other in zip(host.work_order_us, operator.work_order_us, strict=True)
            ]
        if is_alone or upstream:  # it stands behind its host, so its output is the host's
            host.draft.rows_out = operator.draft.rows_out
            host.draft.est_rows_out = operator.draft.est_rows_out
            host.draft.width_bytes = operator.draft.width_bytes
        edges: dict[tuple[int, int], bool] = {}
        for edge in self._edges:
            ends = (
                target if edge.producer == index else edge.producer,
                target if edge.consumer == index else edge.consumer,
            )
            if ends[0] != ends[1]:
                # A consumer of the lone operator had to wait, and waits for the host.
                edges.setdefault(ends, edge.is_pipeline_breaker)
        self._edges = [Edge(*ends, is_breaking) for ends, is_breaking in edges.items()]
        for chain in self._pipelines:
            if index in chain:
                chain.remove(index)


def _to_own_cache(plan: MeasuredPlan) -> None:
    """Reduce each probe's time to what it takes with its own hash table alone in the cache.

    The simulator multiplies by the opposite when tables are probed together (rule R9).
    """
    states: dict[int, int] = {
        index: 0 for index, operator in enumerate(plan.operators) if operator.draft.kind == "probe"
    }
    for edge in plan.edges:
        producer = plan.operators[edge.producer].draft
        if edge.consumer in states and producer.kind == "build":
            states[edge.consumer] += producer.state_bytes
    for chain in plan.pipelines:
        together = sum(states.get(index, 0) for index in chain)
        for index in chain:
            if index in states:
                slowdown = probe_slowdown(states[index], together, CACHE_BYTES)
                operator = plan.operators[index]
                operator.work_order_us = [time / slowdown for time in operator.work_order_us]
