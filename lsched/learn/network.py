"""The network of a policy: an encoder, and what it says about each operator and each query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from lsched.learn.config import (
    NUM_OPERATOR_OUTPUTS,
    NUM_QUERY_OUTPUTS,
    PolicyConfig,
    output_mask,
)
from lsched.learn.encoders import GcnEncoder, TreeEncoder
from lsched.learn.encoders.nets import SLOPE
from lsched.learn.features import TABLES
from lsched.learn.graph import Embeddings, Graph

ENCODERS: dict[str, type[nn.Module]] = {"gcn": GcnEncoder, "tree": TreeEncoder}


@dataclass(frozen=True)
class Corrections:
    """What a network says about a rule's decisions; all 0: let it decide.

    Attributes:
        operators: of each operator: the logarithm of what multiplies its urgency among its query's
            (root) and, with ``priced``, its price of executors (wait); it waits if that is more
            than 0.3; of each pipeline degree, how much it is preferred.
        queries: of each query: logarithms of what multiplies its size where queries are put in
            order (root), and of its parallelism; how many moves longer its idle executors are held;
            logarithm of what multiplies the memory that it is thought to need (admission).

    Shapes:
        operators: ``[N, 6]``; queries: ``[Q, 4]``.
    """

    operators: Tensor
    queries: Tensor


def head(num_inputs: int, width: int, num_outputs: int) -> nn.Sequential:
    """Two layers, whose outputs are 0 at first, so that a new policy does what its rule does."""
    last = nn.Linear(width, num_outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(num_inputs, width), BoundedLeakyReLU(), last)


class BoundedLeakyReLU(nn.Module):
    """LeakyReLU, then x ÷ √(1 + mean of x²) over the row: sums over large plans stay moderate.

    Shapes:
        x: ``[..., D]``, returned likewise.

    Source: without the 1 it is Zhang, Sennrich, "Root mean square layer normalization", 2019,
        equation 4; with it, small inputs stay as they are.
    """

    def forward(self, x: Tensor) -> Tensor:
        """The activation of each row."""
        x = leaky_relu(x, SLOPE)
        return x * torch.rsqrt(1.0 + x.square().mean(dim=-1, keepdim=True))


class Network(nn.Module):
    """Reads a graph, corrects a rule.

    What it says of an operator depends on the operator's embedding, its query's and the whole's;
    what it says of a query on the last two.

    Args:
        config: its parts.

    Source: the heads see what Decima's see (Mao et al., SIGCOMM 2019, section 5.2). We deviate:
        outputs correct the quantities that a rule decides by, instead of scoring all choices anew.
    """

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.encoder = ENCODERS[config.encoder](*(len(each) for each in TABLES.values()), width)
        self.operator = head(3 * width, width, NUM_OPERATOR_OUTPUTS)
        self.query = head(2 * width, width, NUM_QUERY_OUTPUTS)
        self._masks = tuple(torch.tensor(mask) for mask in output_mask(config))

    def forward(self, graph: Graph) -> Corrections:
        """Corrections for all simulations of a graph."""
        embedded = cast(Embeddings, self.encoder(graph))
        queries = torch.cat([embedded.queries, embedded.simulations[graph.simulation_of]], dim=1)
        operators = torch.cat([embedded.operators, queries[graph.query_of]], dim=1)
        of_operators, of_queries = (mask.to(queries.device) for mask in self._masks)
        return Corrections(
            self.operator(operators) * of_operators, self.query(queries) * of_queries
        )


def weights_of(network: nn.Module) -> dict[str, np.ndarray]:
    """Copies of all weights, by name."""
    return {name: value.cpu().numpy().copy() for name, value in network.state_dict().items()}


def set_weights(network: nn.Module, weights: Mapping[str, np.ndarray]) -> None:
    """Set all weights, by name."""
    network.load_state_dict({name: torch.from_numpy(np.array(w)) for name, w in weights.items()})
