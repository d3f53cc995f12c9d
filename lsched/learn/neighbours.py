"""The children and the parents of each operator, as groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lsched.learn.order import sorted_rows


@dataclass(frozen=True)
class Neighbours:
    """2N groups of operators: group v holds the children of operator v, N + v its parents.

    Children are the producers of an operator's inputs, parents the consumers of its output, so
    every edge of the graph makes two members. Members stand by group.

    Attributes:
        edges: row 0: the operator that is a member; row 1: the group that it is in.
        offsets: where each group begins among the members.
        role: of each member, the operator, and N more if it is a parent.
        kind: of each member, the operator whose group it is in, and N more if its edge breaks
            pipelines, and 2N more if it is a parent.

    Shapes:
        edges: ``[2, 2E]``; offsets: ``[2N]``; role, kind: ``[2E]``, all int64.
    """

    edges: Tensor
    offsets: Tensor
    role: Tensor
    kind: Tensor

    @classmethod
    def of(
        cls, num_operators: int, producer: Tensor, consumer: Tensor, is_breaking: Tensor
    ) -> Neighbours:
        """Sorts on the CPU; returns what is on the device of ``producer``.

        Shapes:
            producer, consumer: ``[E]``, int64; is_breaking: ``[E]``, bool.
        """
        device = producer.device
        producers, consumers = producer.cpu().numpy(), consumer.cpu().numpy()
        group = np.concatenate([consumers, producers + num_operators])
        rows = sorted_rows(group, 2 * num_operators)
        group = group[rows]
        role = np.concatenate([producers, consumers + num_operators])[rows]
        breaking = np.tile(is_breaking.cpu().numpy(), 2)[rows]
        parent = num_operators * (rows >= len(producers))
        size = np.bincount(group, minlength=2 * num_operators)
        fields = (
            np.stack([role - parent, group]),
            np.cumsum(size) - size,
            role,
            group + parent + num_operators * breaking,
        )
        return cls(*(torch.from_numpy(field).to(device) for field in fields))
