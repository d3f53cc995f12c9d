"""Policies with random weights, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lsched.learn.card import Card, Training
from lsched.learn.checkpoint import save
from lsched.learn.config import DECIMA, PolicyConfig
from lsched.learn.inference.maps import flattened
from lsched.learn.shapes import weight_shapes

CONFIGS = {
    "tree": PolicyConfig(),
    "gcn": PolicyConfig(encoder="gcn"),
    "decima": DECIMA,
    "narrow": PolicyConfig(rule="srpt:size=history+share=2", width=4, observed="no-history"),
    "few-heads": PolicyConfig(rule="fair:spare=share", heads=("degree", "wait")),
    "fifo": PolicyConfig(rule="fifo:memory=gate+pipeline=never"),
    "holds": PolicyConfig(rule="priced:hold_moves=50+slowdown=0.3", encoder="gcn"),
    "shares": PolicyConfig(rule="hesrpt:size=history+p=0.7+operators=shortest"),
    "gated": PolicyConfig(rule="priced:size=observed+memory=gate"),
}
WITH_COSTS = PolicyConfig(rule="srpt:size=history+operators=shortest", costs=4)
"""It has what ``network.Network`` has not: what it brings to its runs."""
TRAINING = Training(
    trace="tpch",
    cluster="inmemory-32",
    arrivals="load 0.8",
    seeds="1000-1009",
    command="lsched train tpch --load 0.8",
    training_s=12.5,
    date="2026-11-26",
    validation={"mean_latency_s": 0.5, "ratio": 0.9},
)


def random_weights(
    config: PolicyConfig, seed: int = 0, scale: float = 1.0
) -> dict[str, np.ndarray]:
    """Weights of the size that training begins with, in the heads' last layers too."""
    generator = np.random.default_rng(seed)
    weights = {
        name: (scale * generator.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)
        for name, shape in weight_shapes(config).items()
    }
    factors = {name: 1.0 + abs(array) for name, array in weights.items() if "factors" in name}
    return weights | factors


def saved(path: Path, config: PolicyConfig, seed: int = 0) -> Card:
    """A policy in files."""
    return save(path, config, random_weights(config, seed), TRAINING)


def random_vector(config: PolicyConfig, seed: int = 0) -> np.ndarray:
    """The same as one vector."""
    return flattened(config, random_weights(config, seed))
