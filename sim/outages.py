"""When executors are there: planned outages, and failures at random (R13)."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sim.formulas import LAST_US

if TYPE_CHECKING:
    from sim.cluster import Cluster

MAX_OUTAGE_US = 10**15


@dataclass(frozen=True, slots=True)
class Outage:
    """A time during which executors are not there, from ``from_us`` until before ``until_us``.

    One that begins at 0 makes executors join later, one without end makes them leave for good,
    any other is a failure that is mended. Outages may overlap: an executor is there while no outage
    covers it.

    Attributes:
        from_us: when they leave; what they run then is lost.
        until_us: when they come back; None: never.
        executors: their indices.
        nodes: indices of nodes that leave with all of their executors.
    """

    from_us: int
    until_us: int | None = None
    executors: tuple[int, ...] = ()
    nodes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("from_us", "until_us"):
            value = getattr(self, name)
            if value is None and name == "until_us":
                continue
            if isinstance(value, bool) or not isinstance(value, int):
                raise ValueError(f"{name} is {value!r}, expected a whole number")
            if not 0 <= value <= MAX_OUTAGE_US:
                raise ValueError(f"{name} is {value:,}, expected 0 to {MAX_OUTAGE_US:,}")
        if self.until_us is not None and self.until_us <= self.from_us:
            raise ValueError(
                f"until_us is {self.until_us:,}, expected more than from_us, {self.from_us:,}"
            )
        if not self.executors and not self.nodes:
            raise ValueError("names no executors and no nodes, expected at least one")


class Change(NamedTuple):
    """Executors that leave and join at one instant, by index, ascending."""

    time_us: int
    leaving: tuple[int, ...]
    joining: tuple[int, ...]


def changes(cluster: Cluster, seed: int) -> Iterator[Change]:
    """All that ever changes, in order of time; almost without end where executors fail at random.

    Executors that are there from the start do not join. Random failures depend only on the seed
    (R8), never on what runs.
    """
    num_outages = [0] * cluster.num_executors
    streams = [_planned(cluster), *_random(cluster, seed)]
    merged = heapq.merge(*streams)
    for time_us, group in itertools.groupby(merged, key=lambda step: step[0]):
        touched: dict[int, bool] = {}
        for _, delta, executors in group:
            for executor in executors:
                touched.setdefault(executor, num_outages[executor] == 0)
                num_outages[executor] += delta
        is_there = {executor: num_outages[executor] == 0 for executor in sorted(touched)}
        leaving = tuple(e for e, there in is_there.items() if touched[e] and not there)
        joining = tuple(e for e, there in is_there.items() if there and not touched[e])
        if leaving or joining:
            yield Change(time_us, leaving, joining)


_Step = tuple[int, int, tuple[int, ...]]
"""Time, +1 or −1 outages, and for which executors."""


def _planned(cluster: Cluster) -> Iterator[_Step]:
    steps: list[_Step] = []
    for outage in cluster.outages:
        on_nodes = (_executors_of(cluster, node) for node in outage.nodes)
        covered = tuple({*outage.executors, *itertools.chain(*on_nodes)})
        steps.append((outage.from_us, 1, covered))
        if outage.until_us is not None:
            steps.append((outage.until_us, -1, covered))
    return iter(sorted(steps))


def _random(cluster: Cluster, seed: int) -> Iterator[Iterator[_Step]]:
    """One stream for each executor and for each node that fails at random."""
    if cluster.executor_mtbf_us is not None:
        for executor in range(cluster.num_executors):
            yield _failures(cluster, seed, executor, cluster.executor_mtbf_us, (executor,))
    if cluster.node_mtbf_us is not None:
        for node in range(cluster.num_nodes):
            number = cluster.num_executors + node
            covered = _executors_of(cluster, node)
            yield _failures(cluster, seed, number, cluster.node_mtbf_us, covered)


def _failures(
    cluster: Cluster, seed: int, number: int, mtbf_us: int, covered: tuple[int, ...]
) -> Iterator[_Step]:
    """Times between failures and to repair, exponential, of the ``number``-th thing that fails."""
    # Queries have the keys (seed, query_id) with query_id below 2**63 (sim/workload.py).
    key = np.array([seed, 2**63 + number], np.uint64)
    generator = np.random.Philox(key=key)
    now_us = 0
    while now_us < LAST_US:  # no clock goes on for longer
        for mean_us, delta in ((mtbf_us, 1), (cluster.mean_repair_us, -1)):
            uniform = (int(generator.random_raw()) >> 11) / 2**53
            now_us += max(1, round(-mean_us * math.log1p(-uniform)))
            yield now_us, delta, covered


def _executors_of(cluster: Cluster, node: int) -> tuple[int, ...]:
    first = node * cluster.executors_per_node
    return tuple(range(first, first + cluster.executors_per_node))
