"""The children and the parents of each operator, as groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lsched.learn.order import sorted_rows


@dataclass(frozen=True)
class Neighbours:
    """2N groups of operators: group 2v holds the children of operator v, 2v + 1 its parents.

    Children are the producers of an operator's inputs, parents the consumers of its output, so
    every edge of the graph makes two members. Members stand by group.

    Attributes:
        edges: row 0: the operator that is a member; row 1: the group that it is in.
        offsets: where each group begins among the members.
        role: of each member, 2 × operator, and 1 more if it is a parent.
        kind: of each member, 2 × group, and 1 more if its edge breaks pipelines.

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
        group = np.concatenate([2 * consumers, 2 * producers + 1])
        rows = sorted_rows(group, 2 * num_operators)
        group = group[rows]
        member = np.concatenate([producers, consumers])[rows]
        breaking = np.tile(is_breaking.cpu().numpy(), 2)[rows]
        size = np.bincount(group, minlength=2 * num_operators)
        fields = (
            np.stack([member, group]),
            np.cumsum(size) - size,
            2 * member + group % 2,
            2 * group + breaking,
        )
        return cls(*(torch.from_numpy(field).to(device) for field in fields))
