"""LSched's edge-aware tree convolution with graph attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing  # type: ignore[import-untyped]
from torch_geometric.utils import softmax  # type: ignore[import-untyped]

from lsched.learn.encoders.nets import two_layers
from lsched.learn.encoders.summary import Summaries
from lsched.learn.graph import Embeddings, Graph


class Neighbours(MessagePassing):  # type: ignore[misc]
    """What one side of a node (its children, or its parents) sends it, weighted by attention.

    Σ over neighbours u of v: α_uv (W h_u + w_uv), where w_uv is one of two learned vectors,
    by whether the edge breaks pipelines, and α is the softmax over v's neighbours of
    LeakyReLU(a·h_u + b·h_v + c_uv). Zero without neighbours.

    Source: attention: Veličković et al., ICLR 2018, with the edge in the score.
    """

    def __init__(self, width: int) -> None:
        super().__init__(aggr="sum")
        self.value = nn.Linear(width, width, bias=False)
        self.edge = nn.Parameter(torch.randn(2, width) / width**0.5)
        self.scores = nn.Linear(width, 2, bias=False)
        self.edge_score = nn.Parameter(torch.zeros(2))

    def forward(self, nodes: Tensor, edges: Tensor, kind: Tensor) -> Tensor:
        """Sums per node (``[N, D]``); edges: ``[2, E]``, from row 0 to row 1; kind: ``[E]``."""
        source, target = self.scores(nodes).unbind(1)
        score = (
            source.index_select(0, edges[0])
            + target.index_select(0, edges[1])
            + self.edge_score.index_select(0, kind)
        )
        score = nn.functional.leaky_relu(score, 0.2)
        alpha = softmax(score, edges[1], num_nodes=len(nodes))
        return self.propagate(  # type: ignore[no-any-return]
            edges, value=self.value(nodes), alpha=alpha, edge=self.edge.index_select(0, kind)
        )

    def message(self, value_j: Tensor, alpha: Tensor, edge: Tensor) -> Tensor:
        """What passes along each edge (``[E, D]``)."""
        return (value_j + edge) * alpha.unsqueeze(1)


class TreeLayer(nn.Module):
    """h_v + LeakyReLU(W h_v + b + children(v) + parents(v)).

    Source: Sabek, Ukyab, Kraska, SIGMOD 2022: a filter over a node, its children (the producers
        of its inputs) and the edges between. We deviate: a filter for parents, so that one layer
        sees what depends on a node; and any number of children and parents, as plans are DAGs.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.own = nn.Linear(width, width)
        self.from_children = Neighbours(width)
        self.from_parents = Neighbours(width)

    def forward(self, nodes: Tensor, down: Tensor, up: Tensor, kind: Tensor) -> Tensor:
        """The next embedding of each node (``[N, D]``)."""
        seen = (
            self.own(nodes)
            + self.from_children(nodes, down, kind)
            + self.from_parents(nodes, up, kind)
        )
        return nodes + nn.functional.leaky_relu(seen, 0.2)


class TreeEncoder(nn.Module):
    """LSched's encoder: layers of edge-aware tree convolution, then summaries.

    Source: Sabek, Ukyab, Kraska, SIGMOD 2022.
    """

    def __init__(
        self,
        num_operator_features: int,
        num_query_features: int,
        num_simulation_features: int,
        width: int,
        num_layers: int = 2,
    ) -> None:
        super().__init__()
        self.prep = two_layers(num_operator_features, width)
        self.layers = nn.ModuleList(TreeLayer(width) for _ in range(num_layers))
        self.summaries = Summaries(
            num_operator_features, num_query_features, num_simulation_features, width
        )

    def forward(self, graph: Graph) -> Embeddings:
        """Embeddings of all operators, queries and simulations."""
        down = torch.stack([graph.producer, graph.consumer])
        up = torch.stack([graph.consumer, graph.producer])
        kind = graph.is_breaking.long()
        nodes = self.prep(graph.operators)
        for layer in self.layers:
            nodes = layer(nodes, down, up, kind)
        return self.summaries(graph, nodes)  # type: ignore[no-any-return]
