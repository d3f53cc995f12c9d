"""The linear maps of a network in one array, and where each of them is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lsched.learn.config import HEADS, PolicyConfig, feature_mask
from lsched.learn.features import TABLES
from lsched.learn.shapes import TREE_LAYERS, linear_maps

_TWO_LAYERS = ("0", "2")
MAPS = (
    *(f"encoder.prep.{layer}" for layer in _TWO_LAYERS),
    *(
        f"encoder.layers.{layer}.{part}"
        for layer in range(TREE_LAYERS)
        for part in ("scores", "filter")
    ),
    *(f"encoder.sweep.prep.{layer}" for layer in _TWO_LAYERS),
    "encoder.sweep.f",
    "encoder.sweep.g",
    *(
        f"encoder.summaries.{whole}.{part}"
        for whole in ("query", "simulation")
        for part in ("f", "g", "prep.0", "prep.2")
    ),
    *(f"{head}.{layer}" for head in ("root", *HEADS) for layer in _TWO_LAYERS),
)
"""Names in ``network.Network``. Compiled code knows a map by its place here."""

FIRST_WEIGHT, FIRST_BIAS, NUM_INPUTS, NUM_OUTPUTS = range(4)
"""Columns of spans. Maps that a network does not have have no outputs."""
WIDTH, IS_GCN, HAS_RULE, HAS_DEGREE, HAS_STOP, HAS_LIMIT, HAS_HOLD = range(7)
"""Places in parts."""


@dataclass(frozen=True)
class Packed:
    """A policy in the form that compiled code takes.

    Attributes:
        weights: of all maps; a map's by input, then by output, then its biases.
        spans: where a map's weights and biases begin, and its numbers of inputs and outputs.
        parts: what the policy is made of.
        mask: 1 for each feature that it sees, 0 for others: of operators, queries, simulations.

    Shapes:
        weights: (weights,), float32; spans: (maps, 4); parts: (7,); mask: (features,), float32.
    """

    weights: np.ndarray
    spans: np.ndarray
    parts: np.ndarray
    mask: np.ndarray


def packed(config: PolicyConfig, weights: Mapping[str, np.ndarray]) -> Packed:
    """A policy's weights, by name in ``network.Network``, in one array."""
    spans, pieces, at = np.zeros((len(MAPS), 4), np.int64), [], 0
    for place, name in enumerate(MAPS):
        if name in linear_maps(config):
            weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
            spans[place] = at, at + weight.size, weight.shape[1], weight.shape[0]
            pieces += [weight.T.ravel(), bias]
            at += weight.size + bias.size
    heads = [name in config.heads for name in ("degree", "stop", "limit", "hold")]
    parts = [config.width, config.encoder == "gcn", bool(config.rule), *heads]
    mask = [is_seen for group in TABLES for is_seen in feature_mask(config.observed, group)]
    return Packed(
        np.concatenate(pieces).astype(np.float32),
        spans,
        np.array(parts, np.int64),
        np.array(mask, np.float32),
    )
