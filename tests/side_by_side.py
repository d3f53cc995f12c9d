"""Runs on both engines: all that one leaves behind and shows, to be equal to that of the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, get_args

import sim
from sim import Cluster, ClusterView, History, OperatorView, QueryView, Simulation
from sim.engines import EngineName
from sim.history import PlanHistory
from sim.view import ClairvoyantView, Size
from traces import Trace, TraceError, TraceStream

SIZES: tuple[Size, ...] = get_args(Size)
SCALARS = (bool, int, float, str, type(None), Cluster, PlanHistory)
MakePolicy = Callable[[], Any]
MakeTrace = Callable[[], Trace | TraceStream]


class Outcome(NamedTuple):
    """What a run has left, in the end or where it failed; texts show types and every digit.

    Attributes:
        digest: of the event log, empty if that was not recorded.
        views: what was shown at each scheduling event, see ``shown``.
        error: its class and text, empty if there was none.
    """

    digest: str
    records: str
    totals: str
    history: str
    num_schedules: int
    now_us: int
    executor_time_us: int
    peak_memory_bytes: int
    memory_used_bytes: list[int]
    num_free: int
    views: list[str]
    error: str
    events: Sequence[sim.Event]


def run_on(
    engine: EngineName,
    trace: Trace | TraceStream,
    cluster: Cluster,
    make_policy: MakePolicy,
    *,
    seed: int = 0,
    history: History | bool = True,
    record_events: bool = True,
    keep_records: bool = True,
    is_watched: bool = True,
    is_compiled: bool = False,
) -> Outcome:
    """A whole run on one engine.

    Args:
        engine, trace, cluster, seed, history, record_events, keep_records: see ``Simulation``.
        make_policy: makes the scheduler.
        is_watched: whether to look at all that views show at each scheduling event.
        is_compiled: whether the fast engine must decide by itself.
    """
    policy, views, error = make_policy(), list[str](), ""
    simulation = Simulation(
        trace,
        cluster,
        seed,
        history=history,
        record_events=record_events,
        keep_records=keep_records,
        engine=engine,
    )
    clairvoyant = ClairvoyantView(simulation.engine)
    try:
        if is_compiled and engine == "fast":
            assert simulation.run_compiled(policy)
        else:
            while simulation.next_event() is not None:
                if is_watched:
                    views.append(repr(shown(clairvoyant)))
                simulation.apply(policy.decide(clairvoyant))
    except (sim.Stalled, sim.InvalidSchedule, TraceError) as problem:
        error = f"{type(problem).__name__}: {problem}"
    view, totals = simulation.view, vars(simulation.totals)
    return Outcome(
        digest=sim.digest(simulation.events or ()),
        records=repr(simulation.records),
        totals=repr(totals),
        history=repr(simulation.history),
        num_schedules=simulation.num_schedules,
        now_us=simulation.now_us,
        executor_time_us=simulation.engine.executor_time_us,
        peak_memory_bytes=simulation.engine.peak_memory_bytes,
        memory_used_bytes=view.memory_used_bytes,
        num_free=view.num_free,
        views=views,
        error=error,
        events=simulation.events or (),
    )


def check_same(
    trace: Trace | MakeTrace, cluster: Cluster, make_policy: MakePolicy, **options: Any
) -> Outcome:
    """Run on both engines, see ``run_on``, and compare everything; the outcome.

    ``trace``: or what makes it, for streams, which can be read once.
    """
    ours, theirs = (
        run_on(engine, trace() if callable(trace) else trace, cluster, make_policy, **options)
        for engine in ("fast", "simpy")
    )
    if options.get("is_compiled"):
        theirs = theirs._replace(views=[])
    for at, (own, other) in enumerate(zip(ours.events, theirs.events, strict=False)):
        assert own == other, f"event {at}"
    for at, (seen, expected) in enumerate(zip(ours.views, theirs.views, strict=False)):
        assert seen == expected, f"view {at}"
    for name in Outcome._fields:
        assert repr(getattr(ours, name)) == repr(getattr(theirs, name)), name
    return ours


def shown(view: ClairvoyantView) -> Any:
    """All that a view and those of its queries and operators show, as nested tuples."""
    return (
        _properties(view),
        [view.true_remaining_us(query) for query in view.queries],
        [_of_query(query) for query in view.queries],
    )


def _of_query(query: QueryView) -> Any:
    operators = range(len(query.operators))
    return (
        _properties(query),
        [
            (
                query.remaining_us(size),
                query.operator_remaining_us(size),
                query.critical_paths_us(size),
            )
            for size in SIZES
        ],
        [query.observed_busy_us(operator) for operator in operators],
        [_of_operator(operator) for operator in query.operators],
    )


def _of_operator(operator: OperatorView) -> Any:
    return (
        _properties(operator),
        [(operator.work_order_us(size), operator.remaining_us(size)) for size in SIZES],
        [operator.is_breaking(producer) for producer in operator.producers],
        "" if operator.is_schedulable else operator.blocked_by(),
    )


def _properties(thing: ClusterView | QueryView | OperatorView) -> list[tuple[str, Any]]:
    """All public attributes that are values, by name; of views in them, what they are called."""
    names = sorted({*dir(type(thing)), *vars(thing)})
    values = [(name, getattr(thing, name)) for name in names if not name.startswith("_")]
    return [(name, value) for name, value in values if not callable(value)]
