"""What Python calls: kept on disk, see ``sim.fast_engine.kept``."""

from __future__ import annotations

from typing import Any

import numpy as np

import sim
import traces
from lsched.learn import advice, choices, config, features, inference, observation, shapes
from lsched.learn.inference.advice import advice_of
from lsched.learn.inference.choices import Choices, Logits, choices_of, put_priors
from lsched.learn.inference.decide import put_allocations, put_holds
from lsched.learn.inference.encode import encode
from lsched.learn.inference.heads import correct
from lsched.learn.inference.observation import observe
from lsched.learn.inference.tables import (
    NUM_HOLDS,
    NUM_LIMITS,
    NUM_ROOTS,
    NUM_STOPS,
    Table,
    answer_at,
    place_at,
    policy_at,
)
from sim.fast_engine.batch import view_at
from sim.fast_engine.compile import compiled, compiled_allocating
from sim.fast_engine.kept import ROW, WHOLE, digest_of_sources, takes


@compiled_allocating
def decide_all(
    view: Table,
    policies: np.ndarray,
    place: Table,
    answer: Table,
    operators: np.ndarray,
    limits: np.ndarray,
    degrees: np.ndarray,
    hold_queries: np.ndarray,
    hold_executors: np.ndarray,
) -> None:
    """Decide for all simulations of a view, one after another.

    ``policies``: of each, the address of its policy's table. The last five are the rule's schedules
    of all, in rows of the view.
    """
    num_rows = len(policies)
    of_rule = advice_of(view, num_rows, operators, limits, degrees, hold_queries, hold_executors)
    answer.counts[:] = 0
    for row in range(num_rows):
        policy = policy_at(policies[row])
        seen = observe(view, policy, place, row, of_rule)
        open_to_it = choices_of(view, policy, place, of_rule, seen)
        logits = room_for_logits(open_to_it, answer)
        put_priors(view, policy, place, of_rule, seen, open_to_it, logits)
        if len(open_to_it.candidate) > 0 or len(open_to_it.hold_queries) > 0:
            embedded = encode(view, policy, place, seen)
            correct(view, policy, seen, open_to_it, embedded, logits)
        put_allocations(view, policy, place, of_rule, seen, open_to_it, logits, answer)
        put_holds(view, of_rule, seen, open_to_it, logits, answer)


@compiled
def room_for_logits(open_to_it: Choices, answer: Table) -> Logits:
    """Of one more simulation, after those of others."""
    counts = answer.counts
    root, stop, limit, hold = (
        counts[NUM_ROOTS],
        counts[NUM_STOPS],
        counts[NUM_LIMITS],
        counts[NUM_HOLDS],
    )
    counts[NUM_ROOTS] += len(open_to_it.candidate)
    counts[NUM_STOPS] += 1
    counts[NUM_LIMITS] += len(open_to_it.first)
    counts[NUM_HOLDS] += len(open_to_it.hold_queries)
    return Logits(
        answer.roots[root : counts[NUM_ROOTS]],
        answer.stop[stop : counts[NUM_STOPS]],
        answer.limits[limit : counts[NUM_LIMITS]],
        answer.degrees[root : counts[NUM_ROOTS]],
        answer.holds[hold : counts[NUM_HOLDS]],
    )


def _kept(digest: int) -> Any:
    """The entry; ``digest`` is in its closure."""

    @takes(WHOLE, ROW, WHOLE, WHOLE, ROW, ROW, ROW, ROW, ROW, what="learned policies")
    def decide(
        view: int,
        policies: np.ndarray,
        place: int,
        answer: int,
        operators: np.ndarray,
        limits: np.ndarray,
        degrees: np.ndarray,
        hold_queries: np.ndarray,
        hold_executors: np.ndarray,
    ) -> None:
        if digest >= 0:
            decide_all(
                view_at(view),
                policies,
                place_at(place),
                answer_at(answer),
                operators,
                limits,
                degrees,
                hold_queries,
                hold_executors,
            )

    return decide


SOURCES = (sim, traces, inference, advice, choices, config, features, observation, shapes)
"""All that compiled code comes from, or takes constants from."""
decide = _kept(digest_of_sources(*SOURCES))
"""``decide_all`` with tables at addresses."""
