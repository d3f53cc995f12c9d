"""Embeddings of operators, queries and simulations, as in ``lsched.learn.encoders``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lsched.learn.inference.dense import (
    add_product,
    linear,
    make_leaky,
    set_biases,
    two_layers,
)
from lsched.learn.inference.gcn import sweep
from lsched.learn.inference.maps import IS_GCN, MAPS
from lsched.learn.inference.observation import Observation
from lsched.learn.inference.tables import Table
from lsched.learn.inference.tree import convolve
from sim.fast_engine.compile import compiled_allocating

QUERY, SIMULATION = (
    MAPS.index(f"encoder.summaries.{whole}.f") for whole in ("query", "simulation")
)
G, PREP = 1, 2
"""From a summary's f to its g and to the first layer of its prep."""


class Embeddings(NamedTuple):
    """See ``lsched.learn.graph.Embeddings``.

    Shapes:
        operators, queries: (width, rows); whole: (width, 1)
    """

    operators: np.ndarray
    queries: np.ndarray
    whole: np.ndarray


@compiled_allocating
def encode(view: Table, policy: Table, place: Table, seen: Observation) -> Embeddings:
    """The embeddings of all that is observed."""
    is_gcn = policy.parts[IS_GCN]
    operators = sweep(view, policy, place, seen) if is_gcn else convolve(policy, seen)
    width, num_operators = operators.shape
    num_queries = seen.queries.shape[1]
    messages = np.empty_like(operators)
    set_biases(policy, QUERY, messages, 0, num_operators)
    add_product(policy, QUERY, 0, operators, messages, 0, num_operators)
    add_product(policy, QUERY, width, seen.operators, messages, 0, num_operators)
    queries = _summary(policy, QUERY, messages, seen.query_of, seen.queries)
    messages = linear(policy, SIMULATION, queries)
    all_of_one = np.zeros(num_queries, np.int64)
    whole = _summary(policy, SIMULATION, messages, all_of_one, seen.whole)
    return Embeddings(operators, queries, whole)


@compiled_allocating
def _summary(
    policy: Table, which: int, messages: np.ndarray, whole_of: np.ndarray, features: np.ndarray
) -> np.ndarray:
    """g(Σ of the messages of its parts) + prep(features), for each whole.

    Shapes:
        messages: (width, parts), before their LeakyReLU; whole_of: (parts,);
        features: (features, wholes); returns (width, wholes)
    """
    width, num_parts = messages.shape
    num_wholes = features.shape[1]
    make_leaky(messages, 0, num_parts)
    sums = np.zeros((width, num_wholes), np.float32)
    for at in range(width):
        message, total = messages[at], sums[at]
        for part in range(num_parts):
            total[whole_of[part]] += message[part]
    out = linear(policy, which + G, sums)
    make_leaky(out, 0, num_wholes)
    prepared = two_layers(policy, which + PREP, features)
    for at in range(width):
        for row in range(num_wholes):
            out[at, row] += prepared[at, row]
    return out
