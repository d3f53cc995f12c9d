"""The network of a policy: an encoder, and what it says about each operator and each query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from lsched.learn.observation import MOST

ENCODERS: dict[str, type[nn.Module]] = {"gcn": GcnEncoder, "tree": TreeEncoder}


@dataclass(frozen=True)
class Corrections:
    """What a network says about a rule's decisions; all 0: let it decide.

    Attributes:
        operators: of each operator: the logarithm of what multiplies its urgency among its query's
            (root); whether it waits, if more than 0.8; of each pipeline degree, how much it is
            preferred; logarithm of what multiplies its query's parallelism while it is served.
        queries: of each query: logarithms of what multiplies its size where queries are put in
            order (root), and of its parallelism; how many moves longer its idle executors are held;
            logarithms of what multiplies the memory that it is thought to need (admission), and the
            limit up to which it gets executors that are left over (parallelism).

    Shapes:
        operators: ``[N, 7]``; queries: ``[Q, 5]``.
    """

    operators: Tensor
    queries: Tensor


def head(num_inputs: int, width: int, num_outputs: int) -> nn.Sequential:
    """Two layers, whose outputs are 0 at first, so that a new policy does what its rule does."""
    return nn.Sequential(
        nn.Linear(num_inputs, width), BoundedLeakyReLU(), zero_map(width, num_outputs)
    )


def zero_map(num_inputs: int, num_outputs: int) -> nn.Linear:
    """A linear map that gives 0 at first."""
    linear = nn.Linear(num_inputs, num_outputs)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


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


class Scales(nn.Module):
    """A number for each feature, by group."""

    def __init__(self, value: float) -> None:
        super().__init__()
        for group, features in TABLES.items():
            self.register_buffer(group, torch.full((len(features),), value))


class Direct(nn.Module):
    """A linear map of features, whose outputs are 0 at first."""

    def __init__(self) -> None:
        super().__init__()
        operators, queries, simulations = (len(features) for features in TABLES.values())
        self.operator = zero_map(operators + queries, NUM_OPERATOR_OUTPUTS)
        self.query = zero_map(queries + simulations, NUM_QUERY_OUTPUTS)

    def forward(self, graph: Graph) -> tuple[Tensor, Tensor]:
        """Outputs of operators and of queries."""
        operators = torch.cat([graph.operators, graph.queries[graph.query_of]], dim=1)
        queries = torch.cat([graph.queries, graph.simulations[graph.simulation_of]], dim=1)
        return self.operator(operators), self.query(queries)


class Network(nn.Module):
    """Reads a graph, corrects a rule.

    What it says of an operator depends on the operator's embedding, its query's and the whole's;
    what it says of a query on the last two. To that comes, if the configuration says so, a linear
    map of the features themselves, of an operator and its query, or of a query and the simulation:
    what needs no more is learned soon.

    Args:
        config: its parts.

    Source: the heads see what Decima's see (Mao et al., SIGCOMM 2019, section 5.2). We deviate:
        outputs correct the quantities that a rule decides by, instead of scoring all choices anew;
        and the direct maps are those of Cheng et al., "Wide & deep learning", 2016, section 3.
    """

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.means, self.factors = Scales(0.0), Scales(1.0)
        self.encoder = ENCODERS[config.encoder](*(len(each) for each in TABLES.values()), width)
        self.operator = head(3 * width, width, NUM_OPERATOR_OUTPUTS)
        self.query = head(2 * width, width, NUM_QUERY_OUTPUTS)
        if config.is_direct:
            self.direct = Direct()
        self._masks = tuple(torch.tensor(mask) for mask in output_mask(config))

    def forward(self, graph: Graph) -> Corrections:
        """Corrections for all simulations of a graph."""
        graph = self.standardised(graph)
        embedded = cast(Embeddings, self.encoder(graph))
        queries = torch.cat([embedded.queries, embedded.simulations[graph.simulation_of]], dim=1)
        operators = torch.cat([embedded.operators, queries[graph.query_of]], dim=1)
        by_operator, by_query = self.operator(operators), self.query(queries)
        if self.config.is_direct:
            direct = self.direct(graph)
            by_operator, by_query = by_operator + direct[0], by_query + direct[1]
        of_operators, of_queries = (mask.to(queries.device) for mask in self._masks)
        return Corrections(by_operator * of_operators, by_query * of_queries)

    def standardised(self, graph: Graph) -> Graph:
        """The graph with features that are (feature − mean) × factor, at most ±4."""
        features = {
            group: ((getattr(graph, group) - mean) * getattr(self.factors, group)).clamp(
                -MOST, MOST
            )
            for group, mean in self.means.named_buffers()
        }
        return replace(graph, **features)


def weights_of(network: nn.Module) -> dict[str, np.ndarray]:
    """Copies of all weights, by name."""
    return {name: value.cpu().numpy().copy() for name, value in network.state_dict().items()}


def set_weights(network: nn.Module, weights: Mapping[str, np.ndarray]) -> None:
    """Set all weights, by name."""
    network.load_state_dict({name: torch.from_numpy(np.array(w)) for name, w in weights.items()})
