"""Many simulations at once as one graph of tensors: what encoders read and what they return."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import torch
from torch import Tensor

from lsched.learn.levels import Levels
from lsched.learn.neighbours import Neighbours


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
        height: edges on the longest path from an operator to one without consumers.

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
        """Operators and edges in the order of a sweep from the sinks."""
        return Levels.of(self.height, self.producer, self.consumer)

    @cached_property
    def neighbours(self) -> Neighbours:
        """The children and the parents of each operator."""
        return Neighbours.of(len(self.operators), self.producer, self.consumer, self.is_breaking)


@dataclass(frozen=True)
class Embeddings:
    """What an encoder makes of a graph: D numbers for each operator, query and simulation.

    Shapes:
        operators: ``[N, D]``; queries: ``[Q, D]``; simulations: ``[S, D]``.
    """

    operators: Tensor
    queries: Tensor
    simulations: Tensor
