"""Data model: a trace holds plans (DAGs of operators) and the queries that run them.

All values are immutable. Times are integer microseconds (``*_us``), sizes integer bytes.
Wrong values raise ``ValueError`` on construction; reading a file turns that into ``TraceError``
with file, line and field.
"""

from __future__ import annotations

import math
from functools import cached_property

from msgspec import Struct

from traces.errors import did_you_mean
from traces.kinds import KINDS

MAX_TIME_US = 10**15
"""Largest time accepted anywhere (about 32 years); above it a unit is wrong."""
MAX_WORK_ORDER_US = 10**12
"""Longest work order accepted (about 12 days)."""
MAX_BYTES = 10**18
MAX_WORK_ORDERS = 10**8


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # also false for NaN
        raise ValueError(f"{name} is {value!r}, expected {low:g} to {high:g}")


class Wave(Struct, frozen=True, forbid_unknown_fields=True):
    """Recorded work-order times (µs) at one executor count, sorted, by wave (rule R9).

    ``fresh``: first work order of an executor that has just come to the query (includes warm-up);
    ``first``: its first work order of this operator; ``rest``: later ones. A list may be empty,
    but not all three.
    """

    num_executors: int
    fresh: tuple[int, ...] = ()
    first: tuple[int, ...] = ()
    rest: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _check("num_executors", self.num_executors, 1, 10**6)
        if not (self.fresh or self.first or self.rest):
            raise ValueError("a wave needs at least one recorded time")
        for name in ("fresh", "first", "rest"):
            times = getattr(self, name)
            for time in times:
                _check(name, time, 1, MAX_WORK_ORDER_US)
            if list(times) != sorted(times):
                raise ValueError(f"{name} must be sorted")


