"""Durations of single work orders from DuckDB's ``PhysicalOperator`` log.

At level TRACE the log has an event for each row group that a Parquet scan starts to read, and for
each hash table whose rows are collected and which is to be filled. With one thread everything
happens one after the other, so the time between two events is what the first one started: a work
order (one row group through the whole pipeline), or, after the last of several such events in a
row, the filling of their hash tables. Pipelines that read an intermediate result leave no events;
each is placed into the interval, among those in which it can have run, that is longest beyond
what its own event explains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from traces.capture.duckdb_draft import DraftPlan

ROW_GROUP_ROWS = 122_880
"""Rows of a work order: DuckDB's row group."""
FINISH_SHARE = 0.5
"""Expected share of a build's time that fills the table after its rows are collected. Only used
where such an interval also holds pipelines without events."""


@dataclass(frozen=True)
class LogEvent:
    """One entry of the log; ``parameters`` tell the operator, ``info`` what happened."""

    time_us: int
    operator_type: str
    event: str
    parameters: Mapping[str, str]
    info: Mapping[str, str]


@dataclass
class PipelineTimes:
    """Measured times of one pipeline.

    Attributes:
        work_order_us: times of its work orders, in order.
        finish_us: time its sink spent after the last row was in; not in ``work_order_us``.
    """

    work_order_us: list[float] = field(default_factory=list)
    finish_us: float = 0.0

    @property
    def total_us(self) -> float:
        """All of its time."""
        return sum(self.work_order_us) + self.finish_us


@dataclass
class _Interval:
    """Time from one event to the next.

    A work order of ``rows`` rows of the one pipeline in ``weights``; or, with 0 rows, hash tables
    being filled, with their rows as weights by pipeline.
    """

    length_us: float
    rows: int
    weights: dict[int, int]
    expected_us: float = 0.0
    guests: list[int] = field(default_factory=list)


