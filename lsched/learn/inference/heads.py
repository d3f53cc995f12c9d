"""The network's corrections of the rule's logits, as in ``lsched.learn.network``."""

from __future__ import annotations

import math

import numpy as np

from lsched.learn.config import FACTORS, FRACTIONS
from lsched.learn.inference.choices import Choices
from lsched.learn.inference.dense import (
    add_product,
    linear,
    make_leaky,
    set_biases,
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
ONE = np.float32(1.0)


@compiled_allocating
def correct(
    view: Table,
    policy: Table,
    seen: Observation,
    choices: Choices,
    embedded: Embeddings,
    answer: Table,
) -> None:
    """Add what the network says to the logits."""
    rows = seen.row[choices.candidate]
    candidates = _gathered(view, embedded, view.operators_query[rows], policy.parts[WIDTH])
    width = policy.parts[WIDTH]
    for at in range(width):
        for column in range(len(rows)):
            candidates[at, column] = embedded.operators[at, choices.candidate[column]]
    _add_first(answer.roots, two_layers(policy, ROOT, candidates))
    if policy.parts[HAS_DEGREE]:
        _add_all(answer.degrees, two_layers(policy, DEGREE, candidates), 0)
    if policy.parts[HAS_STOP]:
        _add_first(answer.stop, two_layers(policy, STOP, embedded.simulations))
    if policy.parts[HAS_LIMIT]:
        _correct_limits(view, policy, rows[choices.first], choices, embedded, answer.limits)
    if policy.parts[HAS_HOLD]:
        queries = _gathered(view, embedded, choices.hold_queries, width)
        _add_all(answer.holds, two_layers(policy, HOLD, queries[width:]), 1)


@compiled_allocating
def _gathered(view: Table, embedded: Embeddings, queries: np.ndarray, width: int) -> np.ndarray:
    """Room for an operator's embedding; then those of queries and of their simulations.

    Shapes:
        queries: (Q,); returns (3 × width, Q)
    """
    out = np.empty((3 * width, len(queries)), np.float32)
    for at in range(width):
        for column in range(len(queries)):
            query = queries[column]
            out[width + at, column] = embedded.queries[at, query]
            simulation = view.queries_simulation[query]
            out[2 * width + at, column] = embedded.simulations[at, simulation]
    return out


@compiled
def _add_first(logits: np.ndarray, outputs: np.ndarray) -> None:
    for row in range(outputs.shape[1]):
        logits[row] += outputs[0, row]


@compiled
def _add_all(logits: np.ndarray, outputs: np.ndarray, first: int) -> None:
    """``first``: the choice that the first output is of; those before it stay as they are."""
    for at in range(len(outputs)):
        for row in range(outputs.shape[1]):
            logits[row, first + at] += outputs[at, row]


@compiled_allocating
def _correct_limits(
    view: Table,
    policy: Table,
    rows: np.ndarray,
    choices: Choices,
    embedded: Embeddings,
    limits: np.ndarray,
) -> None:
    """For each factor and query; what the query adds is the same for all factors."""
    width, num_queries = policy.parts[WIDTH], len(rows)
    queries = _gathered(view, embedded, view.operators_query[rows], width)
    of_query = np.empty((width, num_queries), np.float32)
    set_biases(policy, LIMIT, of_query, 0, num_queries)
    add_product(policy, LIMIT, 0, queries[width:], of_query, 0, num_queries)
    num_columns = NUM_FACTORS * num_queries
    shares = np.empty((2, num_columns), np.float32)
    for factor in range(NUM_FACTORS):
        multiplier = FACTORS[factor] if policy.parts[HAS_RULE] else FRACTIONS[factor]
        for at in range(num_queries):
            simulation = view.queries_simulation[view.operators_query[rows[at]]]
            num_executors = view.simulations_num_executors[simulation]
            part = choices.base_limit[choices.first[at]] / num_executors
            share = np.float32(min(part * multiplier, 1.0))
            shares[0, factor * num_queries + at] = share
            shares[1, factor * num_queries + at] = math.log(share + SMALL)
    hidden = np.empty((width, num_columns), np.float32)
    for factor in range(NUM_FACTORS):
        hidden[:, factor * num_queries : (factor + 1) * num_queries] = of_query
    add_product(policy, LIMIT, 2 * width, shares, hidden, 0, num_columns)
    make_leaky(hidden, 0, num_columns)
    out = linear(policy, LIMIT + 1, hidden)
    for factor in range(NUM_FACTORS):
        for at in range(num_queries):
            limits[at, factor] += out[0, factor * num_queries + at]
