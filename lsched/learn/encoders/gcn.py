"""Decima's graph convolution: one sweep from the sinks, level by level."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lsched.learn.encoders.nets import one_layer, two_layers
from lsched.learn.encoders.summary import Summaries
from lsched.learn.graph import Embeddings, Graph


class Sweep(nn.Module):
    """e_v = g(Σ over the consumers u of v: f(e_u)) + prep(x_v), consumers first.

    Every operator is embedded once all its consumers are, so what lies ahead of an operator, such
    as its critical path, reaches it in one pass however long the path is.

    Shapes:
        returns ``[N, width]``.

    Source: Mao et al., SIGCOMM 2019, section 5.1, equation 1. A child there depends on its parent,
        so it is a consumer here. The paper writes x_v where we write prep(x_v).
    """

    def __init__(self, num_features: int, width: int) -> None:
        super().__init__()
        self.f = one_layer(width, width)
        self.g = two_layers(width, width)
        self.prep = two_layers(num_features, width)

    def forward(self, graph: Graph) -> Tensor:
        """The embedding of each operator."""
        levels = graph.levels
        prepared = self.prep(graph.operators).index_select(0, levels.order)
        sums = torch.zeros_like(prepared)
        embedded = []
        first = 0
        for own, producer, consumer in zip(
            prepared.split_with_sizes(levels.num_operators),
            levels.producer_place.split_with_sizes(levels.num_edges),
            levels.consumer_row.split_with_sizes(levels.num_edges),
            strict=True,
        ):
            # Copied, because later levels still add to other rows of the same memory.
            received = sums[first : first + len(own)].clone()
            first += len(own)
            embedding = self.g(received) + own
            embedded.append(embedding)
            if len(producer):
                messages = self.f(embedding).index_select(0, consumer)
                sums.index_add_(0, producer, messages)
        return torch.cat(embedded).index_select(0, levels.place)


class GcnEncoder(nn.Module):
    """Decima's graph neural network: a sweep over operators, then summaries.

    Each of the three levels (operators, queries, simulations) has its own f and g.

    Source: Mao et al., SIGCOMM 2019, section 5.1.
    """

    def __init__(
        self,
        num_operator_features: int,
        num_query_features: int,
        num_simulation_features: int,
        width: int,
    ) -> None:
        super().__init__()
        self.sweep = Sweep(num_operator_features, width)
        self.summaries = Summaries(
            num_operator_features, num_query_features, num_simulation_features, width
        )

    def forward(self, graph: Graph) -> Embeddings:
        """Embeddings of all operators, queries and simulations."""
        return self.summaries(graph, self.sweep(graph))  # type: ignore[no-any-return]
