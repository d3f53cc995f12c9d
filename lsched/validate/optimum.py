"""The best that any schedule does with a tiny trace, by exhaustive search.

It knows the rules of docs/design.md for clusters without overheads, and nothing of the bounds that
it is there to judge. At every instant at which a task ends or a query arrives it tries everything
that a scheduler may do (R4, R5): which pipelines the free executors go on with, which they start
and of what degree, and how many stay idle. Starting anything between such instants is never better:
it could start at the last one before, and nothing else would have to change.

Branch and bound: what cannot beat the best schedule found so far is left out, by simple estimates
of what is still to come that can be switched off.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from traces import Plan, Trace

Objective = Literal["latency", "makespan"]
MAX_WORK_ORDERS = 12
"""Most work orders of a trace in all: the search is exponential in them."""


class Pipeline(NamedTuple):
    """A started pipeline of a query: its root, degree, and tasks that are claimed and done."""

    root: int
    degree: int
    num_claimed: int
    num_done: int


class Start(NamedTuple):
    """``num_executors`` executors start a task each; queries by their place in the trace."""

    query: int
    root: int
    degree: int
    num_executors: int


class Running(NamedTuple):
    """A task under way."""

    end_us: int
    query: int
    root: int


class Option(NamedTuple):
    """A pipeline that executors may go on with or start: degrees, unclaimed tasks."""

    root: int
    degrees: tuple[int, ...]
    num_unclaimed: int


class Status(NamedTuple):
    """What the started pipelines of a query mean.

    Attributes:
        is_complete: whether all its operators are.
        options: what it may run next.
        work_us: its unclaimed work.
        rest_us: at least so long after now it completes, if it is not complete.
    """

    is_complete: bool
    options: tuple[Option, ...]
    work_us: int
    rest_us: int


Progress = tuple[tuple[Pipeline, ...], ...]
"""Started pipelines by query, in order of their roots."""
State = tuple[int, tuple[Running, ...], Progress]
"""Now, what runs, and what has been started."""
Step = tuple[int, tuple[Start, ...]]
"""An instant, and what starts then."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best schedule.

    Attributes:
        value_us: its sum of latencies, or its last completion (from time 0).
        steps: what starts when; an instant of the search at which nothing starts is there too.
        num_states: how many states were searched.
    """

    value_us: int
    steps: tuple[Step, ...]
    num_states: int


def optimum(
    trace: Trace, num_executors: int, objective: Objective = "latency", *, prune: bool = True
) -> Optimum:
    """The least sum of latencies, or the least time of the last completion.

    Args:
        trace: few queries, each of size and time factor 1, whose operators record every work order.
        num_executors: of one node, without overheads, released after each work order.
        objective: what to minimise.
        prune: whether to leave out what cannot be best; without it the search is much slower.

    Raises:
        ValueError: the trace is too large, or its times are not all recorded.
    """
    plans = [trace.plan(query.plan) for query in trace.queries]
    for query, plan in zip(trace.queries, plans, strict=True):
        is_exact = all(len(o.work_order_us) == o.num_work_orders for o in plan.operators)
        if not is_exact or (query.size_factor, query.time_factor) != (1.0, 1.0):
            raise ValueError(f"query {query.query_id}: expected recorded times of all work orders")
        if any(o.waves or o.contention for o in plan.operators):
            raise ValueError(f"plan {plan.name!r}: expected no profiles and no contention")
    num_work_orders = sum(o.num_work_orders for plan in plans for o in plan.operators)
    if num_work_orders > MAX_WORK_ORDERS:
        raise ValueError(f"{num_work_orders} work orders, expected at most {MAX_WORK_ORDERS}")
    search = _Search(trace, plans, num_executors, is_sum=objective == "latency", prune=prune)
    return search.result()


class _Search:
    def __init__(
        self, trace: Trace, plans: list[Plan], num_executors: int, *, is_sum: bool, prune: bool
    ) -> None:
        self._plans = plans
        self._arrivals = [query.arrival_us for query in trace.queries]
        self._num_executors = num_executors
        self._is_sum = is_sum
        self._prune = prune
        self._exact: dict[State, tuple[int, Step | None]] = {}
        self._at_least: dict[State, int] = {}
        self._status: dict[tuple[int, tuple[Pipeline, ...]], Status] = {}
        self._tasks: dict[tuple[int, int, int], list[int]] = {}
        self._members = {
            (query, root, degree): members[:degree]
            for query, plan in enumerate(plans)
            for root in range(len(plan.operators))
            for members in [_chain(plan, root)]
            for degree in range(1, len(members) + 1)
        }

    def result(self) -> Optimum:
        state: State = (self._arrivals[0], (), ((),) * len(self._plans))
        ample = 1 + len(self._plans) * (
            self._arrivals[-1] + sum(sum(o.work_order_us) for p in self._plans for o in p.operators)
        )
        value = self._best(state, ample)
        steps: list[Step] = []
        while (step := self._exact[state][1]) is not None:
            steps.append(step)
            state, _ = self._after(state, step[1])
        return Optimum(value, tuple(steps), len(self._exact) + len(self._at_least))

    def _best(self, state: State, limit: int) -> int:
        """The least of what is still to come, if it is below the limit; else no less than that.

        What is to come: the latencies of queries that are not complete, or the last completion.
        """
        if state in self._exact:
            return self._exact[state][0]
        if self._at_least.get(state, -1) >= limit:
            return limit
        now, running, progress = state
        if all(self._of(query, each).is_complete for query, each in enumerate(progress)):
            self._exact[state] = (0 if self._is_sum else now, None)
            return self._exact[state][0]
        if self._prune and (estimate := self._estimate(state)) >= limit:
            self._at_least[state] = estimate
            return limit
        best, decision = limit, None
        for starts in self._choices(state):
            if not starts and not running and now >= self._arrivals[-1]:
                continue  # waiting for nothing
            after, latency = self._after(state, starts)
            value = latency + self._best(after, best - latency if self._prune else limit)
            if value < best:
                best, decision = value, (now, starts)
        if decision is None:
            self._at_least[state] = limit
        else:
            self._exact[state] = (best, decision)
        return best

    def _estimate(self, state: State) -> int:
        """No schedule has less to come: each query by itself, or all of them one by one."""
        now, running, progress = state
        ends = [0] * len(progress)
        for task in running:
            ends[task.query] = max(ends[task.query], task.end_us)
        alone, works = [], []
        for query, (arrival, each) in enumerate(zip(self._arrivals, progress, strict=True)):
            status = self._of(query, each)
            if not status.is_complete:
                alone.append(max(ends[query], max(now, arrival) + status.rest_us) - arrival)
                works.append(status.work_us)
        if not self._is_sum:
            total = now - (-sum(works) // self._num_executors)
            return max(total, *(ends[q] for q in range(len(ends))))
        waited = sum(
            now - arrival
            for query, (arrival, each) in enumerate(zip(self._arrivals, progress, strict=True))
            if not self._of(query, each).is_complete
        )
        works.sort()
        turns = sum((len(works) - at) * work for at, work in enumerate(works))
        return max(sum(alone), waited - (-turns // self._num_executors))

    def _after(self, state: State, starts: tuple[Start, ...]) -> tuple[State, int]:
        """The state at the next instant, and the latencies of the queries that complete there."""
        now, running, progress = state
        tasks, states = list(running), list(progress)
        for query, root, degree, count in starts:
            pipelines = {pipeline.root: pipeline for pipeline in states[query]}
            before = pipelines.get(root, Pipeline(root, degree, 0, 0))
            times = self._task_us(query, root, before.degree)
            first = before.num_claimed
            tasks += [Running(now + times[first + i], query, root) for i in range(count)]
            pipelines[root] = before._replace(num_claimed=first + count)
            states[query] = tuple(sorted(pipelines.values()))
        then = min(
            [task.end_us for task in tasks] + [time for time in self._arrivals if time > now]
        )
        latency = 0
        for task in [task for task in tasks if task.end_us == then]:
            query = task.query
            states[query] = tuple(
                each._replace(num_done=each.num_done + 1) if each.root == task.root else each
                for each in states[query]
            )
            if self._is_sum and self._of(query, states[query]).is_complete:
                latency += then - self._arrivals[query]
        left = tuple(sorted(task for task in tasks if task.end_us > then))
        return (then, left, tuple(states)), latency

    def _choices(self, state: State) -> Iterator[tuple[Start, ...]]:
        """Everything that may start now on the free executors, most of it first."""
        now, running, progress = state
        options = [
            (query, option)
            for query, (arrival, each) in enumerate(zip(self._arrivals, progress, strict=True))
            if arrival <= now
            for option in self._of(query, each).options
        ]
        choices = list(_shares(options, self._num_executors - len(running)))
        choices.sort(key=lambda starts: -sum(start.num_executors for start in starts))
        yield from choices

    def _of(self, query: int, pipelines: tuple[Pipeline, ...]) -> Status:
        key = (query, pipelines)
        if key not in self._status:
            self._status[key] = self._new_status(query, pipelines)
        return self._status[key]

    def _new_status(self, query: int, pipelines: tuple[Pipeline, ...]) -> Status:
        plan = self._plans[query]
        started = {pipeline.root: pipeline for pipeline in pipelines}
        taken, complete, claimed_us = set(), set(), 0
        for pipeline in pipelines:
            members = self._members[query, pipeline.root, pipeline.degree]
            taken |= set(members)
            if pipeline.num_done == plan.operators[pipeline.root].num_work_orders:
                complete |= set(members)
            times = self._task_us(query, pipeline.root, pipeline.degree)
            claimed_us += sum(times[: pipeline.num_claimed])
        options, rest = [], 0
        for operator, recorded in enumerate(plan.operators):
            count = recorded.num_work_orders
            if operator not in taken:
                rest = max(rest, *recorded.work_order_us)
            if operator in started:
                left, degrees = count - started[operator].num_claimed, [started[operator].degree]
            elif operator in taken or not _inputs(plan, operator) <= complete:
                continue
            else:
                left, degrees = count, [1]
                for before, after in itertools.pairwise(_chain(plan, operator)):
                    if not _inputs(plan, after) - {before} <= complete:
                        break
                    degrees.append(degrees[-1] + 1)
            if left:
                options.append(Option(operator, tuple(degrees), left))
        work = sum(sum(each.work_order_us) for each in plan.operators) - claimed_us
        is_complete = len(complete) == len(plan.operators)
        return Status(is_complete, tuple(options), work, rest)

    def _task_us(self, query: int, root: int, degree: int) -> list[int]:
        """Times of a pipeline's tasks: one work order of the root and the share of the others'."""
        key = (query, root, degree)
        if key not in self._tasks:
            operators = self._plans[query].operators
            num_tasks = operators[root].num_work_orders
            times = [0] * num_tasks
            for member in self._members[key]:
                recorded = operators[member].work_order_us
                for task in range(num_tasks):
                    low = task * len(recorded) // num_tasks
                    times[task] += sum(recorded[low : (task + 1) * len(recorded) // num_tasks])
            self._tasks[key] = times
        return self._tasks[key]


def _shares(options: Sequence[tuple[int, Option]], num_free: int) -> Iterator[tuple[Start, ...]]:
    """All ways to give up to so many executors to the options."""
    if not options:
        yield ()
        return
    query, (root, degrees, num_unclaimed) = options[0]
    for rest in _shares(options[1:], num_free):
        yield rest
        unused = num_free - sum(start.num_executors for start in rest)
        for count in range(1, min(unused, num_unclaimed) + 1):
            for degree in degrees:
                yield (Start(query, root, degree, count), *rest)


def _chain(plan: Plan, root: int) -> list[int]:
    """The longest pipeline from a root: along only outgoing edges that do not break."""
    members = [root]
    while True:
        edges = [edge for edge in plan.edges if edge.producer == members[-1]]
        if len(edges) != 1 or edges[0].is_pipeline_breaker:
            return members
        members.append(edges[0].consumer)


def _inputs(plan: Plan, operator: int) -> set[int]:
    return {edge.producer for edge in plan.edges if edge.consumer == operator}
