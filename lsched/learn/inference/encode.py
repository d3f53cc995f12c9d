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
from lsched.learn.inference.maps import IS_GCN, MAPS, WIDTH
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
        all: (width, rows)
    """

    operators: np.ndarray
    queries: np.ndarray
    simulations: np.ndarray


@compiled_allocating
def encode(
    view: Table, policy: Table, place: Table, num_rows: int, seen: Observation
) -> Embeddings:
    """The embeddings of all that is observed."""
    num_edges = view.edge_offsets[num_rows]
    if policy.parts[IS_GCN]:
        operators = sweep(view, policy, place, num_edges, seen)
    else:
        operators = convolve(view, policy, num_edges, seen)
    num_operators, num_queries = len(seen.row), view.query_offsets[num_rows]
    width = policy.parts[WIDTH]
    messages = np.empty((width, num_operators), np.float32)
    set_biases(policy, QUERY, messages, 0, num_operators)
    add_product(policy, QUERY, 0, operators, messages, 0, num_operators)
    add_product(policy, QUERY, width, seen.operators, messages, 0, num_operators)
    queries = _summary(policy, QUERY, messages, view.operators_query[seen.row], seen.queries)
    messages = np.empty((width, num_queries), np.float32)
    set_biases(policy, SIMULATION, messages, 0, num_queries)
    add_product(policy, SIMULATION, 0, queries, messages, 0, num_queries)
    simulations = _summary(
        policy, SIMULATION, messages, view.queries_simulation[:num_queries], seen.simulations
    )
    return Embeddings(operators, queries, simulations)


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
