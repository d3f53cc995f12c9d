"""Plans compiled for the simulator, and the base times of a query's work orders (R8, R9)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from sim.cluster import Cluster
from sim.formulas import interpolated
from sim.limits import Most
from traces import KINDS, Kind, Plan, Query, TraceError
from traces.model import Operator, scaled_count


class CompiledPlan:
    """What is the same for all queries of a plan, as flat tuples indexed by operator.

    Attributes:
        producers, consumers: other ends of the incoming and outgoing edges.
        breaking_producers, streaming_producers: producers behind breaking and other edges.
        pipeline_next: the consumer that an operator can be pipelined with, -1 if there is none:
            its only outgoing edge must be non-breaking.
        est_recorded_us: estimated time of a recorded work order, before batching, µs.
        contention, memory_boundness, is_probe: physical character (``traces.KINDS``).
    """

    def __init__(self, plan: Plan, cluster: Cluster) -> None:
        self.plan = plan
        self.name = plan.name
        self.num_operators = len(plan.operators)
        self.producers = tuple(tuple(e.producer for e in edges) for edges in plan.inputs)
        self.consumers = tuple(tuple(e.consumer for e in edges) for edges in plan.outputs)
        self.breaking_producers = tuple(
            tuple(e.producer for e in edges if e.is_pipeline_breaker) for edges in plan.inputs
        )
        self.streaming_producers = tuple(
            tuple(e.producer for e in edges if not e.is_pipeline_breaker) for edges in plan.inputs
        )
        self.pipeline_next = tuple(
            edges[0].consumer if len(edges) == 1 and not edges[0].is_pipeline_breaker else -1
            for edges in plan.outputs
        )
        self.has_streaming_output = tuple(
            any(not e.is_pipeline_breaker for e in edges) for edges in plan.outputs
        )
        self.topological_order = plan.topological_order
        kinds = [kind_of(operator) for operator in plan.operators]
        self.contention = tuple(
            cluster.contention * kind.contention
            if operator.contention is None
            else operator.contention
            for operator, kind in zip(plan.operators, kinds, strict=True)
        )
        self.memory_boundness = tuple(kind.memory_boundness for kind in kinds)
        self.is_probe = tuple(kind.is_probe for kind in kinds)
        self.has_waves = tuple(
            cluster.use_profiles and bool(operator.waves) for operator in plan.operators
        )
        self.est_recorded_us = tuple(
            float(operator.est_work_order_us or operator.mean_work_order_us)
            for operator in plan.operators
        )
        self._has_any_waves = any(self.has_waves)
        self._batch = cluster.work_orders_per_batch
        self._most = Most(plan)
        recorded = [operator.work_order_us for operator in plan.operators]
        self._times = np.concatenate([np.asarray(times, np.int64) for times in recorded])
        self._num_recorded = list(map(len, recorded))
        self._lengths = np.array(self._num_recorded, np.int64)
        self._offsets = np.cumsum(self._lengths) - self._lengths

    def num_work_orders(self, query: Query) -> tuple[list[int], list[int]]:
        """Recorded work orders of each operator at the query's size, and after batching.

        Raises:
            TraceError: the query is too large, see ``limits.check``.
        """
        raw = [scaled_count(operator, query.size_factor) for operator in self.plan.operators]
        if not self._most.is_surely_small(query):
            self._most.check(query, raw)
        return raw, self._batched(raw)

    def is_too_large(self, query: Query) -> bool:
        """Whether ``num_work_orders`` would raise."""
        if self._most.is_surely_small(query):
            return False
        try:
            self.num_work_orders(query)
        except TraceError:
            return True
        return False

    def draw(self, query: Query, raw_counts: Sequence[int], seed: int) -> Draw:
        """Base times of all work orders, from (seed, query, operator, index) alone (R8)."""
        times, numbers = self._times, list[int]()
        if self._has_any_waves or list(raw_counts) != self._num_recorded:
            times, uniform = self._resample(query, np.asarray(raw_counts, np.int64), seed)
            numbers = uniform.tolist() if self._has_any_waves else numbers
        if query.time_factor != 1.0:
            times = np.maximum(np.rint(times * query.time_factor).astype(np.int64), 1)
        raw_bounds = list(itertools.accumulate(raw_counts, initial=0))
        bounds = raw_bounds
        if self._batch > 1:
            spans = itertools.pairwise(raw_bounds)
            first = [at for low, high in spans for at in range(low, high, self._batch)]
            times = np.add.reduceat(times, first)
            bounds = list(itertools.accumulate(self._batched(raw_counts), initial=0))
        flat = times.tolist()
        return Draw(
            base_us=[flat[low:high] for low, high in itertools.pairwise(bounds)],
            uniform=[
                numbers[low:high] if has_waves else None
                for (low, high), has_waves in zip(
                    itertools.pairwise(raw_bounds), self.has_waves, strict=True
                )
            ],
        )

    def _batched(self, raw_counts: Sequence[int]) -> list[int]:
        return [-(-count // self._batch) for count in raw_counts]

    def _resample(
        self, query: Query, counts: np.ndarray, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Recorded times and the 32-bit numbers that chose them, for all work orders in a row."""
        total = int(counts.sum())
        operator = np.repeat(np.arange(self.num_operators), counts)
        key = np.array([seed, query.query_id], np.uint64)
        uniform = (np.random.Philox(key=key).random_raw(total) >> np.uint64(32)).astype(np.int64)
        index = (uniform * self._lengths[operator]) >> 32
        starts = np.cumsum(counts) - counts
        is_recorded = (counts == self._lengths)[operator]
        index = np.where(is_recorded, np.arange(total) - starts[operator], index)
        return self._times[self._offsets[operator] + index], uniform


