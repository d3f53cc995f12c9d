"""Tables of ``lsched explain``: the cost, the state, both choices, the latencies that differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from rich.table import Table
from rich.text import Text

from lsched.choice import Given
from lsched.explain import Explanation, Parting, QueryState
from lsched.tables import counted, duration, number, plain_table, short_name, time_unit, wrapped
from sim import QueryRecord, Result
from traces import Trace
from traces.units import US_PER_S

MAX_QUERIES = 20
MAX_OPERATORS = 4
MAX_ALLOCATIONS = 10
WHOLE = 1000
"""Degrees from here mean as much of the plan as can be pipelined."""
LATENCIES = ("mean_latency_s", "p50_latency_s", "p95_latency_s", "p99_latency_s")


def explanation(found: Explanation, trace: Trace, num_queries: int) -> Iterator[Table | Text]:
    """All of it, to be printed one after another.

    Args:
        found: two runs and where they part.
        trace: what they ran.
        num_queries: of the queries whose latencies differ most, so many are listed.
    """
    yield cost_table(found)
    if found.parting is None:
        yield Text("They never part: executors do the same under both schedulers.")
        return
    yield Text(f"{parting_text(found.parting, trace)}\n")
    yield state_table(found, found.parting, trace)
    for at, name in enumerate(_names(found)):
        yield choice_table(found.parting, at, name, trace)
    yield difference_table(found, num_queries)


def cost_table(found: Explanation) -> Table:
    """Latencies under both schedulers, and with one choice of the first in the second's run."""
    first, second = _names(found)
    runs = {first: found.first, second: found.second}
    if found.parting is not None:
        runs[f"{second}, event {found.parting.number:,} as {first}"] = found.parting.mixed
    figures = {name: result.summary() for name, result in runs.items()}
    unit, per_s = time_unit(each["p99_latency_s"] for each in figures.values())
    table = plain_table(f"latency of {counted(len(found.first.queries), 'query')}")
    table.add_column("run", overflow="fold")
    for key in LATENCIES:
        table.add_column(f"{key.split('_')[0]}\n{unit}", justify="right")
    table.add_column(f"mean − that of\n{wrapped(second)}", justify="right")
    for name, summary in figures.items():
        more_s = summary["mean_latency_s"] - figures[second]["mean_latency_s"]
        difference = "" if name == second else _difference(more_s)
        table.add_row(name, *(number(summary[key] * per_s) for key in LATENCIES), difference)
    return table


def parting_text(parting: Parting, trace: Trace) -> str:
    """When they part, and what had just happened."""
    plans = {query.query_id: query.plan for query in trace.queries}
    verbs = {"arrive": "arrives", "complete": "completes"}
    happened = [
        f"{plans[event.query_id]} #{event.query_id} {verbs[event.kind]}" for event in parting.causes
    ]
    because = f" ({', '.join(happened)})" if happened else ""
    return (
        f"They part at scheduling event {parting.number:,}, at "
        f"{parting.time_us / US_PER_S:,.6f} s{because}, with "
        f"{counted(parting.num_free, 'free executor')}."
    )


def state_table(found: Explanation, parting: Parting, trace: Trace) -> Table:
    """The queries in the system, with the work that is left."""
    first, second = _names(found)
    table = plain_table("queries in the system")
    table.add_column("query", no_wrap=True)
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("executors", justify="right")
    table.add_column("work left,\nestimated", justify="right")
    table.add_column(f"by history\n({wrapped(first)})", justify="right")
    table.add_column(f"in fact\n({wrapped(second)})", justify="right")
    table.add_column("schedulable (work orders)", overflow="fold")
    records = {record.query_id: record for record in found.second.queries}
    for query in parting.queries[:MAX_QUERIES]:
        table.add_row(
            f"{query.plan} #{query.query_id}",
            duration(query.age_us / US_PER_S),
            str(query.num_executors),
            duration(query.est_remaining_us / US_PER_S),
            duration(query.history_remaining_us / US_PER_S),
            duration(records[query.query_id].work_s - query.busy_us / US_PER_S),
            _schedulable(query, trace),
        )
    if len(parting.queries) > MAX_QUERIES:
        table.add_row(f"… {len(parting.queries) - MAX_QUERIES} more")
    return table


