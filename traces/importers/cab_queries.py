"""Queries of the Cloud Analytics Benchmark, and the plans of TPC-H that they run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from traces.errors import TraceError
from traces.files import load
from traces.model import Query, Trace

NUM_PLANS = 22
UPDATE, UPDATE_PLAN = 23, 18
"""Query 23 is an update: for a range of orders it sums their line items, inserts them anew and
deletes the old ones. Of TPC-H's queries, q18 is most like it."""
UPDATE_TIME = 0.83
"""Its work ÷ that of q18: what CAB's generator estimates, 170.3 and 205.7 ms a machine and GB."""
UPDATE_CHOICE = "updates have no captured plan; q18 also sums line items by order and joins orders"


class Submission(NamedTuple):
    """A query as it was submitted, by number; sizes and times as in ``Query``."""

    stream: str
    number: int
    arrival_us: int
    size_factor: float
    time_factor: float
    latency_us: int | None = None


def tpch(plans: Trace | None) -> Trace:
    """The trace whose plans the queries run: the one given, or the shipped one.

    Raises:
        TraceError: its plans are not those of TPC-H.
    """
    trace = load("tpch") if plans is None else plans
    if {plan.name for plan in trace.plans} != {f"q{index + 1}" for index in range(NUM_PLANS)}:
        raise TraceError(
            f"trace {trace.name!r} has other plans than CAB needs: those of TPC-H, q1 to q22"
        )
    return trace


def plan_name(number: int) -> str:
    """The plan of a query, by its number.

    Raises:
        TraceError: there is no such query.
    """
    if not 1 <= number <= UPDATE:
        raise TraceError(f"query_id is {number}, expected 1 to {UPDATE}")
    return f"q{UPDATE_PLAN if number == UPDATE else number}"


def in_order(
    submissions: Iterable[Submission], streams: Collection[str], max_queries: int | None
) -> list[Submission]:
    """The submissions of these streams (all, if none is named) in arrival order, the first so many.

    Raises:
        TraceError: a stream does not exist, or nothing is left.
    """
    ordered = sorted(submissions, key=lambda submission: submission.arrival_us)
    there = {submission.stream: None for submission in ordered}
    if missing := set(streams) - there.keys():
        raise TraceError(f"no stream {', '.join(sorted(missing))} among {', '.join(there)}")
    if max_queries is not None and max_queries < 1:
        raise TraceError(f"max_queries is {max_queries}, expected at least 1")
    return [one for one in ordered if not streams or one.stream in streams][:max_queries]


def to_queries(submissions: Iterable[Submission]) -> Iterator[Query]:
    """The queries of submissions that are in order; ValueError where one is out of range."""
    for index, one in enumerate(submissions):
        is_update = one.number == UPDATE
        yield Query(
            query_id=index,
            plan=plan_name(one.number),
            arrival_us=one.arrival_us,
            tenant=one.stream,
            query_class="update" if is_update else "select",
            template=f"{one.stream}/{one.number}",
            size_factor=one.size_factor,
            time_factor=one.time_factor,
            recorded_latency_us=one.latency_us,
            plan_choice=UPDATE_CHOICE if is_update else "",
        )