def measure_pipelines(
    plan: DraftPlan,
    events: Sequence[LogEvent],
    end_us: int,
    row_group_rows: Mapping[tuple[str, int], int],
) -> list[PipelineTimes]:
    """Times of every pipeline, in the order of ``plan.pipelines``.

    All time from the first event to the end of the query is given to some pipeline; the time
    before, when DuckDB plans the query, to none. Without any events the times of the profile
    stand in.

    Args:
        plan: the operators and pipelines.
        events: the log of one execution of the query with one thread, in order of time.
        end_us: when the query ended, on the log's clock.
        row_group_rows: rows by table and row-group number, where they are known.
    """
    profile_us = [
        1e6 * sum(plan.operators[index].time_s for index in chain) for chain in plan.pipelines
    ]
    intervals = _intervals(plan, events, end_us, row_group_rows)
    _expect(plan, intervals, profile_us)
    hosted = {pipeline for interval in intervals if interval.rows for pipeline in interval.weights}
    for pipeline in _topological(plan):
        if pipeline not in hosted and intervals:
            host = _host(plan, intervals, pipeline, profile_us)
            host.guests.append(pipeline)
    times = [PipelineTimes() for _ in plan.pipelines]
    for interval in intervals:
        _share_out(interval, times, profile_us)
    for pipeline, time in enumerate(times):
        if not intervals:
            time.work_order_us = [profile_us[pipeline]]
        if pipeline not in hosted:
            head = plan.operators[plan.pipelines[pipeline][0]]
            count = max(1, -(-head.rows_in // ROW_GROUP_ROWS))
            body_us = sum(time.work_order_us)
            if body_us == 0:
                body_us, time.finish_us = time.finish_us, 0.0
            time.work_order_us = _by_rows(body_us, head.rows_in, count)
    return times


def _by_rows(total_us: float, rows: int, count: int) -> list[float]:
    """``total_us`` over full work orders and a last, shorter one."""
    sizes = [ROW_GROUP_ROWS] * (count - 1) + [max(1, rows - (count - 1) * ROW_GROUP_ROWS)]
    return [total_us * size / sum(sizes) for size in sizes]


def _intervals(
    plan: DraftPlan,
    events: Sequence[LogEvent],
    end_us: int,
    row_group_rows: Mapping[tuple[str, int], int],
) -> list[_Interval]:
    finder, pipeline_of = _Finder(plan), plan.pipeline_of()
    starts: list[int] = []
    intervals: list[_Interval] = []
    for event in events:
        if event.event == "ReadRowGroup" and (operator := finder.scan(event)) is not None:
            group = (plan.operators[operator].name, int(event.info.get("row_group_id", "0")))
            rows = max(1, row_group_rows.get(group, ROW_GROUP_ROWS))
            starts.append(event.time_us)
            intervals.append(_Interval(0.0, rows, {pipeline_of[operator]: rows}))
        elif event.event == "Finalize" and (operator := finder.build(event)) is not None:
            if not intervals or intervals[-1].rows:
                starts.append(event.time_us)
                intervals.append(_Interval(0.0, 0, {}))
            weight = 1 + plan.operators[operator].rows_in
            intervals[-1].weights[pipeline_of[operator]] = weight
    ends = [*starts[1:], end_us]
    for interval, start, end in zip(intervals, starts, ends, strict=False):
        interval.length_us = max(0.0, float(end - start))
    return intervals


class _Finder:
    """Which operator an event is about: its description, else the first not yet seen."""

    def __init__(self, plan: DraftPlan) -> None:
        self._scans: dict[tuple[str, ...], list[int]] = {}
        self._builds: dict[tuple[str, ...], list[int]] = {}
        self._filters: dict[int, str] = {}
        self._running: dict[tuple[str, ...], tuple[int, int]] = {}
        for index, operator in enumerate(plan.operators):
            info = operator.node.info
            if operator.kind == "scan":
                key = self._scan_key(operator.name, info, info.get("Estimated Cardinality", ""))
                self._scans.setdefault(key, []).append(index)
                self._filters[index] = info.get("Dynamic Filters", "")
            elif operator.kind == "build":
                key = self._join_key(info, info.get("Estimated Cardinality", ""))
                self._builds.setdefault(key, []).append(index)

    def scan(self, event: LogEvent) -> int | None:
        parameters = event.parameters
        file = event.info.get("file", "").replace("\\", "/")
        table = file.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        key = self._scan_key(table, parameters, parameters.get("__estimated_cardinality__", ""))
        candidates = self._scans.get(key, [])
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        group = int(event.info.get("row_group_id", "0"))
        filters = parameters.get("Dynamic Filters", "")
        exact = [index for index in candidates if self._filters[index] == filters]
        if len(exact) == 1:
            return exact[0]
        # Indistinguishable scans run one after the other: a new one starts over at a row group.
        position, last_group = self._running.get(key, (0, -1))
        if group <= last_group:
            position = min(position + 1, len(candidates) - 1)
        self._running[key] = (position, group)
        return candidates[position]

    def build(self, event: LogEvent) -> int | None:
        parameters = event.parameters
        key = self._join_key(parameters, parameters.get("__estimated_cardinality__", ""))
        candidates = self._builds.get(key, [])
        return candidates.pop(0) if len(candidates) > 1 else next(iter(candidates), None)

    @staticmethod
    def _scan_key(table: str, info: Mapping[str, str], est_rows: str) -> tuple[str, ...]:
        return (table, info.get("Projections", ""), info.get("Filters", ""), est_rows)

    @staticmethod
    def _join_key(info: Mapping[str, str], est_rows: str) -> tuple[str, ...]:
        return (info.get("Join Type", ""), info.get("Conditions", ""), est_rows)


def _expect(plan: DraftPlan, intervals: list[_Interval], profile_us: list[float]) -> None:
    """What the event of each interval should have taken by itself."""
    by_pipeline: dict[int, list[int]] = {}
    for position, interval in enumerate(intervals):
        if interval.rows:
            by_pipeline.setdefault(next(iter(interval.weights)), []).append(position)
    for pipeline, positions in by_pipeline.items():
        chosen = [intervals[position] for position in positions]
        if len(chosen) > 1:
            row_us = median(item.length_us / item.rows for item in chosen[:-1])
        else:
            row_us = profile_us[pipeline] / chosen[0].rows
        for item in chosen[:-1]:
            item.expected_us = item.length_us
        chosen[-1].expected_us = row_us * chosen[-1].rows
    for interval in intervals:
        if not interval.rows:
            builds = [plan.operators[plan.pipelines[index][-1]] for index in interval.weights]
            interval.expected_us = FINISH_SHARE * 1e6 * sum(build.time_s for build in builds)


def _topological(plan: DraftPlan) -> list[int]:
    """Pipelines, producers first."""
    pipeline_of = plan.pipeline_of()
    needs: list[set[int]] = [set() for _ in plan.pipelines]
    for edge in plan.edges:
        if edge.is_pipeline_breaker:
            needs[pipeline_of[edge.consumer]].add(pipeline_of[edge.producer])
    order: list[int] = []
    while len(order) < len(needs):
        ready = [
            index for index, need in enumerate(needs) if index not in order and need <= set(order)
        ]
        order.append(ready[0])
    return order


def _host(
    plan: DraftPlan, intervals: list[_Interval], pipeline: int, profile_us: list[float]
) -> _Interval:
    """The interval in which a pipeline without events has most likely run."""
    pipeline_of = plan.pipeline_of()
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for position, interval in enumerate(intervals):
        for resident in (*interval.weights, *interval.guests):
            first.setdefault(resident, position)
            last[resident] = position
    low, high = 0, len(intervals) - 1
    for edge in plan.edges:
        if not edge.is_pipeline_breaker:
            continue
        producer, consumer = pipeline_of[edge.producer], pipeline_of[edge.consumer]
        if consumer == pipeline and producer in last:
            low = max(low, last[producer])
        if producer == pipeline and consumer in first:
            high = min(high, first[consumer] - 1)
    if pipeline in first:  # its hash table is filled here, so its rows were collected before
        high = min(high, first[pipeline] - 1)
    candidates = intervals[low : max(low, high) + 1]

    def spare_us(interval: _Interval) -> float:
        taken = sum(profile_us[guest] for guest in interval.guests)
        return interval.length_us - interval.expected_us - taken

    return max(candidates, key=spare_us)


def _share_out(interval: _Interval, times: list[PipelineTimes], profile_us: list[float]) -> None:
    """Divide an interval: guests get their time in the profile, the event's pipeline the rest.

    What the rest has beyond a work order's usual time is the sink at its end; where there is too
    little for all, everyone gets the same share of what was expected.
    """
    guests_us = sum(profile_us[guest] for guest in interval.guests)
    wanted_us = interval.expected_us + guests_us
    scale = min(1.0, interval.length_us / wanted_us) if interval.guests and wanted_us else 1.0
    for guest in interval.guests:
        times[guest].work_order_us.append(profile_us[guest] * scale)
    rest_us = interval.length_us - guests_us * scale
    if interval.rows:
        body_us = min(rest_us, interval.expected_us * scale) if interval.guests else rest_us
        own = times[next(iter(interval.weights))]
        own.work_order_us.append(body_us)
        rest_us -= body_us
    for pipeline, weight in interval.weights.items():
        times[pipeline].finish_us += rest_us * weight / sum(interval.weights.values())
