"""Memory grants per node (R9): states and cut outputs, held until their consumers complete."""

from __future__ import annotations

from sim.cluster import Cluster


class Memory:
    """Bytes held per node. Counted only where the cluster has a budget.

    Attributes:
        is_tracked: whether the cluster has a memory budget.
        used_bytes: per node.
        peak_bytes: the largest sum over nodes so far.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.is_tracked = cluster.memory_bytes is not None
        self._budget = cluster.memory_bytes or 0
        self.used_bytes = [0] * cluster.num_nodes
        self.peak_bytes = 0
        self._total_bytes = 0
        self._held: dict[int, list[int]] = {}

    def grow(self, slot: int, node: int, num_bytes: int) -> None:
        """An operator (by slot) holds more on a node."""
        held = self._held.get(slot)
        if held is None:
            held = self._held[slot] = [0] * len(self.used_bytes)
        held[node] += num_bytes
        self.used_bytes[node] += num_bytes
        self._total_bytes += num_bytes
        if self._total_bytes > self.peak_bytes:
            self.peak_bytes = self._total_bytes

    def release(self, slot: int) -> None:
        """An operator gives back all it holds."""
        for node, num_bytes in enumerate(self._held.pop(slot, ())):
            self.used_bytes[node] -= num_bytes
            self._total_bytes -= num_bytes

    def held_bytes(self, slot: int) -> int:
        """What an operator holds on all nodes."""
        return sum(self._held.get(slot, ()))

    def misfit(self, node: int) -> float:
        """Share of the bytes held on a node that do not fit its budget, 0 to 1."""
        used = self.used_bytes[node]
        if not self.is_tracked or used <= self._budget:
            return 0.0
        return (used - self._budget) / used
