"""Many simulations at once as one graph of tensors: what the encoders read and what they return."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Graph:
    """The queries in the systems of S simulations, their N operators and E edges.

    Attributes:
        operators: features of each operator.
        queries: features of each query.
        simulations: features of each simulation.
        producer: the operator whose output an edge carries.
        consumer: the operator that reads it.
        is_breaking: the consumer waits for the whole producer.
        query_of: each operator's query, ascending.
        simulation_of: each query's simulation, ascending.
        height: edges on the longest path from an operator to one without consumers, below 65,536.

    Shapes:
        operators: ``[N, F_o]``; queries: ``[Q, F_q]``; simulations: ``[S, F_s]``, all float32.
        producer, consumer: ``[E]``; query_of, height: ``[N]``; simulation_of: ``[Q]``, all int64.
        is_breaking: ``[E]``, bool.
    """

    operators: Tensor
    queries: Tensor
    simulations: Tensor
    producer: Tensor
    consumer: Tensor
    is_breaking: Tensor
    query_of: Tensor
    simulation_of: Tensor
    height: Tensor

    def to(self, device: torch.device | str) -> Graph:
        """The same graph on another device."""
        return Graph(*(getattr(self, field.name).to(device) for field in fields(self)))

    @cached_property
    def levels(self) -> Levels:
        """Operators and edges in the order of a sweep from the sinks, computed once."""
        return Levels.of(self)


@dataclass(frozen=True)
class Levels:
    """Operators and edges sorted by height, so that each level of a sweep is a slice.

    A *place* is an operator's row once operators are sorted by height.

    Attributes:
        order: the operator at each place.
        place: the place of each operator; the inverse of ``order``.
        num_operators: per level, from the sinks up.
        num_edges: per level, the edges whose consumer is in it.
        producer_place: of each edge, sorted by the height of its consumer.
        consumer_row: of each edge, the place of its consumer counted from the level's first.

    Shapes:
        order, place: ``[N]``; producer_place, consumer_row: ``[E]``.
    """

    order: Tensor
    place: Tensor
    num_operators: list[int]
    num_edges: list[int]
    producer_place: Tensor
    consumer_row: Tensor

    @classmethod
    def of(cls, graph: Graph) -> Levels:
        """Sorts on the CPU: NumPy sorts 16-bit integers by radix, ten times as fast as torch."""
        height = graph.height.cpu().numpy().astype(np.uint16)
        producer, consumer = graph.producer.cpu().numpy(), graph.consumer.cpu().numpy()
        order = np.argsort(height, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        num_operators = np.bincount(height)
        first = np.cumsum(num_operators) - num_operators

        edge_height = height[consumer]
        edges = np.argsort(edge_height, kind="stable")
        consumer_row = place[consumer] - first[edge_height]
        device = graph.height.device
        return cls(
            order=torch.from_numpy(order).to(device),
            place=torch.from_numpy(place).to(device),
            num_operators=num_operators.tolist(),
            num_edges=np.bincount(edge_height, minlength=len(num_operators)).tolist(),
            producer_place=torch.from_numpy(place[producer][edges]).to(device),
            consumer_row=torch.from_numpy(consumer_row[edges]).to(device),
        )


@dataclass(frozen=True)
class Embeddings:
    """What an encoder makes of a graph: D numbers for each operator, query and simulation.

    Shapes:
        operators: ``[N, D]``; queries: ``[Q, D]``; simulations: ``[S, D]``.
    """

    operators: Tensor
    queries: Tensor
    simulations: Tensor
