"""A scheduler that tries what a rule would do, and other things, before it decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import traces
from sim import Cluster, ClusterView, History, Outcomes, PlanHistory, Schedule, outcomes
from sim.history import believed
from sim.outcomes import MAX_RUNS
from sim.schedulers.common import check_number, check_whole
from sim.schedulers.priced import BY_RULE, Deviation, Priced
from sim.view import Size
from traces import Plan, Trace, TraceError, TraceStream

DEARER, CHEAPER, GIVEN_AWAY = 2.5, 0.4, 0.1
"""Factors of the price that are tried."""
MOST_QUERIES = 50
"""What could be done otherwise is tried for so many queries at most."""


class Lookahead:
    """Searches: of ``priced`` and answers that differ from it in one thing, what turns out best.

    At each event where executors are free it tries the rule's answer and others: another query or
    another operator first, an operator left out, or with more or fewer executors, idle executors
    held or not held. Each is followed by the rule until all queries in the system are complete, in
    ``runs`` copies of the cluster in which the times of work orders are guessed (``sim.outcomes``).
    Another answer is given only if it is better than the rule's by more than ``caution`` standard
    errors of the difference.

    What counts is the latency that is to come, and ``future`` × queries in the system ÷ executors
    for each unit of executor time that it takes: executors that work now are missed by what arrives
    next.

    Source: Bertsekas, Tsitsiklis, Wu, "Rollout algorithms for combinatorial optimization", Journal
    of Heuristics 3, 1997. We deviate: the rule's answer is kept where the difference may be luck.

    Args:
        times: a trace with the times of work orders that were seen, as `lsched observe` writes it;
            without one, times are guessed by what the rule expects.
        runs: copies for each answer.
        caution: standard errors that another answer must be better by.
        future: factor of the price of executor time.
        weight, offset, slowdown, hold_moves, size: see ``Priced``.
        seed: of the guesses.

    Raises:
        TraceError: the times cannot be read.
    """

    def __init__(
        self,
        times: str = "",
        *,
        runs: int = 8,
        caution: float = 1.0,
        future: float = 0.3,
        weight: float = 2.0,
        offset: float = 2.3,
        slowdown: float = 0.005,
        hold_moves: float = 0.5,
        size: Size = "history",
        seed: int = 0,
    ) -> None:
        check_whole("runs", runs, 2, MAX_RUNS)
        check_whole("seed", seed, 0, 2**63 - 1)
        check_number("caution", caution, 0.0, 1e6)
        check_number("future", future, 0.0, 1e6)
        self._rule = Priced(
            weight=weight, offset=offset, slowdown=slowdown, hold_moves=hold_moves, size=size
        )
        self._runs, self._caution, self._future, self._seed = runs, caution, future, seed
        self._size = size
        self._times, self._seen = times, traces.load(times) if times else None
        self.files = (Path(times),) if times else ()

    def experience(self, trace: Trace | TraceStream, cluster: Cluster) -> History:
        """The plans whose times were seen, as if they had completed a few times.

        Raises:
            TraceError: times are given, but of no plan of the trace, or of one like it.
        """
        if self._seen is None:
            return History()
        plans = {plan.name: plan for plan in trace.plans}
        known = [plan for plan in self._seen.plans if plan.name in plans]
        if not known:
            raise TraceError(f"{self._times}: no plan of the trace was seen, is it another's?")
        for plan in known:
            if _outline(plan) != _outline(plans[plan.name]):
                raise TraceError(
                    f"{self._times}: plan {plan.name!r} has other operators than the trace's; "
                    "lsched observe sees them anew"
                )
        return History({plan.name: _history_of(plan) for plan in known})

    def decide(self, view: ClusterView) -> Schedule:
        """Answer a scheduling event."""
        answer = self._rule.decide(view)
        if view.num_free == 0:
            return answer
        answers = _different(self._answers(view, answer))
        if len(answers) == 1:
            return answer
        found = outcomes(
            view, answers, self._rule, seen=self._seen, runs=self._runs, seed=self._seed
        )
        return answers[self._best(view, found)]

    def _best(self, view: ClusterView, found: Outcomes) -> int:
        """The answer that is best with some certainty; 0: the rule's own."""
        price = self._future * len(view.queries) / view.num_executors
        costs_us = found.left_us + price * found.executor_us
        if not np.isfinite(costs_us[:, 0]).all():
            return 0
        more_us = costs_us - costs_us[:, :1]
        more_us[:, ~np.isfinite(more_us).all(axis=0)] = np.finfo(np.float64).max / self._runs
        error_us = more_us.std(axis=0, ddof=1) / np.sqrt(self._runs)
        return int(np.argmin(more_us.mean(axis=0) + self._caution * error_us))

    def _answers(self, view: ClusterView, answer: Schedule) -> Iterator[Schedule]:
        yield answer
        for by in _deviations(view, answer, self._size):
            yield self._rule.deviating(view, by)


def _outline(plan: Plan) -> object:
    """What a plan and the same plan with other times have in common."""
    return plan.edges, [(operator.kind, operator.num_work_orders) for operator in plan.operators]


def _history_of(plan: Plan) -> PlanHistory:
    return believed(
        [operator.mean_work_order_us for operator in plan.operators],
        [operator.num_work_orders for operator in plan.operators],
    )


def _deviations(view: ClusterView, answer: Schedule, size: Size) -> Iterator[Deviation]:
    """What could be decided otherwise, one thing at a time, for the queries with least work."""
    given = {id(allocation.operator) for allocation in answer.allocations}
    queries = view.queries
    if len(queries) > MOST_QUERIES:
        queries = sorted(queries, key=lambda query: query.remaining_us(size))[:MOST_QUERIES]
    for query in queries:
        ready = query.schedulable
        for operator in ready:
            if id(operator) in given:
                yield BY_RULE._replace(left_out=operator)
                yield BY_RULE._replace(priced=operator, factor=DEARER)
                yield BY_RULE._replace(priced=operator, factor=CHEAPER)
            else:
                yield BY_RULE._replace(priced=operator, factor=GIVEN_AWAY)
            if len(ready) > 1:
                yield BY_RULE._replace(operator=operator)
                yield BY_RULE._replace(operator=operator, priced=operator, factor=GIVEN_AWAY)
        if ready:
            yield BY_RULE._replace(query=query)
        if query.num_local_free:
            yield BY_RULE._replace(held=query)


def _different(answers: Iterator[Schedule]) -> list[Schedule]:
    """Each schedule once, in order."""
    by_content = dict[object, Schedule]()
    for answer in answers:
        allocations = tuple((id(each.operator), each.num_executors) for each in answer.allocations)
        holds = tuple((id(hold.query), hold.num_executors) for hold in answer.holds)
        by_content.setdefault((allocations, holds), answer)
    return list(by_content.values())
