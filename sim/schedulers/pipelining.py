"""How many operators to run together: a small cost model of what a cut and a pipeline cost.

A cut after an operator pays to write and read its output, and the output stays in memory until it
is read. A pipeline probes all its hash tables at once, which compete for the cache, and keeps them
all until it ends, where a cut would free the first ones earlier. Only estimates and what is held
now go in.
"""

from __future__ import annotations

from sim.sums import ordered_sum
from sim.view import ClusterView, OperatorView
from traces import KINDS
from traces.cache import probe_slowdown
from traces.units import US_PER_S

WHOLE = 2**31 - 1
"""A pipeline degree that no plan reaches: as far as it goes."""


def cached_bytes(view: ClusterView) -> int:
    """State that running pipelines probe, and that competes for the cache: the mean per node."""
    probed = sum(
        _probed_bytes(operator)
        for query in view.queries
        if query.num_executors
        for operator in query.operators
        if operator.num_executors
    )
    return probed // view.cluster.num_nodes


def best_degree(view: ClusterView, root: OperatorView, others_bytes: int = 0) -> int:
    """The degree of the first pipeline in the cheapest way to cut the chain that starts at a root.

    Dynamic programming over the places to cut, from the end. Of equally cheap ways it takes the
    one with the longest first pipeline. A started pipeline stays as it is. ``others_bytes``: what
    other pipelines have in the cache of a node.
    """
    chain = root.pipeline
    if root.is_started or len(chain) == 1:
        return len(chain)
    model = _Chain(view, chain, others_bytes)
    length = len(chain)
    cheapest, degrees = [0.0] * (length + 1), [0] * length
    for start in reversed(range(length)):
        costs = [
            (model.cost_us(start, end) + cheapest[end], -end)
            for end in range(start + 1, length + 1)
        ]
        cheapest[start], end = min(costs)
        degrees[start] = -end - start
    return degrees[0]


class _Chain:
    """A chain of operators, and what a pipeline of some of them costs beyond their own work."""

    def __init__(self, view: ClusterView, chain: list[OperatorView], others_bytes: int) -> None:
        self._others = others_bytes
        self._cluster = view.cluster
        self._work_us = [operator.est_remaining_us for operator in chain]
        self._output = [operator.est_output_bytes for operator in chain]
        self._built = [operator.est_state_bytes for operator in chain]
        self._probed = [_probed_bytes(operator) for operator in chain]
        budget = self._cluster.memory_bytes
        self._room: int | None = None
        if budget is not None:
            self._room = budget * self._cluster.num_nodes - sum(view.memory_used_bytes)

    def cost_us(self, start: int, end: int) -> float:
        """Executor time that running operators ``start`` to ``end - 1`` together adds, µs."""
        cost = self._cache_us(start, end)
        bandwidth = self._cluster.intermediate_bytes_per_s
        if end < len(self._output) and bandwidth is not None:
            cost += 2.0 * self._output[end - 1] / bandwidth * US_PER_S
        return cost + self._spill_us(start, end)

    def _cache_us(self, start: int, end: int) -> float:
        """Slower probes, because hash tables share the cache."""
        cache = self._cluster.cache_bytes
        if cache is None:
            return 0.0
        together = self._others + sum(self._probed[start:end])
        return ordered_sum(
            self._work_us[at] * (probe_slowdown(self._probed[at], together, cache) - 1.0)
            for at in range(start, end)
            if self._probed[at]
        )

    def _spill_us(self, start: int, end: int) -> float:
        """Writing and reading what of the pipeline's state does not fit into memory."""
        if self._room is None:
            return 0.0
        touched = sum(self._built[start:end]) + sum(self._probed[start:end])
        # Tables probed by earlier pipelines of the chain are gone; so is what those passed on,
        # except for the output of the last one, which this pipeline reads.
        needed = sum(self._built[:end]) - sum(self._probed[:start])
        needed += self._output[start - 1] if start else 0
        needed += self._output[end - 1] if end < len(self._output) else 0
        misfit = min(max(needed - self._room, 0), touched)
        return 2.0 * misfit / self._cluster.spill_bytes_per_s * US_PER_S


def _probed_bytes(operator: OperatorView) -> int:
    """State that an operator's probes look up: what is held if it is known, else the estimate."""
    if not KINDS.get(operator.kind, KINDS["other"]).is_probe:
        return 0
    return sum(
        producer.memory_bytes or producer.est_state_bytes
        for producer in operator.producers
        if operator.is_breaking(producer)
    )
