"""The network of a policy: an encoder and a head for each kind of decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from lsched.learn.choices import Choices
from lsched.learn.config import DEGREES, PolicyConfig
from lsched.learn.encoders import GcnEncoder, TreeEncoder
from lsched.learn.features import TABLES
from lsched.learn.graph import Embeddings, Graph

ENCODERS: dict[str, type[nn.Module]] = {"gcn": GcnEncoder, "tree": TreeEncoder}


@dataclass(frozen=True)
class Logits:
    """Of all choices, the rule's prior and the network's correction together.

    Shapes:
        roots: (C,); stop: (S,); limits: (Q, factors); degrees: (C, degrees); holds: (H, 2), as in
        ``Choices``.
    """

    roots: Tensor
    stop: Tensor
    limits: Tensor
    degrees: Tensor
    holds: Tensor


def head(num_inputs: int, width: int, num_outputs: int) -> nn.Sequential:
    """Two layers, whose outputs are 0 at first, so that a new policy does what its rule does."""
    last = nn.Linear(width, num_outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(num_inputs, width), nn.LeakyReLU(0.2), last)


def weights_of(network: nn.Module) -> dict[str, np.ndarray]:
    """Copies of all weights, by name."""
    return {name: value.cpu().numpy().copy() for name, value in network.state_dict().items()}


def set_weights(network: nn.Module, weights: Mapping[str, np.ndarray]) -> None:
    """Set all weights, by name."""
    network.load_state_dict({name: torch.from_numpy(np.array(w)) for name, w in weights.items()})


class Network(nn.Module):
    """Reads a graph, corrects the rule's logits.

    - root: a score for each candidate from its embedding, its query's and the whole's.
    - degree: from the same, for each candidate.
    - stop: from the whole's.
    - limit: for each query and factor; the limit itself is an input, so that one net serves every
      cluster size and every limit (Decima, section 5.2).
    - hold: for each query with idle executors.

    Args:
        config: its parts.
    """

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.encoder = ENCODERS[config.encoder](*(len(each) for each in TABLES.values()), width)
        self.root = head(3 * width, width, 1)
        if "degree" in config.heads:
            self.degree = head(3 * width, width, len(DEGREES))
        if "stop" in config.heads:
            self.stop = head(width, width, 1)
        if "limit" in config.heads:
            self.limit = head(2 * width + 2, width, 1)
        if "hold" in config.heads:
            self.hold = head(2 * width, width, 1)

    def forward(self, graph: Graph, choices: Choices) -> Logits:
        """Logits of all choices."""
        embedded = cast(Embeddings, self.encoder(graph))
        device = embedded.simulations.device

        def tensor(array: object) -> Tensor:
            return torch.as_tensor(array, device=device)

        simulation_of = graph.simulation_of
        queries = torch.cat([embedded.queries, embedded.simulations[simulation_of]], dim=1)
        candidates = torch.cat(
            [embedded.operators[tensor(choices.candidates)], queries[tensor(choices.query)]], dim=1
        )
        roots = tensor(choices.prior) + self.root(candidates).squeeze(1)
        stop, limits = tensor(choices.stop_prior), tensor(choices.limit_prior)
        degrees, holds = tensor(choices.degree_prior), tensor(choices.hold_prior)
        if "degree" in self.config.heads:
            degrees = degrees + self.degree(candidates)
        if "stop" in self.config.heads:
            stop = stop + self.stop(embedded.simulations).squeeze(1)
        if "limit" in self.config.heads:
            limits = limits + self._limits(queries[tensor(choices.query_rows)], choices)
        if "hold" in self.config.heads:
            more = self.hold(queries[tensor(choices.hold_rows)])
            holds = holds + torch.cat([torch.zeros_like(more), more], dim=1)
        return Logits(roots, stop, limits, degrees, holds)

    def _limits(self, queries: Tensor, choices: Choices) -> Tensor:
        shares = torch.as_tensor(choices.limit_share, device=queries.device)
        num_factors = shares.shape[1]
        inputs = torch.stack([shares, torch.log(shares + 0.01)], dim=2)
        spread = queries[:, None, :].expand(-1, num_factors, -1)
        return cast(Tensor, self.limit(torch.cat([spread, inputs], dim=2)).squeeze(2))
