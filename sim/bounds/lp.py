"""Bound B4: a linear program over what each query may get of the executors, and when.

Time is cut into intervals. A variable is the executor time that a query has in an interval at a
level of parallelism: its first executor, its next ones, and so on, each with the rate at which it
gets work done (see ``Speedup``; levels of nearly equal rates are one, at the best of them). With
G_j, by how much a query's latency exceeds its bound B1, minimise Σ G_j where

 1. an interval's executor time is at most P × its length, and a level's its width × its length;
 2. all work of a query gets done;
 3. F_j = B1_j + G_j ≥ M_j − arrival + δ_j: M_j is the query's mean busy time, the mean over its
    work of when it is done, where work in an interval counts at the interval's start; δ_j is the
    least by which a completion is later than that mean, as operators run before their tails;
 4. Σ F_j ≥ Σ F_j of B2 over sets of queries, such as the best one of B3.

Every schedule gives such numbers, so the minimum is at most its sum of latencies, and no less than
B3's. What a query does long after its arrival is one variable without limits, counted at its
earliest time: this keeps the program small, and only lowers the minimum.

Source: Goemans, Queyranne, Schulz, Skutella and Wang, "Single machine scheduling with release
dates", SIAM J. Discrete Math. 15 (2002), for mean busy times; the levels, and δ_j, are ours.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sim.bounds.demand import Demand
from sim.bounds.pooled import pooled_latencies
from sim.bounds.speedup import ROUNDING_US, SAFETY, Speedup
from sim.bounds.subset import best_subset

MAX_QUERIES = 200
"""Queries of one program. Longer traces are cut: sums of latencies of parts add up."""
MAX_VARIABLES = 80_000
"""About how many variables a program may have."""
INTERVALS_PER_QUERY = 5
WINDOWS = (64.0, 32.0, 16.0, 8.0, 4.0, 2.0)
"""How long after its arrival a query's work is followed, in multiples of the larger of B1 and of
its latency under B2: the first that keeps the program small enough."""
LEVEL_RATIO = 0.9
"""Executors whose rates differ by less are on one level."""
NUM_CUTS = 12
NUM_STEPS = 256
"""Steps of the numerical integral of δ_j, which errs on the low side."""


class Level(NamedTuple):
    """Some of a query's executors: how many, and how fast each gets work done."""

    width: int
    rate: float


class Profile(NamedTuple):
    """What the program knows of a query, µs; times are from the program's first arrival."""

    arrival: float
    isolated: float
    window: float
    work: float
    lag: float
    levels: list[Level]


