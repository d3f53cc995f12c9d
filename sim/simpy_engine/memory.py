"""Memory grants per node (R9): states and cut outputs, held until their consumers complete."""

from __future__ import annotations

from sim.cluster import Cluster
from sim.formulas import grown_bytes


class Grant:
    """What one operator holds.

    Attributes:
        num_bytes: once all tasks of its pipeline are done.
        held_bytes: so far, per node.
        grown_bytes: so far, on all nodes.
    """

    __slots__ = ("grown_bytes", "held_bytes", "num_bytes")

    def __init__(self, num_bytes: int, num_nodes: int) -> None:
        self.num_bytes = num_bytes
        self.held_bytes = [0] * num_nodes
        self.grown_bytes = 0


class Memory:
    """Bytes held per node. Counted only where the cluster has a budget.

    Attributes:
        is_tracked: whether the cluster has a memory budget.
        budget_bytes: per node.
        used_bytes: per node.
        peak_bytes: the largest sum over nodes so far.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.is_tracked = cluster.memory_bytes is not None
        self.budget_bytes = cluster.memory_bytes or 0
        self.used_bytes = [0] * cluster.num_nodes
        self.peak_bytes = 0
        self._total_bytes = 0
        self._grants: dict[int, Grant] = {}

    def open(self, slot: int, num_bytes: int) -> Grant:
        """A grant for an operator (by slot) that will hold so many bytes."""
        grant = self._grants[slot] = Grant(num_bytes, len(self.used_bytes))
        return grant

    def grow(self, grant: Grant, node: int, done: int, total: int) -> None:
        """A task has ended on a node, as number ``done`` of the pipeline's ``total``."""
        target = grown_bytes(grant.num_bytes, done, total)
        grown = target - grant.grown_bytes
        grant.grown_bytes = target
        grant.held_bytes[node] += grown
        self.used_bytes[node] += grown
        self._total_bytes += grown
        if self._total_bytes > self.peak_bytes:
            self.peak_bytes = self._total_bytes

    def release(self, slot: int) -> None:
        """An operator gives back all it holds."""
        grant = self._grants.pop(slot, None)
        if grant is not None:
            for node, num_bytes in enumerate(grant.held_bytes):
                self.used_bytes[node] -= num_bytes
            self._total_bytes -= grant.grown_bytes

    def held_bytes(self, slot: int) -> int:
        """What an operator holds on all nodes."""
        grant = self._grants.get(slot)
        return 0 if grant is None else grant.grown_bytes
