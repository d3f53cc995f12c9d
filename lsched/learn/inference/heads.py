"""The network's corrections of the rule's logits, as in ``lsched.learn.network``."""

from __future__ import annotations

import math

import numpy as np

from lsched.learn.config import FACTORS, FRACTIONS
from lsched.learn.inference.choices import Choices, Logits
from lsched.learn.inference.dense import (
    add_product,
    linear,
    make_leaky,
    two_layers,
)
from lsched.learn.inference.encode import Embeddings
from lsched.learn.inference.maps import (
    HAS_DEGREE,
    HAS_HOLD,
    HAS_LIMIT,
    HAS_RULE,
    HAS_STOP,
    MAPS,
    WIDTH,
)
from lsched.learn.inference.observation import Observation
from lsched.learn.inference.tables import Table
from sim.fast_engine.compile import compiled, compiled_allocating

ROOT, DEGREE, STOP, LIMIT, HOLD = (
    MAPS.index(f"{name}.0") for name in ("root", "degree", "stop", "limit", "hold")
)
NUM_FACTORS, SMALL = len(FACTORS), np.float32(0.01)


@compiled_allocating
def correct(
    view: Table,
    policy: Table,
    seen: Observation,
    choices: Choices,
    embedded: Embeddings,
    logits: Logits,
) -> None:
    """Add what the network says to the logits."""
    width = policy.parts[WIDTH]
    candidates = _gathered(embedded, seen.query_of[choices.candidate])
    for at in range(width):
        for column in range(len(choices.candidate)):
            candidates[at, column] = embedded.operators[at, choices.candidate[column]]
    _add(two_layers(policy, ROOT, candidates)[0], logits.roots)
    if policy.parts[HAS_DEGREE]:
        corrections = two_layers(policy, DEGREE, candidates)
        for degree in range(len(corrections)):
            _add(corrections[degree], logits.degrees[:, degree])
    if policy.parts[HAS_STOP]:
        _add(two_layers(policy, STOP, embedded.whole)[0], logits.stop)
    if policy.parts[HAS_LIMIT]:
        _correct_limits(view, policy, seen, choices, embedded, logits)
    if policy.parts[HAS_HOLD]:
        queries = _gathered(embedded, choices.hold_queries)
        _add(two_layers(policy, HOLD, queries[width:])[0], logits.holds[:, 1])


@compiled_allocating
def _gathered(embedded: Embeddings, queries: np.ndarray) -> np.ndarray:
    """Room for an operator's embedding; then those of queries and of the whole.

    Shapes:
        queries: (Q,); returns (3 × width, Q)
    """
    width = len(embedded.whole)
    out = np.empty((3 * width, len(queries)), np.float32)
    for at in range(width):
        out[2 * width + at] = embedded.whole[at, 0]
        for column in range(len(queries)):
            out[width + at, column] = embedded.queries[at, queries[column]]
    return out


@compiled
def _add(corrections: np.ndarray, logits: np.ndarray) -> None:
    for at in range(len(logits)):
        logits[at] += corrections[at]


@compiled_allocating
def _correct_limits(
    view: Table,
    policy: Table,
    seen: Observation,
    choices: Choices,
    embedded: Embeddings,
    logits: Logits,
) -> None:
    """For each factor and query; what the query adds is the same for all factors."""
    width, num_queries = policy.parts[WIDTH], len(choices.first)
    queries = _gathered(embedded, seen.query_of[choices.candidate[choices.first]])
    of_query = linear(policy, LIMIT, queries[width:])
    shares = _shares(view, policy, seen, choices)
    hidden = np.empty((width, NUM_FACTORS * num_queries), np.float32)
    for factor in range(NUM_FACTORS):
        hidden[:, factor * num_queries : (factor + 1) * num_queries] = of_query
    add_product(policy, LIMIT, 2 * width, shares, hidden, 0, hidden.shape[1])
    make_leaky(hidden, 0, hidden.shape[1])
    out = linear(policy, LIMIT + 1, hidden)[0]
    for factor in range(NUM_FACTORS):
        _add(out[factor * num_queries : (factor + 1) * num_queries], logits.limits[:, factor])


@compiled_allocating
def _shares(view: Table, policy: Table, seen: Observation, choices: Choices) -> np.ndarray:
    """Limits ÷ executors by factor, then by query, and their logarithms.

    Shapes:
        (2, factors × queries)
    """
    num_executors = view.simulations_num_executors[seen.simulation]
    shares = np.empty((2, NUM_FACTORS * len(choices.first)), np.float32)
    column = 0
    for factor in range(NUM_FACTORS):
        multiplier = FACTORS[factor] if policy.parts[HAS_RULE] else FRACTIONS[factor]
        for candidate in choices.first:
            part = choices.base_limit[candidate] / num_executors
            share = np.float32(min(part * multiplier, 1.0))
            shares[0, column], shares[1, column] = share, math.log(share + SMALL)
            column += 1
    return shares
