"""Short ways to write plans, traces and runs in tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import sim
from sim import Allocation, Cluster, ClusterView, Event, History, Schedule, Simulation
from traces import Edge, Operator, Plan, Query, Trace

Decide = Callable[[ClusterView], Schedule | Iterable[Allocation]]


def op(*times_us: int, kind: str = "other", count: int | None = None, **fields: object) -> Operator:
    """An operator with these times; ``count`` work orders draw from them, default one for each."""
    return Operator(
        kind=kind,
        num_work_orders=count or len(times_us),
        work_order_us=times_us,
        **fields,  # type: ignore[arg-type]
    )


def plan(*operators: Operator, edges: str = "", name: str = "plan") -> Plan:
    """A plan; edges are written ``0>1 0-2``, ``>`` for a pipeline breaker and ``-`` for others."""
    parsed = []
    for text in edges.split():
        mark = ">" if ">" in text else "-"
        producer, consumer = text.split(mark)
        parsed.append(Edge(int(producer), int(consumer), mark == ">"))
    return Plan(name=name, operators=operators, edges=tuple(parsed))


def trace(*submissions: tuple[Plan, int] | Plan, **fields: object) -> Trace:
    """Query i is the i-th plan, or (plan, arrival µs); ``fields`` go to every query."""
    pairs = [each if isinstance(each, tuple) else (each, 0) for each in submissions]
    plans = {each.name: each for each, _ in pairs}
    queries = tuple(
        Query(query_id=index, plan=each.name, arrival_us=arrival, **fields)  # type: ignore[arg-type]
        for index, (each, arrival) in enumerate(pairs)
    )
    return Trace(name="test", plans=tuple(plans.values()), queries=queries)


def run(
    the_trace: Trace,
    decide: Decide | None = None,
    *,
    seed: int = 0,
    history: History | bool = True,
    **cluster: object,
) -> Simulation:
    """Simulate to the end on ``Cluster(**cluster)``, with the log; default: ``in_order()``."""
    simulation = Simulation(
        the_trace,
        Cluster(**cluster),  # type: ignore[arg-type]
        seed,
        history=history,
        record_events=True,
    )
    decide = decide or in_order()
    while (view := simulation.next_event()) is not None:
        simulation.apply(decide(view))
    return simulation


def in_order(limit: int | None = None, degree: int = 1) -> Decide:
    """All schedulable operators by query and index, with the same limit and degree."""

    def decide(view: ClusterView) -> list[Allocation]:
        return [
            Allocation(operator, limit or view.num_executors, degree)
            for query in view.queries
            for operator in query.schedulable
        ]

    return decide


def log(simulation: Simulation) -> list[Event]:
    """The event log of a run."""
    assert simulation.events is not None
    return simulation.events


def times(simulation: Simulation, kind: str) -> list[int]:
    """When events of a kind happened."""
    return [event.time_us for event in log(simulation) if event.kind == kind]


def spans(simulation: Simulation) -> list[tuple[int, int, int, int, int]]:
    """(query, root, executor, start, finish) of every task, in order of its start."""
    finishes = {
        (event.query_id, event.operator, event.task): event.time_us
        for event in log(simulation)
        if event.kind == "finish"
    }
    return [
        (
            event.query_id,
            event.operator,
            event.executor,
            event.time_us,
            finishes[event.query_id, event.operator, event.task],
        )
        for event in log(simulation)
        if event.kind == "start"
    ]


def durations(simulation: Simulation, query: int = 0, operator: int = 0) -> list[int]:
    """Times of the tasks of a pipeline, delays included, in order of their start."""
    return [
        finish - start
        for query_id, root, _, start, finish in spans(simulation)
        if (query_id, root) == (query, operator)
    ]


def makespan(simulation: Simulation) -> int:
    """When the last query completed, µs."""
    return max(times(simulation, "complete"))


def query_view(view: ClusterView, query_id: int = 0) -> sim.QueryView:
    """The view of a query in the system."""
    return next(query for query in view.queries if query.query_id == query_id)


def script(*answers: Decide, then: Decide | None = None) -> Decide:
    """Answers the first scheduling events one by one, all later ones with ``then``."""
    remaining = list(answers)
    last = then or in_order()

    def decide(view: ClusterView) -> Schedule | Iterable[Allocation]:
        return remaining.pop(0)(view) if remaining else last(view)

    return decide


def give(
    *wanted: tuple[int, ...], holds: dict[int, int] | None = None, until_us: int | None = None
) -> Decide:
    """A schedule from (query, operator[, limit[, degree]]), without what is not schedulable."""

    def decide(view: ClusterView) -> Schedule:
        present = {query.query_id: query for query in view.queries}
        allocations = []
        for query_id, index, *numbers in wanted:
            operator = present[query_id].operators[index] if query_id in present else None
            if operator is not None and operator.is_schedulable:
                limit = numbers[0] if numbers else view.num_executors
                degree = numbers[1] if len(numbers) > 1 else 1
                allocations.append(Allocation(operator, limit, degree))
        kept = [sim.Hold(present[q], n) for q, n in (holds or {}).items() if q in present]
        return Schedule(allocations, kept, until_us)

    return decide
