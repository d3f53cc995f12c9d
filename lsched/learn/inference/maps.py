"""The linear maps of a network in one array, and where each of them is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lsched.learn.config import PolicyConfig, feature_mask, output_mask
from lsched.learn.features import TABLES
from lsched.learn.rule import rule_numbers
from lsched.learn.shapes import NUM_SCALES, TREE_LAYERS, linear_maps, scale_shapes

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
    *(f"{head}.{layer}" for head in ("operator", "query") for layer in _TWO_LAYERS),
    "direct.operator",
    "direct.query",
)
"""Names in ``network.Network``. Compiled code knows a map by its place here."""

LAST_OF_HEADS = ("operator.2", "query.2")
"""Where what the encoder says becomes corrections: if all of it is 0, nothing has to be encoded."""
FIRST_WEIGHT, FIRST_BIAS, NUM_OUTPUTS = range(3)
"""Columns of spans. Maps that a network does not have have no outputs."""
WIDTH, IS_GCN = range(2)
"""Places in parts."""


def flattened(config: PolicyConfig, weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """Weights by name in ``network.Network`` as one vector.

    First what standardises features, then maps in the order of ``linear_maps``: a map's weights by
    input, then by output; then its biases.

    Shapes:
        returns (weights,), float32
    """
    pieces = [weights[name] for name in scale_shapes()]
    pieces += [
        piece
        for name in linear_maps(config)
        for piece in (weights[f"{name}.weight"].T.ravel(), weights[f"{name}.bias"])
    ]
    return np.concatenate(pieces).astype(np.float32)


def has_encoder(config: PolicyConfig, weights: np.ndarray) -> bool:
    """Whether the encoder's embeddings can make a difference.

    Shapes:
        weights: (weights,), see ``flattened``
    """
    at = NUM_SCALES
    for name, (outputs, inputs) in linear_maps(config).items():
        end = at + outputs * (inputs + 1)
        if name in LAST_OF_HEADS and np.any(weights[at:end]):
            return True
        at = end
    return False


def policy_arrays(config: PolicyConfig) -> dict[str, np.ndarray]:
    """What compiled code must know of a policy besides its weights, see ``tables``."""
    spans, at = np.zeros((len(MAPS), 3), np.int64), NUM_SCALES
    for name, (outputs, inputs) in linear_maps(config).items():
        spans[MAPS.index(name)] = at, at + outputs * inputs, outputs
        at += outputs * (inputs + 1)
    parts = [config.width, config.encoder == "gcn"]
    mask = [is_seen for group in TABLES for is_seen in feature_mask(config.observed, group)]
    of_operators, of_queries = output_mask(config)
    return {
        "spans": spans,
        "parts": np.array(parts, np.int64),
        "mask": np.array(mask, np.float32),
        "outputs": np.array([*of_operators, *of_queries], np.float32),
        "rule": rule_numbers(config.rule),
    }
