"""Tree convolutions with attention, as in ``lsched.learn.encoders.tree``."""

from __future__ import annotations

import math

import numpy as np

from lsched.learn.inference.dense import (
    SLOPE,
    add_product,
    linear,
    make_leaky,
    set_biases,
    two_layers,
)
from lsched.learn.inference.maps import MAPS
from lsched.learn.inference.observation import Observation
from lsched.learn.inference.tables import Table
from lsched.learn.shapes import TREE_LAYERS
from sim.fast_engine.compile import compiled, compiled_allocating

PREP, LAYERS = MAPS.index("encoder.prep.0"), MAPS.index("encoder.layers.0.scores")
MAX_SCORE = np.float32(30.0)
"""As there."""
CHILDREN, PARENTS = range(2)
"""Groups of neighbours of an operator, and rows of the scores of their members."""
SIDES = 2
STREAMING = 2
"""The row of scores of those that have a child over an edge that does not break pipelines; then
over one that does, then the same for parents."""


@compiled_allocating
def convolve(policy: Table, seen: Observation) -> np.ndarray:
    """The embedding of each operator.

    Shapes:
        returns (width, operators)
    """
    nodes = two_layers(policy, PREP, seen.operators)
    for layer in range(TREE_LAYERS):
        nodes = _layer(policy, LAYERS + 2 * layer, nodes, seen)
    return nodes


@compiled_allocating
def _layer(policy: Table, scores: int, nodes: np.ndarray, seen: Observation) -> np.ndarray:
    """The next embedding of each operator; ``scores``: the first of the layer's two maps."""
    width, num_nodes = nodes.shape
    alpha = _attention(linear(policy, scores, nodes), seen)
    around = np.zeros((2 * width, num_nodes), np.float32)
    shares = np.zeros((4, num_nodes), np.float32)
    for side in range(SIDES):
        weight = alpha[side]
        member = seen.producer if side == CHILDREN else seen.consumer
        owner = seen.consumer if side == CHILDREN else seen.producer
        for edge in range(len(owner)):
            shares[2 * side + seen.is_breaking[edge], owner[edge]] += weight[edge]
        for at in range(width):
            own, sums = nodes[at], around[side * width + at]
            for edge in range(len(owner)):
                sums[owner[edge]] += weight[edge] * own[member[edge]]
    out = np.empty_like(nodes)
    set_biases(policy, scores + 1, out, 0, num_nodes)
    add_product(policy, scores + 1, 0, nodes, out, 0, num_nodes)
    add_product(policy, scores + 1, width, around, out, 0, num_nodes)
    add_product(policy, scores + 1, 3 * width, shares, out, 0, num_nodes)
    make_leaky(out, 0, num_nodes)
    for at in range(width):
        own, after = nodes[at], out[at]
        for node in range(num_nodes):
            after[node] += own[node]
    return out


@compiled_allocating
def _attention(scores: np.ndarray, seen: Observation) -> np.ndarray:
    """How much each neighbour counts among the children, or parents, of an operator.

    Shapes:
        scores: (6, operators); returns (2, edges)
    """
    num_edges = len(seen.producer)
    weights = np.empty((SIDES, num_edges), np.float32)
    for side in range(SIDES):
        member = seen.producer if side == CHILDREN else seen.consumer
        owner = seen.consumer if side == CHILDREN else seen.producer
        sums = np.zeros(scores.shape[1], np.float32)
        for edge in range(num_edges):
            own = scores[STREAMING + 2 * side + seen.is_breaking[edge], owner[edge]]
            weight = _exp(scores[side, member[edge]] + own)
            weights[side, edge] = weight
            sums[owner[edge]] += weight
        for edge in range(num_edges):
            weights[side, edge] /= sums[owner[edge]]
    return weights


@compiled
def _exp(score: float) -> float:
    leaky = score if score > 0 else SLOPE * score
    return math.exp(min(max(leaky, -MAX_SCORE), MAX_SCORE))
