"""Summaries: a query embedded from its operators, a simulation from its queries."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from lsched.learn.encoders.nets import SLOPE, two_layers
from lsched.learn.graph import Embeddings, Graph


class Summary(nn.Module):
    """A whole from its parts: g(Σ over its parts: f(part)) + prep(features of the whole).

    As in ``Sweep``, f and g are a linear map and a LeakyReLU each, prep has two linear maps. A
    second map in f would add nothing: it could be drawn out of the sum and merged into g's.

    Shapes:
        parts: ``[P, num_part_features]``; whole_of: ``[P]``; wholes: ``[W, num_whole_features]``;
        returns ``[W, width]``.

    Source: Mao et al., SIGCOMM 2019, section 5.1; the features of the whole are our addition.
    """

    def __init__(self, num_part_features: int, num_whole_features: int, width: int) -> None:
        super().__init__()
        self.f = nn.Linear(num_part_features, width)
        self.g = nn.Linear(width, width)
        self.prep = two_layers(num_whole_features, width)

    def forward(self, parts: Tensor, whole_of: Tensor, wholes: Tensor) -> Tensor:
        """The summary of each whole; the sum over no parts is 0."""
        prepared: Tensor = self.prep(wholes)
        messages = leaky_relu(self.f(parts), SLOPE)
        sums = torch.zeros_like(prepared).index_add_(0, whole_of, messages)
        return leaky_relu(self.g(sums), SLOPE) + prepared


class Summaries(nn.Module):
    """Per-query and per-simulation summaries of operators that are embedded already."""

    def __init__(
        self,
        num_operator_features: int,
        num_query_features: int,
        num_simulation_features: int,
        width: int,
    ) -> None:
        super().__init__()
        self.query = Summary(width + num_operator_features, num_query_features, width)
        self.simulation = Summary(width, num_simulation_features, width)

    def forward(self, graph: Graph, operators: Tensor) -> Embeddings:
        """All three kinds of embeddings, those of operators (``[N, width]``) as given."""
        parts = torch.cat([operators, graph.operators], dim=1)
        queries = self.query(parts, graph.query_of, graph.queries)
        simulations = self.simulation(queries, graph.simulation_of, graph.simulations)
        return Embeddings(operators, queries, simulations)
