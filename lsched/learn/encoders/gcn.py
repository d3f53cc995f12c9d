"""Decima's graph convolution: one sweep from the sinks, level by level."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, leaky_relu

from lsched.learn.encoders.nets import SLOPE, two_layers
from lsched.learn.encoders.summary import Summaries
from lsched.learn.graph import Embeddings, Graph


class Sweep(nn.Module):
    """e_v = g(Σ over the consumers u of v: f(e_u)) + prep(x_v), consumers first.

    Each operator is embedded after all its consumers, so what lies ahead of it, such as its
    critical path, reaches it in one pass, however long the path is.

    f and g are a linear map and a LeakyReLU each, prep has two linear maps. A level is often a few
    rows: gathering and summing are one operation, and neither modules nor PyG's ``propagate`` are
    called per level, as calling would take longer than the work.

    Shapes:
        returns ``[N, width]``.

    Source: Mao et al., SIGCOMM 2019, section 5.1, equation 1. A child there depends on its parent,
        so it is a consumer here. The paper writes x_v for prep(x_v).
    """

    def __init__(self, num_features: int, width: int) -> None:
        super().__init__()
        self.f = nn.Linear(width, width)
        self.g = nn.Linear(width, width)
        self.prep = two_layers(num_features, width)

    def forward(self, graph: Graph) -> Tensor:
        """The embedding of each operator."""
        levels = graph.levels
        prepared = self.prep(graph.operators).index_select(0, levels.order)
        own = prepared.split_with_sizes(levels.num_operators)
        f, f_bias, g, g_bias = self.f.weight.t(), self.f.bias, self.g.weight.t(), self.g.bias
        embeddings = [own[0] + leaky_relu(g_bias, SLOPE)]  # a sum over no consumers is 0
        messages: list[Tensor] = []
        for own_of_level, inputs in zip(own[1:], levels.inputs, strict=True):
            messages.append(leaky_relu(torch.addmm(f_bias, embeddings[-1], f), SLOPE))
            sent = messages[-1] if inputs.reach == 1 else torch.cat(messages[-inputs.reach :])
            received = embedding_bag(inputs.rows, sent, inputs.offsets, mode="sum")
            embeddings.append(leaky_relu(torch.addmm(g_bias, received, g), SLOPE) + own_of_level)
        return torch.cat(embeddings).index_select(0, levels.place)


class GcnEncoder(nn.Module):
    """Decima's graph neural network: a sweep over operators, then summaries.

    Operators, queries and simulations have an f and a g of their own.

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
