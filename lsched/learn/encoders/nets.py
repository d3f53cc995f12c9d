"""The small dense networks that the encoders are made of."""

from __future__ import annotations

from torch import nn


def one_layer(num_inputs: int, width: int) -> nn.Sequential:
    """A linear map and a LeakyReLU."""
    return nn.Sequential(nn.Linear(num_inputs, width), nn.LeakyReLU(0.2))


def two_layers(num_inputs: int, width: int) -> nn.Sequential:
    """A linear map, a LeakyReLU and another linear map."""
    return nn.Sequential(nn.Linear(num_inputs, width), nn.LeakyReLU(0.2), nn.Linear(width, width))
