"""Operators and edges sorted by height, for a sweep from the sinks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lsched.learn.order import sorted_rows


class Inputs(NamedTuple):
    """From which operators those of one level receive messages: their consumers.

    Attributes:
        reach: how many levels down the lowest consumer is; 1 if all are in the level below, as
            in plans whose operators have one consumer each.
        rows: the consumer of each edge, counted from the first operator ``reach`` levels down.
            Edges stand by producer.
        offsets: where the edges of each operator of the level begin among them.

    Shapes:
        rows: ``[edges out of the level]``; offsets: ``[operators of the level]``.
    """

    reach: int
    rows: Tensor
    offsets: Tensor


@dataclass(frozen=True)
class Levels:
    """Operators sorted by height, so that each level of a sweep is a slice.

    Attributes:
        order: the operators by height.
        place: the place of each operator in that order.
        num_operators: per level, from the sinks up.
        inputs: of each level but the sinks'.

    Shapes:
        order, place: ``[N]``.
    """

    order: Tensor
    place: Tensor
    num_operators: list[int]
    inputs: list[Inputs]

    @classmethod
    def of(cls, height: Tensor, producer: Tensor, consumer: Tensor) -> Levels:
        """Sorts on the CPU; returns what is on the device of ``height``.

        Shapes:
            height: ``[N]``; producer, consumer: ``[E]``, all int64.
        """
        device = height.device
        heights, producers, consumers = (x.cpu().numpy() for x in (height, producer, consumer))
        num_operators = np.bincount(heights, minlength=1)
        first = np.cumsum(num_operators) - num_operators

        order = sorted_rows(heights, len(num_operators))
        place = np.empty_like(order)
        place[order] = np.arange(len(order))

        producer_place = place[producers]
        edges = sorted_rows(producer_place, len(order))
        consumers = consumers[edges]
        num_edges_of = np.bincount(producer_place, minlength=len(order))
        offset_of = np.cumsum(num_edges_of) - num_edges_of
        # Sinks have no consumers, operators of all other levels at least one.
        num_edges = np.bincount(heights[producers], minlength=len(num_operators))[1:]
        first_edge = np.cumsum(num_edges) - num_edges
        lowest = np.minimum.reduceat(heights[consumers], first_edge) if len(edges) else first_edge

        reach = np.arange(1, len(num_operators)) - lowest
        rows = place[consumers] - np.repeat(first[lowest], num_edges)
        offsets = offset_of[num_operators[0] :] - np.repeat(first_edge, num_operators[1:])
        return cls(
            order=torch.from_numpy(order).to(device),
            place=torch.from_numpy(place).to(device),
            num_operators=num_operators.tolist(),
            inputs=[
                Inputs(*level)
                for level in zip(
                    reach.tolist(),
                    torch.from_numpy(rows).to(device).split_with_sizes(num_edges.tolist()),
                    torch.from_numpy(offsets)
                    .to(device)
                    .split_with_sizes(num_operators[1:].tolist()),
                    strict=True,
                )
            ],
        )
