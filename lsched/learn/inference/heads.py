"""What the network says about operators and queries, as in ``lsched.learn.network``."""

from __future__ import annotations

import numpy as np

from lsched.learn.config import NUM_OPERATOR_OUTPUTS
from lsched.learn.inference.dense import (
    add_product,
    linear,
    make_bounded,
    set_biases,
)
from lsched.learn.inference.encode import Embeddings, encode
from lsched.learn.inference.maps import MAPS, NUM_OUTPUTS
from lsched.learn.inference.observation import Observation
from lsched.learn.inference.tables import Table
from sim.fast_engine.compile import compiled, compiled_allocating

OPERATOR, QUERY = (MAPS.index(f"{name}.0") for name in ("operator", "query"))
DIRECT = MAPS.index("direct.operator")
"""Then that of queries."""


@compiled_allocating
def correct(
    view: Table,
    policy: Table,
    place: Table,
    seen: Observation,
    operators: np.ndarray,
    queries: np.ndarray,
) -> None:
    """Write the corrections of a simulation.

    Shapes:
        operators: (7, operators); queries: (5, queries)
    """
    if policy.has_encoder[0]:
        _from_embeddings(policy, seen, encode(view, policy, place, seen), operators, queries)
    else:
        operators[:] = np.float32(0.0)
        queries[:] = np.float32(0.0)
    if policy.spans[DIRECT, NUM_OUTPUTS] > 0:
        _add_direct(policy, seen, operators, queries)
    _mask(policy, operators, 0)
    _mask(policy, queries, NUM_OPERATOR_OUTPUTS)


@compiled_allocating
def _from_embeddings(
    policy: Table,
    seen: Observation,
    embedded: Embeddings,
    operators: np.ndarray,
    queries: np.ndarray,
) -> None:
    """Write what the embeddings say."""
    width, num_operators = embedded.operators.shape
    num_queries = embedded.queries.shape[1]
    whole = _for_each(embedded.whole, num_queries)
    hidden = np.empty((width, num_queries), np.float32)
    set_biases(policy, QUERY, hidden, 0, num_queries)
    add_product(policy, QUERY, 0, embedded.queries, hidden, 0, num_queries)
    add_product(policy, QUERY, width, whole, hidden, 0, num_queries)
    make_bounded(hidden, num_queries)
    queries[:] = linear(policy, QUERY + 1, hidden)
    # What the operators of a query share is worked out once.
    set_biases(policy, OPERATOR, hidden, 0, num_queries)
    add_product(policy, OPERATOR, width, embedded.queries, hidden, 0, num_queries)
    add_product(policy, OPERATOR, 2 * width, whole, hidden, 0, num_queries)
    own = np.empty((width, num_operators), np.float32)
    for at in range(width):
        for column in range(num_operators):
            own[at, column] = hidden[at, seen.query_of[column]]
    add_product(policy, OPERATOR, 0, embedded.operators, own, 0, num_operators)
    make_bounded(own, num_operators)
    operators[:] = linear(policy, OPERATOR + 1, own)


@compiled_allocating
def _for_each(whole: np.ndarray, num_queries: int) -> np.ndarray:
    """What there is of a simulation once, for each of its queries.

    Shapes:
        whole: (numbers, 1); returns (numbers, queries).
    """
    copies = np.empty((len(whole), num_queries), np.float32)
    for at in range(len(whole)):
        copies[at] = whole[at, 0]
    return copies


@compiled_allocating
def _add_direct(
    policy: Table, seen: Observation, operators: np.ndarray, queries: np.ndarray
) -> None:
    """Add what features say without an encoder."""
    num_operators, num_queries = operators.shape[1], queries.shape[1]
    # What the operators of a query share is worked out once.
    shared = np.zeros((len(operators), num_queries), np.float32)
    add_product(policy, DIRECT, len(seen.operators), seen.queries, shared, 0, num_queries)
    of_operators = linear(policy, DIRECT, seen.operators)
    for at in range(len(operators)):
        for column in range(num_operators):
            operators[at, column] += of_operators[at, column] + shared[at, seen.query_of[column]]
    whole = _for_each(seen.whole, num_queries)
    of_queries = linear(policy, DIRECT + 1, seen.queries)
    add_product(policy, DIRECT + 1, len(seen.queries), whole, of_queries, 0, num_queries)
    for at in range(len(queries)):
        queries[at] += of_queries[at]


@compiled
def _mask(policy: Table, corrections: np.ndarray, first: int) -> None:
    """Set to 0 what is left to the rule."""
    for at in range(len(corrections)):
        if policy.outputs[first + at] == 0.0:
            corrections[at] = 0.0
