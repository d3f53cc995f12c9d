"""The one way to split a workload into training, validation and test.

Whatever is tuned or trained on a part says nothing about that part, so everything that tunes or
trains takes ``training`` (and ``validation`` to choose between candidates), and figures that are
published come from ``test``. There are three ways:

- **by time**: three consecutive spans of a trace, 60, 20 and 20 % of the time between its first
  and its last arrival. The question that an engine faces: train on what has been, run what comes.
  Times stay as they are, so a query keeps its hour of the day.
- **by template**: 60, 20 and 20 % of the templates, with all of their queries. Asks for
  generalisation to queries never seen.
- **by seed**: where queries are drawn, each part has its own seeds.
"""

from __future__ import annotations

import hashlib
import itertools
from typing import Literal, get_args

import msgspec

from traces.errors import TraceError
from traces.model import Query, Trace

Part = Literal["training", "validation", "test"]
SplitBy = Literal["time", "template"]
PARTS: tuple[Part, ...] = get_args(Part)
PERCENT: dict[Part, int] = {"training": 60, "validation": 20, "test": 20}
SEEDS: dict[Part, range] = {
    "test": range(1_000),
    "training": range(1_000, 9_000),
    "validation": range(9_000, 10_000),
}
"""Seeds of each part: a comparison's default is 0 to 9, tuning's 1000 to 1009."""


def part_of(trace: Trace, part: Part, by: SplitBy = "time") -> Trace:
    """One part of a trace, with the plans that belong to it.

    Raises:
        TraceError: the part would be empty, or there is no such part or way to split.
    """
    if part not in PARTS:
        raise TraceError(f"part is {part!r}, expected one of {', '.join(PARTS)}")
    if by == "time":
        queries, plan_names = _by_time(trace, part)
    elif by == "template":
        queries, plan_names = _by_template(trace, part)
    else:
        raise TraceError(f"a trace is split by {by!r}, expected by time or template")
    if not queries:
        raise TraceError(
            f"trace {trace.name!r} has no query in its {part} part by {by}; it is too short to "
            "be split so; take all of it, or split it by template"
        )
    plans = tuple(plan for plan in trace.plans if plan.name in plan_names)
    return msgspec.structs.replace(trace, plans=plans, queries=queries)


def part_seeds(part: Part, count: int) -> tuple[int, ...]:
    """The first seeds of a part.

    Raises:
        TraceError: there are not as many.
    """
    if not 1 <= count <= len(SEEDS[part]):
        raise TraceError(f"{count} {part} seeds, expected 1 to {len(SEEDS[part])}")
    return tuple(SEEDS[part][:count])


def template_of(query: Query) -> str:
    """What repeats: its template, else its plan."""
    return query.template or query.plan


def _bounds(total: int, part: Part) -> tuple[int, int]:
    """First and last + 1 of ``total`` things that belong to a part, in order."""
    ends = [total * percent // 100 for percent in itertools.accumulate(PERCENT.values())]
    index = PARTS.index(part)
    return (ends[index - 1] if index else 0), ends[index]


def _by_time(trace: Trace, part: Part) -> tuple[tuple[Query, ...], set[str]]:
    first_us = trace.queries[0].arrival_us
    # The last arrival belongs to the last span.
    low, high = _bounds(trace.queries[-1].arrival_us - first_us + 1, part)
    queries = tuple(q for q in trace.queries if low <= q.arrival_us - first_us < high)
    return queries, set(trace.plans_by_name())


def _by_template(trace: Trace, part: Part) -> tuple[tuple[Query, ...], set[str]]:
    plan_of = {query.template: query.plan for query in trace.queries if query.template}
    plan_of |= {name: name for name in trace.plans_by_name() if name not in plan_of.values()}
    plan_of |= {query.plan: query.plan for query in trace.queries if not query.template}
    # By hash: an order that has nothing to do with names, and is the same everywhere.
    ordered = sorted(plan_of, key=lambda name: hashlib.sha256(name.encode()).digest())
    chosen = set(ordered[slice(*_bounds(len(ordered), part))])
    queries = tuple(query for query in trace.queries if template_of(query) in chosen)
    return queries, {plan_of[name] for name in chosen}