class Operator(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A node of a plan.

    Attributes:
        kind: one of ``traces.KINDS``; unknown kinds behave as ``other``.
        name: label for people, such as the table that is scanned.
        num_work_orders: work orders at size factor 1.
        work_order_us: recorded times of single work orders. Where a query has exactly as many
            work orders as the list has entries, work order i takes the i-th; otherwise times are
            drawn from the list (rule R8).
        est_work_order_us: what the optimizer's cardinalities predict for the mean work order;
            None: no estimate is recorded, and the true mean stands for it.
        is_scalable: whether more data means more work orders (false for the five rows of
            ``region``).
        output_bytes, est_output_bytes: output of the whole operator at size factor 1.
        state_bytes, est_state_bytes: hash table, sort buffer or aggregate state, likewise.
        contention: coefficient sigma of the scalability law, where this operator's differs from
            its kind's.
        waves: Spark-like profile: times by executor count, increasing.
    """

    kind: str
    num_work_orders: int
    work_order_us: tuple[int, ...]
    name: str = ""
    est_work_order_us: int | None = None
    is_scalable: bool = True
    output_bytes: int = 0
    est_output_bytes: int | None = None
    state_bytes: int = 0
    est_state_bytes: int | None = None
    contention: float | None = None
    waves: tuple[Wave, ...] = ()

    def __post_init__(self) -> None:
        if not self.kind:
            raise ValueError(f"kind is empty, expected a word such as {', '.join(list(KINDS)[:3])}")
        _check("num_work_orders", self.num_work_orders, 1, MAX_WORK_ORDERS)
        if not self.work_order_us:
            raise ValueError("work_order_us is empty, expected at least one recorded time")
        for time in self.work_order_us:
            _check("work_order_us", time, 1, MAX_WORK_ORDER_US)
        for name in ("output_bytes", "state_bytes"):
            _check(name, getattr(self, name), 0, MAX_BYTES)
        for name in ("est_output_bytes", "est_state_bytes"):
            if (value := getattr(self, name)) is not None:
                _check(name, value, 0, MAX_BYTES)
        if self.est_work_order_us is not None:
            _check("est_work_order_us", self.est_work_order_us, 1, MAX_WORK_ORDER_US)
        if self.contention is not None:
            _check("contention", self.contention, 0.0, 1.0)
        counts = [wave.num_executors for wave in self.waves]
        if counts != sorted(set(counts)):
            raise ValueError(f"waves are for {counts} executors, expected increasing counts")

    @property
    def mean_work_order_us(self) -> float:
        """True mean time of a work order, µs."""
        return sum(self.work_order_us) / len(self.work_order_us)

    @property
    def work_us(self) -> float:
        """True work at size factor 1: the sum of its work-order times, µs."""
        return self.mean_work_order_us * self.num_work_orders


class Edge(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Producer → consumer, by index in ``Plan.operators``.

    ``is_pipeline_breaker``: the consumer waits for the whole producer.
    """

    producer: int
    consumer: int
    is_pipeline_breaker: bool = True


class Plan(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag="plan",
    tag_field="record",
    dict=True,
):
    """A DAG of operators, under a name that is unique in its trace."""

    name: str
    operators: tuple[Operator, ...]
    edges: tuple[Edge, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("name is empty")
        if not self.operators:
            raise ValueError(f"plan {self.name!r} has no operators")
        size = len(self.operators)
        seen = set()
        for edge in self.edges:
            ends = (edge.producer, edge.consumer)
            if not (0 <= edge.producer < size and 0 <= edge.consumer < size):
                raise ValueError(
                    f"edge {ends} of plan {self.name!r}: operators are 0 to {size - 1}"
                )
            if edge.producer == edge.consumer:
                raise ValueError(f"edge {ends} of plan {self.name!r} is a loop")
            if ends in seen:
                raise ValueError(f"edge {ends} of plan {self.name!r} is there twice")
            seen.add(ends)
        if len(self.topological_order) < size:
            raise ValueError(f"plan {self.name!r} has a cycle; a plan is a directed acyclic graph")

    @cached_property
    def inputs(self) -> tuple[tuple[Edge, ...], ...]:
        """Edges that end at each operator."""
        return self._by_end("consumer")

    @cached_property
    def outputs(self) -> tuple[tuple[Edge, ...], ...]:
        """Edges that start at each operator."""
        return self._by_end("producer")

    @cached_property
    def topological_order(self) -> tuple[int, ...]:
        """Operator indices, producers before consumers; shorter than the plan if it is cyclic."""
        missing = [len(edges) for edges in self.inputs]
        order = [operator for operator, count in enumerate(missing) if count == 0]
        for operator in order:
            for edge in self.outputs[operator]:
                missing[edge.consumer] -= 1
                if missing[edge.consumer] == 0:
                    order.append(edge.consumer)
        return tuple(order)

    @property
    def work_us(self) -> float:
        """True work at size factor 1, µs."""
        return self.work_at(1.0)

    def work_at(self, size_factor: float) -> float:
        """True work at a size factor, µs."""
        return math.fsum(
            operator.mean_work_order_us * scaled_count(operator, size_factor)
            for operator in self.operators
        )

    def _by_end(self, end: str) -> tuple[tuple[Edge, ...], ...]:
        lists: list[list[Edge]] = [[] for _ in self.operators]
        for edge in self.edges:
            lists[getattr(edge, end)].append(edge)
        return tuple(map(tuple, lists))


def scaled_count(operator: Operator, size_factor: float) -> int:
    """Work orders of ``operator`` at a size factor: more work orders, not longer ones (R9)."""
    if not operator.is_scalable:
        return operator.num_work_orders
    return max(1, math.floor(operator.num_work_orders * size_factor + 0.5))


class Query(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag="query",
    tag_field="record",
):
    """One submission of a plan.

    Attributes:
        query_id: unique in the trace.
        plan: the name of its plan.
        arrival_us: submission, µs from the start of the trace.
        tenant, query_class: who submitted it and what it is for; visible to schedulers.
        template: what repeats: queries of one template are one statement with other parameters,
            all of one plan; empty: the plan itself. Visible.
        size_factor: multiplies numbers of work orders and bytes; visible (table sizes are).
        time_factor: multiplies every work-order time; hidden (parameter values do that).
        recorded_latency_us: its latency in the system that it was recorded in; None: not known.
        plan_choice: why this plan stands for it, where the source has no plan; else empty.
    """

    query_id: int
    plan: str
    arrival_us: int
    tenant: str = ""
    query_class: str = ""
    template: str = ""
    size_factor: float = 1.0
    time_factor: float = 1.0
    recorded_latency_us: int | None = None
    plan_choice: str = ""

    def __post_init__(self) -> None:
        _check("query_id", self.query_id, 0, 2**62)
        _check("arrival_us", self.arrival_us, 0, MAX_TIME_US)
        _check("size_factor", self.size_factor, 1e-6, 1e6)
        _check("time_factor", self.time_factor, 1e-6, 1e3)
        if self.recorded_latency_us is not None:
            _check("recorded_latency_us", self.recorded_latency_us, 0, MAX_TIME_US)


class Trace(Struct, frozen=True, kw_only=True):
    """Plans and the queries that run them, in arrival order.

    Attributes:
        name: a word for tables and plots.
        plans: the plans, with unique names.
        queries: in order of ``arrival_us``.
        description: one sentence.
        source: how the trace was made: engine, version, command, machine, …
    """

    name: str
    plans: tuple[Plan, ...]
    queries: tuple[Query, ...]
    description: str = ""
    source: dict[str, str] = {}

    def __post_init__(self) -> None:
        names = set()
        for plan in self.plans:
            if plan.name in names:
                raise ValueError(f"plan {plan.name!r} is there twice")
            names.add(plan.name)
        if not self.plans or not self.queries:
            raise ValueError("an empty trace: expected at least one plan and one query")
        check = QueryCheck(names)
        for index, query in enumerate(self.queries):
            try:
                check.add(query)
            except ValueError as error:
                raise ValueError(f"queries[{index}].{error}") from None

    @property
    def num_queries(self) -> int:
        """How many queries there are."""
        return len(self.queries)

    def plan(self, name: str) -> Plan:
        """The plan called ``name``; KeyError if there is none."""
        return self.plans_by_name()[name]

    def plans_by_name(self) -> dict[str, Plan]:
        """Plans by name, in order."""
        return {plan.name: plan for plan in self.plans}


class QueryCheck:
    """What the queries of a trace must be together: in order, distinct, and of known plans."""

    def __init__(self, plan_names: set[str]) -> None:
        self._plan_names = plan_names
        self._next_id = 0  # all below have been seen, so that ids in order need no memory
        self._later_ids: set[int] = set()
        self._templates: dict[str, str] = {}
        self._previous_us = 0

    def add(self, query: Query) -> None:
        """Check the next query; ValueError, beginning with the field, where it does not fit."""
        if query.plan not in self._plan_names:
            hint = did_you_mean(query.plan, self._plan_names)
            raise ValueError(f"plan: {query.plan!r} is not in this trace{hint}")
        if query.query_id < self._next_id or query.query_id in self._later_ids:
            raise ValueError(f"query_id: {query.query_id} is there twice")
        if query.arrival_us < self._previous_us:
            raise ValueError(
                f"arrival_us: {query.arrival_us} is before the query ahead of it "
                f"({self._previous_us}); queries are in arrival order"
            )
        if query.template:
            known = self._templates.setdefault(query.template, query.plan)
            if known != query.plan:
                raise ValueError(
                    f"template: {query.template!r} stood for plan {known!r} before, now for "
                    f"{query.plan!r}; a template has one plan"
                )
        self._later_ids.add(query.query_id)
        while self._next_id in self._later_ids:
            self._later_ids.remove(self._next_id)
            self._next_id += 1
        self._previous_us = query.arrival_us
