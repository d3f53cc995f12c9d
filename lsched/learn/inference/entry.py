"""What Python calls: kept on disk, see ``sim.fast_engine.kept``."""

from __future__ import annotations

from typing import Any

import numpy as np

import lsched.learn
import sim
import traces
from lsched.learn.inference.advice import advice_of
from lsched.learn.inference.choices import choices_of, put_other_priors, put_root_priors
from lsched.learn.inference.decide import put_allocations, put_holds
from lsched.learn.inference.encode import encode
from lsched.learn.inference.heads import correct
from lsched.learn.inference.observation import observe
from lsched.learn.inference.tables import (
    NUM_HOLDS,
    NUM_LIMITS,
    NUM_ROOTS,
    Table,
    answer_at,
    place_at,
    policy_at,
)
from sim.fast_engine.batch import view_at
from sim.fast_engine.compile import compiled_allocating
from sim.fast_engine.kept import ROW, WHOLE, digest_of_sources, takes


@compiled_allocating
def decide_all(
    view: Table,
    policy: Table,
    place: Table,
    answer: Table,
    num_rows: int,
    operators: np.ndarray,
    limits: np.ndarray,
    degrees: np.ndarray,
    hold_queries: np.ndarray,
    hold_executors: np.ndarray,
) -> None:
    """Decide for all simulations of a view; the last five are the rule's schedule, in rows."""
    advice = advice_of(view, num_rows, operators, limits, degrees, hold_queries, hold_executors)
    seen = observe(view, policy, place, num_rows, advice)
    choices = choices_of(view, policy, place, num_rows, advice, seen)
    counts = answer.counts
    counts[NUM_ROOTS], counts[NUM_LIMITS] = len(choices.candidate), len(choices.first)
    counts[NUM_HOLDS] = len(choices.hold_queries)
    put_root_priors(view, policy, num_rows, advice, seen, choices, answer.roots, answer.stop)
    put_other_priors(
        view, policy, place, advice, seen, choices, answer.limits, answer.degrees, answer.holds
    )
    if len(choices.candidate) > 0 or len(choices.hold_queries) > 0:
        embedded = encode(view, policy, place, num_rows, seen)
        correct(view, policy, seen, choices, embedded, answer)
    put_allocations(view, policy, place, num_rows, advice, seen, choices, answer)
    put_holds(view, view.query_offsets[num_rows], advice, choices, answer)


def _kept(digest: int) -> Any:
    """The entry; ``digest`` is in its closure."""

    @takes(WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, ROW, ROW, ROW, ROW, ROW, what="learned policies")
    def decide(
        view: int,
        policy: int,
        place: int,
        answer: int,
        num_rows: int,
        operators: np.ndarray,
        limits: np.ndarray,
        degrees: np.ndarray,
        hold_queries: np.ndarray,
        hold_executors: np.ndarray,
    ) -> None:
        if digest >= 0:
            decide_all(
                view_at(view),
                policy_at(policy),
                place_at(place),
                answer_at(answer),
                num_rows,
                operators,
                limits,
                degrees,
                hold_queries,
                hold_executors,
            )

    return decide


decide = _kept(digest_of_sources(sim, traces, lsched.learn))
"""``decide_all`` with tables at addresses."""
