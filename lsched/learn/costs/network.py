"""The network of ``lsched.learn.costs``, in numpy: predictions without torch.

    h = φ(W₀ x̂),   h ← h + φ(W_l [h, Σ breaking producers, Σ other producers, Σ consumers, Σ plan])

with φ LeakyReLU, x̂ standardised features, each sum over the h of those operators. The prediction is
the estimate × exp(w · h), cut off at the least and largest factor seen in training.

Source: message passing as in Gilmer et al., "Neural message passing for quantum chemistry", ICML
2017; zero-shot cost models do the same on plans (Hilprecht, Binnig, VLDB 2022).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lsched.learn.costs.plans import NUM_FEATURES, PlanGraph

NUM_LAYERS, NUM_SUMS = 3, 5
SLOPE = np.float32(0.2)
PLAN_SCALE = np.float32(0.1)
"""Of sums over whole plans, which have tens of operators."""
Weights = Mapping[str, np.ndarray]


def cost_shapes(width: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights, by name; none with width 0."""
    if width == 0:
        return {}
    shapes: dict[str, tuple[int, ...]] = {
        "costs.mean": (NUM_FEATURES,),
        "costs.factor": (NUM_FEATURES,),
        "costs.bounds": (2,),
        "costs.first.weight": (width, NUM_FEATURES),
        "costs.first.bias": (width,),
    }
    for layer in range(NUM_LAYERS):
        shapes[f"costs.layers.{layer}.weight"] = (width, NUM_SUMS * width)
        shapes[f"costs.layers.{layer}.bias"] = (width,)
    return shapes | {"costs.last.weight": (1, width), "costs.last.bias": (1,)}


def predicted_us(weights: Weights, graph: PlanGraph) -> np.ndarray:
    """Time of a recorded work order of each operator, µs.

    Shapes:
        returns (operators,)
    """
    x = (graph.features - weights["costs.mean"]) * weights["costs.factor"]
    h = _leaky(_linear(weights, "costs.first", x))
    is_breaking = graph.is_breaking.astype(bool)
    for layer in range(NUM_LAYERS):
        parts = [
            h,
            _sums(h, graph.producer[is_breaking], graph.consumer[is_breaking], len(h)),
            _sums(h, graph.producer[~is_breaking], graph.consumer[~is_breaking], len(h)),
            _sums(h, graph.consumer, graph.producer, len(h)),
        ]
        plans = _sums(h, np.arange(len(h)), graph.plan_of, int(graph.plan_of.max()) + 1)
        parts.append(PLAN_SCALE * plans[graph.plan_of])
        h = h + _leaky(_linear(weights, f"costs.layers.{layer}", np.concatenate(parts, axis=1)))
    low, high = weights["costs.bounds"]
    factor = np.clip(_linear(weights, "costs.last", h)[:, 0], low, high)
    predicted: np.ndarray = graph.est_us * np.exp(factor.astype(np.float64))
    return predicted


def _linear(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    product: np.ndarray = x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
    return product


def _leaky(x: np.ndarray) -> np.ndarray:
    rectified: np.ndarray = np.maximum(x, SLOPE * x)
    return rectified


def _sums(h: np.ndarray, senders: np.ndarray, receivers: np.ndarray, count: int) -> np.ndarray:
    """Of each receiver, the sum over its senders."""
    sums = np.zeros((count, h.shape[1]), h.dtype)
    np.add.at(sums, receivers, h[senders])
    return sums
