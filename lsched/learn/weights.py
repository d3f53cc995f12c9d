"""The weights of a network as one vector, in the order and shape that compiled code reads them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lsched.learn.config import PolicyConfig
from lsched.learn.network import Network


class Span(NamedTuple):
    """Where a tensor is in the vector; matrices are transposed: inputs × outputs."""

    name: str
    first: int
    shape: tuple[int, ...]


@lru_cache
def spans_of(config: PolicyConfig) -> tuple[Span, ...]:
    """All tensors of a network, in the order of its state."""
    spans, first = [], 0
    for name, tensor in Network(config).state_dict().items():
        spans.append(Span(name, first, tuple(tensor.shape)))
        first += tensor.numel()
    return tuple(spans)


def flattened(network: Network) -> np.ndarray:
    """The weights as one vector, float32."""
    return np.concatenate(
        [tensor.detach().cpu().t().numpy().ravel() if tensor.ndim == 2 else tensor.cpu().numpy()
         for tensor in network.state_dict().values()]
    )  # fmt: skip


def unflattened(vector: np.ndarray, config: PolicyConfig) -> Mapping[str, Tensor]:
    """The state of a network from such a vector."""
    state = {}
    for name, first, shape in spans_of(config):
        part = torch.from_numpy(vector[first : first + int(np.prod(shape))].copy())
        state[name] = part.reshape(shape[::-1]).t().contiguous() if len(shape) == 2 else part
    return state
