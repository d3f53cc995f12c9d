"""LSched's edge-aware tree convolution with graph attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, leaky_relu
from torch_geometric.nn import MessagePassing  # type: ignore[import-untyped]

from lsched.learn.encoders.nets import SLOPE, two_layers
from lsched.learn.encoders.summary import Summaries
from lsched.learn.graph import Embeddings, Graph
from lsched.learn.neighbours import Neighbours

MAX_SCORE = 30.0
"""Where attention scores are cut off: e^30 to e^-30 is a choice already, and cannot overflow."""


class TreeConvolution(MessagePassing):  # type: ignore[misc]
    """h'_v = h_v + LeakyReLU(W [h_v, children, parents, edges] + b).

    *children* is Σ α_uv h_u over the children u of v; the edges to them are two numbers, the
    share of α on edges that do not break pipelines, and on those that do; all 0 without children.
    Likewise for parents. α is a softmax over v's children (over v's parents) of
    LeakyReLU(a·h_u + b·h_v + c), with b and c by the kind of edge, and a, b, c others for parents.

    Shapes:
        nodes: ``[N, width]``; returns ``[N, width]``.

    Source: Sabek, Ukyab, Kraska, SIGMOD 2022: filters over a node, its children (the producers of
        its inputs) and the edges between; attention by Veličković et al., ICLR 2018. We deviate:
        filters see the parents too, so that one layer shows what depends on a node, and there may
        be any number of children and parents, as plans are DAGs.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        # Of a node as a child and as a parent (a), then as one that has children or parents (b, c):
        # by an edge to a child that does not break pipelines, by one that does, to a parent, …
        self.scores = nn.Linear(width, 6)
        self.filter = nn.Linear(3 * width + 4, width)

    def forward(self, nodes: Tensor, neighbours: Neighbours) -> Tensor:
        """The next embedding of each node."""
        num_nodes = len(nodes)
        alpha = self.attention(nodes, neighbours)
        around = self.propagate(
            neighbours.edges,
            nodes=nodes,
            alpha=alpha,
            members=neighbours.edges[0],
            offsets=neighbours.offsets,
            size=(num_nodes, 2 * num_nodes),
        )
        children, parents = around.split_with_sizes([num_nodes, num_nodes])
        edges = alpha.new_zeros(4 * num_nodes).index_add_(0, neighbours.kind, alpha)
        edges = edges.view(4, num_nodes).t()
        window = torch.cat([nodes, children, parents, edges], dim=1)
        return nodes + leaky_relu(self.filter(window), SLOPE)

    def attention(self, nodes: Tensor, neighbours: Neighbours) -> Tensor:
        """How much each member counts in its group: α, ``[2E]``, which sums to 1 per group.

        PyG's ``softmax`` subtracts the maximum of each group and takes three to six times as long;
        a bound on scores does as well.
        """
        num_nodes = len(nodes)
        # One row per score: many times as fast as one column, as few columns make a slow product.
        scores = torch.addmm(self.scores.bias.unsqueeze(1), self.scores.weight, nodes.t())
        sender, receiver = scores.flatten().split_with_sizes([2 * num_nodes, 4 * num_nodes])
        score = sender.index_select(0, neighbours.role) + receiver.index_select(0, neighbours.kind)
        score = leaky_relu(score, SLOPE).clamp(-MAX_SCORE, MAX_SCORE)
        weights = score.exp()
        group = neighbours.edges[1]
        sums = weights.new_zeros(2 * num_nodes).index_add_(0, group, weights)
        return weights / sums.index_select(0, group)

    def message(self, alpha: Tensor) -> Tensor:
        """What makes a message of a member's embedding; ``aggregate`` multiplies by it."""
        return alpha

    def aggregate(self, inputs: Tensor, nodes: Tensor, members: Tensor, offsets: Tensor) -> Tensor:
        """Σ α h of each group (``[2N, D]``), without storing a message per edge."""
        return embedding_bag(members, nodes, offsets, mode="sum", per_sample_weights=inputs)


class TreeEncoder(nn.Module):
    """LSched's encoder: layers of edge-aware tree convolution, then summaries.

    A layer sees one edge far, in both directions.

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
        self.layers = nn.ModuleList(TreeConvolution(width) for _ in range(num_layers))
        self.summaries = Summaries(
            num_operator_features, num_query_features, num_simulation_features, width
        )

    def forward(self, graph: Graph) -> Embeddings:
        """Embeddings of all operators, queries and simulations."""
        nodes = self.prep(graph.operators)
        for layer in self.layers:
            nodes = layer(nodes, graph.neighbours)
        return self.summaries(graph, nodes)  # type: ignore[no-any-return]
