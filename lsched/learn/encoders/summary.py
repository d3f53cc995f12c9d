"""Summaries: a query embedded from its operators, a simulation from its queries."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.utils import scatter  # type: ignore[import-untyped]

from lsched.learn.encoders.nets import one_layer, two_layers
from lsched.learn.graph import Embeddings, Graph


class Summary(nn.Module):
    """A whole from its parts: g(Σ over its parts f(part)) + prep(features of the whole).

    As f ends in a nonlinearity and g begins with a linear map, a second linear map in f would add
    nothing: sums are linear, so it could be merged into g's.

    Shapes:
        parts: ``[P, num_part_features]``; whole_of: ``[P]``; wholes: ``[W, num_whole_features]``;
        returns ``[W, width]``.

    Source: Mao et al., SIGCOMM 2019, section 5.1; the features of the whole are our addition.
    """

    def __init__(self, num_part_features: int, num_whole_features: int, width: int) -> None:
        super().__init__()
        self.f = one_layer(num_part_features, width)
        self.g = two_layers(width, width)
        self.prep = two_layers(num_whole_features, width)

    def forward(self, parts: Tensor, whole_of: Tensor, wholes: Tensor) -> Tensor:
        """The summary of each whole."""
        sums = scatter(self.f(parts), whole_of, dim=0, dim_size=len(wholes), reduce="sum")
        return self.g(sums) + self.prep(wholes)  # type: ignore[no-any-return]


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
        self.query = Summary(num_operator_features + width, num_query_features, width)
        self.simulation = Summary(width, num_simulation_features, width)

    def forward(self, graph: Graph, operators: Tensor) -> Embeddings:
        """All three kinds of embeddings, those of operators as given (``[N, width]``)."""
        parts = torch.cat([operators, graph.operators], dim=1)
        queries = self.query(parts, graph.query_of, graph.queries)
        simulations = self.simulation(queries, graph.simulation_of, graph.simulations)
        return Embeddings(operators, queries, simulations)
