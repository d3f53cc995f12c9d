"""Which linear maps a network is made of: so that weights can be checked and used without torch."""

from __future__ import annotations

import numpy as np

from lsched.learn.config import NUM_OPERATOR_OUTPUTS, NUM_QUERY_OUTPUTS, PolicyConfig
from lsched.learn.costs.network import cost_shapes
from lsched.learn.features import TABLES

TREE_LAYERS = 2
"""Of ``encoders.TreeEncoder``."""


def linear_maps(config: PolicyConfig) -> dict[str, tuple[int, int]]:
    """Numbers of outputs and inputs, by name in ``network.Network``."""
    width = config.width
    operators, queries, simulations = (len(features) for features in TABLES.values())
    heads = {
        f"{name}.{layer}": shape
        for name, inputs, outputs in (
            ("operator", 3 * width, NUM_OPERATOR_OUTPUTS),
            ("query", 2 * width, NUM_QUERY_OUTPUTS),
        )
        for layer, shape in ((0, (width, inputs)), (2, (outputs, width)))
    }
    if config.is_direct:
        heads["direct.operator"] = (NUM_OPERATOR_OUTPUTS, operators + queries)
        heads["direct.query"] = (NUM_QUERY_OUTPUTS, queries + simulations)
    return _encoder(config) | heads


def scale_shapes() -> dict[str, tuple[int]]:
    """Numbers of features, by name of what standardises them in ``network.Network``."""
    return {
        f"{part}.{group}": (len(features),)
        for part in ("means", "factors")
        for group, features in TABLES.items()
    }


NUM_SCALES = 2 * sum(len(features) for features in TABLES.values())


def weight_shapes(config: PolicyConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of all that is in a policy, by name."""
    return network_shapes(config) | cost_shapes(config.costs)


def network_shapes(config: PolicyConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of what is in ``network.Network``, by name."""
    shapes: dict[str, tuple[int, ...]] = dict(scale_shapes())
    for name, (outputs, inputs) in linear_maps(config).items():
        shapes[f"{name}.weight"] = (outputs, inputs)
        shapes[f"{name}.bias"] = (outputs,)
    return shapes


def _encoder(config: PolicyConfig) -> dict[str, tuple[int, int]]:
    width = config.width
    operators, queries, simulations = (len(features) for features in TABLES.values())
    maps: dict[str, tuple[int, int]] = {}
    if config.encoder == "gcn":
        maps |= {"sweep.f": (width, width), "sweep.g": (width, width)}
        maps |= _two_layers("sweep.prep", operators, width)
    else:
        maps |= _two_layers("prep", operators, width)
        for layer in range(TREE_LAYERS):
            maps[f"layers.{layer}.scores"] = (6, width)
            maps[f"layers.{layer}.filter"] = (width, 3 * width + 4)
    for name, parts, whole in (
        ("query", width + operators, queries),
        ("simulation", width, simulations),
    ):
        summary = f"summaries.{name}"
        maps |= {f"{summary}.f": (width, parts), f"{summary}.g": (width, width)}
        maps |= _two_layers(f"{summary}.prep", whole, width)
    return {f"encoder.{name}": shape for name, shape in maps.items()}


def _two_layers(name: str, inputs: int, width: int) -> dict[str, tuple[int, int]]:
    return {f"{name}.0": (width, inputs), f"{name}.2": (width, width)}


def named(config: PolicyConfig, vector: np.ndarray) -> dict[str, np.ndarray]:
    """Weights of ``network.Network`` by name from one vector, see ``inference.maps.flattened``.

    Shapes:
        vector: (weights,)
    """
    weights, at = {}, 0
    for name, shape in scale_shapes().items():
        end = at + shape[0]
        weights[name] = np.array(vector[at:end], np.float32)
        at = end
    for name, (outputs, inputs) in linear_maps(config).items():
        end = at + outputs * inputs
        own = vector[at:end].reshape(inputs, outputs)
        weights[f"{name}.weight"] = np.ascontiguousarray(own.T, np.float32)
        weights[f"{name}.bias"] = np.array(vector[end : end + outputs], np.float32)
        at = end + outputs
    return weights