def choice_table(parting: Parting, at: int, name: str, trace: Trace) -> Table:
    """A schedule: who is served first, and what started under it."""
    choice, started = parting.choices[at], parting.num_started[at]
    plans = {query.query_id: query.plan for query in parting.queries}
    table = plain_table(f"{name} answers")
    table.add_column("", justify="right")
    table.add_column("query", no_wrap=True)
    table.add_column("operator", overflow="fold")
    table.add_column("executors\nat most", justify="right")
    table.add_column("pipeline\ndegree", justify="right")
    table.add_column("tasks\nstarted", justify="right")
    shown, rest = choice.allocations[:MAX_ALLOCATIONS], choice.allocations[MAX_ALLOCATIONS:]
    for place, given in enumerate(shown):
        is_again = given[:2] in {before[:2] for before in shown[:place]}
        table.add_row(
            str(place + 1),
            f"{plans[given.query_id]} #{given.query_id}",
            _label(trace, plans[given.query_id], given.operator),
            str(given.num_executors),
            "whole" if given.pipeline_degree >= WHOLE else str(given.pipeline_degree),
            "" if is_again else str(started[given.query_id, given.operator]),
        )
    if rest:
        table.add_row("", f"… {len(rest)} more", "", "", "", str(_total(rest, shown, started)))
    for query_id, num_executors in choice.holds:
        text = f"{counted(num_executors, 'executor')} held"
        table.add_row("", f"{plans[query_id]} #{query_id}", text)
    if choice.until_us is not None:
        table.add_row("", "", f"and is asked again at {choice.until_us / US_PER_S:,.6f} s")
    if not choice.allocations:
        table.add_row("", "", "nothing: executors wait")
    return table


def difference_table(found: Explanation, num_queries: int) -> Table:
    """The queries whose latencies differ most."""
    first, second = _by_query(found.first), _by_query(found.second)

    def difference_s(query_id: int) -> float:
        return first[query_id].latency_s - second[query_id].latency_s

    chosen = sorted(first, key=lambda query_id: (-abs(difference_s(query_id)), query_id))
    table = plain_table("latencies that differ most")
    table.add_column("query", no_wrap=True)
    for header in ("arrives", "work", *map(wrapped, _names(found)), "difference"):
        table.add_column(header, justify="right")
    for query_id in chosen[:num_queries]:
        one, other, more_s = first[query_id], second[query_id], difference_s(query_id)
        table.add_row(
            f"{one.plan} #{query_id}",
            f"{one.arrival_s:,.3f} s",
            duration(other.work_s),
            duration(one.latency_s),
            duration(other.latency_s),
            _difference(more_s),
        )
    return table


def _names(found: Explanation) -> tuple[str, str]:
    return short_name(found.first.scheduler), short_name(found.second.scheduler)


def _difference(more_s: float) -> str:
    """A length of time with its sign."""
    return f"{'−' if more_s < 0 else '+'}{duration(abs(more_s))}" if more_s else "none"


def _schedulable(query: QueryState, trace: Trace) -> str:
    shown = (
        f"{_label(trace, query.plan, operator)} ({num_unclaimed:,})"
        for operator, num_unclaimed in islice(query.schedulable, MAX_OPERATORS)
    )
    more = len(query.schedulable) - MAX_OPERATORS
    return ", ".join(shown) + (f", {more} more" if more > 0 else "") or "–"


def _label(trace: Trace, plan: str, operator: int) -> str:
    recorded = trace.plans_by_name()[plan].operators[operator]
    return f"{operator}: {recorded.kind} {recorded.name}".strip()


def _total(
    rest: Iterable[Given], shown: Iterable[Given], started: Mapping[tuple[int, int], int]
) -> int:
    """Tasks of operators that are in the rest of a list alone; an operator may be there twice."""
    roots = {given[:2] for given in rest} - {given[:2] for given in shown}
    return sum(started.get(root, 0) for root in roots)


def _by_query(result: Result) -> dict[int, QueryRecord]:
    return {record.query_id: record for record in result.queries}
