"""The small dense network that encoders begin with."""

from __future__ import annotations

from torch import nn

SLOPE = 0.2
"""Of LeakyReLU below zero, as in graph attention networks (Veličković et al., ICLR 2018)."""


def two_layers(num_inputs: int, width: int) -> nn.Sequential:
    """A linear map, a LeakyReLU and another linear map."""
    return nn.Sequential(nn.Linear(num_inputs, width), nn.LeakyReLU(SLOPE), nn.Linear(width, width))