def lp_total_us(demands: Sequence[Demand], num_executors: int) -> float:
    """Bound on the sum of latencies of all queries, whose shapes must have been kept, µs."""
    num_parts = -(-len(demands) // MAX_QUERIES)
    edges = [len(demands) * part // num_parts for part in range(num_parts + 1)]
    parts = [demands[low:high] for low, high in itertools.pairwise(edges)]
    return sum(_part_total_us(part, num_executors) for part in parts)


def lag_us(demand: Demand) -> float:
    """δ_j: how much later than its mean busy time a query completes at least, µs.

    In the last u µs before the completion at most min(s(P) · u, Σ_o min(w_o, (u − tail_o) · p_o))
    work gets done, where operator o has work w_o and at most p_o executors, one a work order. The
    lag is the integral over u of the share that does not.
    """
    shape = demand.shape
    assert shape is not None
    works, speedup = _credits(shape.work_us, shape.num_work_orders, shape.speedup)
    total = float(works.sum())
    if total <= 0.0:
        return 0.0
    tails = np.asarray(shape.tail_us, float)[:, None]
    most = np.minimum(np.asarray(shape.num_work_orders), len(speedup.rates))[:, None]
    step = demand.isolated_us / NUM_STEPS
    ends = np.arange(1, NUM_STEPS + 1) * step  # more is done by a step's end than at its start
    done = np.minimum(works[:, None], np.maximum(ends - tails, 0.0) * most).sum(axis=0)
    share = np.minimum(done, speedup.total * ends) / total
    integral = float(np.maximum(1.0 - share, 0.0).sum()) * step
    return max(integral, total / (2.0 * speedup.total)) * SAFETY


def levels_of(speedup: Speedup) -> list[Level]:
    """Executors of nearly equal rate as one level, at the best of their rates."""
    levels, first = [], 0
    for at, rate in enumerate(speedup.rates):
        if rate < LEVEL_RATIO * speedup.rates[first]:
            levels.append(Level(at - first, speedup.rates[first]))
            first = at
    return [*levels, Level(len(speedup.rates) - first, speedup.rates[first])]


def _credits(
    works_us: Sequence[int], counts: Sequence[int], speedup: Speedup
) -> tuple[np.ndarray, Speedup]:
    """Work by operator, and the speedup that goes with it: whichever of the two says more."""
    works = np.asarray(works_us, float)
    if not speedup.is_linear:
        less = np.maximum(works - ROUNDING_US * np.asarray(counts), 0.0)
        if less.sum() / speedup.total > works.sum() / len(speedup.rates):
            return less, speedup
    ones = (1.0,) * len(speedup.rates)
    return works, Speedup(ones, float(len(ones)), True)


def _part_total_us(demands: Sequence[Demand], num_executors: int) -> float:
    jobs = [(demand.arrival_us, demand.work_us) for demand in demands]
    pooled = np.array(pooled_latencies(jobs, num_executors)) / num_executors
    start = demands[0].arrival_us
    profiles = []
    for demand, latency in zip(demands, pooled, strict=True):
        shape = demand.shape
        assert shape is not None
        works, speedup = _credits(shape.work_us, shape.num_work_orders, shape.speedup)
        profiles.append(
            Profile(
                float(demand.arrival_us - start),
                float(demand.isolated_us),
                max(float(demand.isolated_us), float(latency)),
                float(works.sum()) * SAFETY,
                lag_us(demand),
                levels_of(speedup),
            )
        )
    arrivals = np.array([profile.arrival for profile in profiles])
    program = _Program(profiles, _edges(arrivals, arrivals + pooled), num_executors)
    for chosen in _cut_sets(demands, num_executors):
        of_set = [job for job, pooled in zip(jobs, chosen, strict=True) if pooled]
        program.add_cut(chosen, sum(pooled_latencies(of_set, num_executors)) / num_executors)
    alone = float(sum(demand.isolated_us for demand in demands))
    return alone + program.excess()


def _edges(arrivals: np.ndarray, completions: np.ndarray) -> np.ndarray:
    """Ends of intervals: arrivals, completions under B2, and points that halve the longest.

    One more µs makes an interval where no query has any work.
    """
    edges = np.unique(np.concatenate((arrivals, completions, [completions.max() + 1.0])))
    wanted = INTERVALS_PER_QUERY * len(arrivals) + 10
    while len(edges) < wanted:
        gaps = np.diff(edges)
        longest = np.flatnonzero(gaps > 0.6 * gaps.max())[: wanted - len(edges)]
        edges = np.sort(np.concatenate((edges, edges[longest] + gaps[longest] / 2)))
    return edges


def _cut_sets(demands: Sequence[Demand], num_executors: int) -> list[list[bool]]:
    """The best set of B3, and the queries of least work, of several sizes up to all."""
    order = sorted(range(len(demands)), key=lambda index: demands[index].work_us)
    sets = [best_subset(demands, num_executors).is_pooled]
    for size in sorted({len(order) * step // NUM_CUTS for step in range(1, NUM_CUTS + 1)} - {0}):
        small = set(order[:size])
        sets.append([index in small for index in range(len(order))])
    return [chosen for chosen in sets if any(chosen)]


class _Program:
    """Minimise c·x where A x ≥ b and 0 ≤ x ≤ u, built row by row; time in units of ``unit``."""

    def __init__(self, profiles: Sequence[Profile], edges: np.ndarray, num_executors: int) -> None:
        self._profiles = profiles
        self._edges = edges
        self.unit = max(1.0, float(np.mean([profile.isolated for profile in profiles])))
        self._rows: list[np.ndarray] = []
        self._columns: list[np.ndarray] = []
        self._values: list[np.ndarray] = []
        self._least: list[float] = []
        # The first variables are the excesses G_j, each of cost 1 and without upper bound.
        self._most: list[np.ndarray] = [np.full(len(profiles), np.inf)]
        self._num_variables = len(profiles)
        num_intervals = len(edges) - 1
        used: list[list[np.ndarray]] = [[] for _ in range(num_intervals)]
        windows = _windows(profiles, edges)
        for index, (profile, (first, last)) in enumerate(zip(profiles, windows, strict=True)):
            self._add_query(index, profile, first, last, used)
        for interval, columns in enumerate(used):
            if columns:
                length = float(edges[interval + 1] - edges[interval]) / self.unit
                taken = np.concatenate(columns)
                self._add_row(taken, np.full(len(taken), -1.0), -num_executors * length)

    def add_cut(self, chosen: Sequence[bool], total_us: float) -> None:
        """The latencies of some queries are at least so much in all."""
        columns = np.flatnonzero(chosen)
        isolated = sum(self._profiles[column].isolated for column in columns.tolist())
        self._add_row(columns, np.ones(len(columns)), (total_us - isolated) / self.unit)

    def excess(self) -> float:
        """A bound on Σ G_j, µs, from the solver's dual values by weak duality.

        For any multipliers λ ≥ 0 of the rows, b·λ + Σ u·min(0, c − λA) is a bound, however
        well they were found; only this sum is trusted. Excesses have no upper bound u: λ is
        scaled down until their reduced costs are not negative.
        """
        from scipy.optimize import linprog
        from scipy.sparse import csr_array

        shape = (len(self._least), self._num_variables)
        places = (np.concatenate(self._rows), np.concatenate(self._columns))
        matrix: Any = csr_array((np.concatenate(self._values), places), shape=shape)
        least, most = np.array(self._least), np.concatenate(self._most)
        num_excesses = len(self._profiles)
        cost = np.zeros(self._num_variables)
        cost[:num_excesses] = 1.0
        bounds: Any = np.column_stack((np.zeros(self._num_variables), most))
        solution = linprog(cost, A_ub=-matrix, b_ub=-least, bounds=bounds, method="highs")
        if solution.status != 0:
            return 0.0
        dual = np.maximum(-np.asarray(solution.ineqlin.marginals), 0.0)
        priced = np.asarray(matrix.T @ dual)
        dual /= max(1.0, float(priced[:num_excesses].max()))
        reduced = -np.asarray(matrix.T @ dual)[num_excesses:]
        lost = most[num_excesses:] * np.minimum(reduced, 0.0)
        terms = np.concatenate((least * dual, lost))
        slack = (1.0 - SAFETY) * float(np.abs(terms).sum())
        return max(0.0, float(terms.sum()) - slack) * self.unit

    def _add_query(
        self, index: int, profile: Profile, first: int, last: int, used: list[list[np.ndarray]]
    ) -> None:
        """Variables of a query in intervals ``first`` to ``last``, and later; its rows 2 and 3."""
        edges, unit = self._edges, self.unit
        work = profile.work / unit
        if work <= 0.0:
            return
        lengths = np.diff(edges[first : last + 1]) / unit
        starts = (edges[first:last] - profile.arrival) / unit
        columns, rates, when = [], [], []
        for level in profile.levels:
            mine = self._num_variables + np.arange(last - first)
            self._add_variables(level.width * lengths)
            columns.append(mine)
            rates.append(np.full(last - first, level.rate))
            when.append(starts)
            for interval, column in zip(range(first, last), mine, strict=True):
                used[interval].append(np.array([column]))
        columns.append(np.array([self._num_variables]))
        self._add_variables(np.array([work]))
        rates.append(np.ones(1))
        when.append(np.array([(edges[last] - profile.arrival) / unit]))
        at, rate = np.concatenate(columns), np.concatenate(rates)
        self._add_row(at, rate, work)
        share = rate * np.concatenate(when) / work
        lag = (profile.lag - profile.isolated) / unit
        self._add_row(np.append(at, index), np.append(-share, 1.0), lag)

    def _add_variables(self, most: np.ndarray) -> None:
        self._most.append(most)
        self._num_variables += len(most)

    def _add_row(self, columns: np.ndarray, values: np.ndarray, least: float) -> None:
        self._rows.append(np.full(len(columns), len(self._least)))
        self._columns.append(columns)
        self._values.append(values)
        self._least.append(least)


def _windows(profiles: Sequence[Profile], edges: np.ndarray) -> list[tuple[int, int]]:
    """First interval of each query, and the one after its last, few enough in all."""
    arrivals = np.array([profile.arrival for profile in profiles])
    spans = np.array([profile.window for profile in profiles])
    num_levels = np.array([len(profile.levels) for profile in profiles])
    first = np.searchsorted(edges, arrivals)
    last = first
    for factor in WINDOWS:
        ends = np.searchsorted(edges, arrivals + factor * spans)
        last = np.clip(ends, first + 1, len(edges) - 1)
        if float(((last - first) * num_levels).sum()) <= MAX_VARIABLES:
            break
    return [(int(low), int(high)) for low, high in zip(first, last, strict=True)]
