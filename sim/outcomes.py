"""What would follow from a schedule, as far as anyone can know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from sim.errors import OnlyFast
from sim.legality import checked_entries
from sim.registry import Scheduler
from sim.schedule import Allocation, Schedule
from sim.schedulers.common import check_whole
from sim.schedulers.compiled_rule import compiled_rule_of
from sim.view import ClusterView
from traces import Trace

MAX_RUNS = 10_000


class Outcomes(NamedTuple):
    """What follows from each of several schedules, by guesses.

    Attributes:
        left_us: time until the queries in the system complete, summed over them; inf where a
            schedule would never come to an end.
        executor_us: executor time that they take in all, moves included.

    Shapes:
        (runs, schedules), µs.
    """

    left_us: np.ndarray
    executor_us: np.ndarray


def outcomes(
    view: ClusterView,
    schedules: Sequence[Schedule | Iterable[Allocation]],
    rule: Scheduler,
    *,
    seen: Trace | None = None,
    runs: int = 8,
    seed: int = 0,
) -> Outcomes:
    """What would follow from each of several schedules if a rule decided from then on.

    Each schedule is tried on copies of the simulation, which run until all queries in the system
    are complete. They know no more than a scheduler does (R10): nothing arrives and no executor
    leaves; operators that are not complete build what is estimated; work orders that are not done
    take guessed times, the same for all schedules of one run (R8).

    Args:
        view: at a scheduling event that is not answered.
        schedules: answers to it.
        rule: that answers all later events; one of the compiled rules.
        seen: plans with times of work orders that somebody has seen, found by name; one is guessed
            by drawing from its operator's. Of other plans it is what the rule expects, with
            log-normal noise.
        runs: how often to guess.
        seed: of the guesses; others at another instant.

    Raises:
        OnlyFast: the simulation's engine is not ``fast``.
        ValueError: the rule is not compiled, a plan that was seen has other operators, there is no
            schedule or no query, or a number makes no sense.
        InvalidSchedule: a schedule breaks a rule.
    """
    engine, compiled = view._engine, compiled_rule_of(rule)
    if compiled is None or compiled.kind == "oracle-srpt":
        raise ValueError(f"{rule!r} is not a rule that the compiled engine can follow")
    check_whole("runs", runs, 1, MAX_RUNS)
    check_whole("seed", seed, 0, 2**63 - 1)
    if not schedules or not view.queries:
        raise ValueError("expected one schedule or more, and a query in the system")
    answers = [checked_entries(schedule, engine) for schedule in schedules]
    result = engine.outcomes(answers, compiled, seen, runs, seed)
    if result is None:
        raise OnlyFast("what would follow from a schedule only the engine 'fast' can say")
    return result