class Draw:
    """The luck of one query.

    Attributes:
        base_us: per operator, the base time of each work order, µs.
        uniform: per operator with waves, a number in [0, 2**32) per recorded work order (before
            batching), which indexes whichever distribution applies; None elsewhere.
    """

    __slots__ = ("base_us", "uniform")

    def __init__(self, base_us: list[list[int]], uniform: list[list[int] | None]) -> None:
        self.base_us = base_us
        self.uniform = uniform


def kind_of(operator: Operator) -> Kind:
    """The physical character of an operator; that of ``other`` for kinds never seen."""
    return KINDS.get(operator.kind, KINDS["other"])


FRESH, FIRST, REST = 0, 1, 2
"""Waves: an executor new to the query, new to the operator, or neither."""


def wave_time(operator: Operator, num_executors: int, wave: int, uniform: int) -> float:
    """Recorded time of a work order by wave, interpolated between executor counts, µs.

    Lists are sorted, and ``uniform`` / 2**32 is the quantile in whichever applies, so the luck
    of a work order is the same in every context (R8). Counts outside the recorded ones take the
    nearest. A missing list falls back to the next later wave, then to the earlier ones.
    """
    waves = operator.waves
    last = len(waves) - 1
    high = 0
    while high < last and waves[high].num_executors < num_executors:
        high += 1
    at_high = _quantile(waves[high], wave, uniform)
    gap = waves[high].num_executors - num_executors
    if gap <= 0 or high == 0:
        return at_high
    at_low = _quantile(waves[high - 1], wave, uniform)
    width = waves[high].num_executors - waves[high - 1].num_executors
    return interpolated(at_low, at_high, gap, width)


def has_fresh(operator: Operator) -> bool:
    """Whether the profile carries warm-up in measured fresh times."""
    return any(wave.fresh for wave in operator.waves)


_FALLBACK = (("fresh", "first", "rest"), ("first", "rest", "fresh"), ("rest", "first", "fresh"))


def _quantile(wave: object, kind: int, uniform: int) -> float:
    for name in _FALLBACK[kind]:
        times: tuple[int, ...] = getattr(wave, name)
        if times:
            return float(times[(uniform * len(times)) >> 32])
    raise AssertionError("a wave has at least one recorded time")
