"""Decima's stage profiles of TPC-H on Spark.

Mao et al. (SIGCOMM 2019) ran TPC-H at several sizes on Spark with different numbers of executors
and published, for each stage, the times of its tasks: of executors that had just come to the query
(``fresh_durations``), of first tasks on an executor (``first_wave``) and of later ones
(``rest_wave``). They exist as ``adj_mat_Q.npy`` and ``task_duration_Q.npy`` for each query, in a
directory per size, and as one JSON document.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from traces.arrivals import poisson_arrivals
from traces.errors import TraceError
from traces.importers.decima_files import Profile, Stage, read_profiles
from traces.model import Edge, Operator, Plan, Query, Trace, Wave
from traces.units import US_PER_MS

Times = Literal["profile", "mean"]

NUM_FLAT = 100
"""Times that stand for a stage where profiles are not used."""


def import_decima(
    path: Path,
    *,
    times: Times = "profile",
    sizes: Sequence[str] = (),
    only: Sequence[str] = (),
    num_queries: int = 200,
    interval_s: float = 25.0,
    seed: int = 0,
    name: str = "decima",
) -> Trace:
    """The profiles as plans, with queries that arrive as in Decima's experiments.

    Args:
        path: a directory with ``.npy`` files, or the JSON document, plain or gzip.
        times: ``profile`` keeps recorded times by wave and number of executors; with ``mean``
            each task takes its stage's mean, rounded to whole ms, as in comparisons of simulators.
        sizes: only these (``2g``, ``10g``, …); empty: all.
        only: only these queries of TPC-H (``1``, ``22``); empty: all.
        num_queries: queries to draw over the plans.
        interval_s: mean gap of their Poisson arrivals; 25 s in section 7.2 of the paper.
        seed: of the draws.
        name: of the trace.

    Raises:
        TraceError: a file is not what it must be, naming it and the place; or there is no such
            size or query.
    """
    profiles = _chosen(read_profiles(path), path, sizes, only)
    plans = []
    for profile in profiles:
        try:
            plans.append(_plan(profile, times))
        except ValueError as error:
            raise TraceError(f"{profile.place}: {error}") from None
    stages = [stage for profile in profiles for stage in profile.stages]
    trace = Trace(
        name=name,
        plans=tuple(plans),
        queries=(Query(query_id=0, plan=plans[0].name, arrival_us=0),),
        description="TPC-H on Spark, stage profiles of Decima (Mao et al., SIGCOMM 2019)",
        source={
            "file": path.name,
            "sizes": ", ".join(dict.fromkeys(profile.size for profile in profiles)),
            "plans": f"{len(plans):,}",
            "stages": f"{len(stages):,}",
            "tasks": f"{sum(stage.num_tasks for stage in stages):,}",
            **_recorded(stages),
            "times": "by wave and number of executors" if times == "profile" else "stage means",
            "arrivals": f"{num_queries} queries, Poisson, mean gap {interval_s:g} s, seed {seed}",
        },
    )
    gap_us = interval_s * 1e6
    return poisson_arrivals(
        trace, num_queries, seed=seed, interval_us=gap_us, size_sd=0.0, time_sd=0.0
    )


def _chosen(
    profiles: Sequence[Profile], path: Path, sizes: Sequence[str], only: Sequence[str]
) -> list[Profile]:
    """Profiles of these sizes and queries. The order stays that of the files."""
    known_sizes = dict.fromkeys(profile.size for profile in profiles)
    known_queries = dict.fromkeys(str(profile.query) for profile in profiles)
    for what, wanted, known in (("size", sizes, known_sizes), ("query", only, known_queries)):
        for one in wanted:
            if one not in known:
                raise TraceError(f"{path}: no {what} {one!r}, there are {', '.join(known)}")
    chosen = [
        profile
        for profile in profiles
        if profile.size in (sizes or known_sizes) and str(profile.query) in (only or known_queries)
    ]
    if not chosen:
        raise TraceError(f"{path}: none of queries {', '.join(only)} at {', '.join(sizes)}")
    return chosen


def _recorded(stages: Sequence[Stage]) -> dict[str, str]:
    """Recorded times, and what the clean-up makes of them: in + filled in − taken out = waves."""
    recorded = [time for stage in stages for time in stage.times()]
    doubles = [
        time
        for stage in stages
        for executors in stage.first
        for time in stage.doubles(executors).elements()
    ]
    used = [time for stage in stages for time in stage.cleaned().times()]
    num_filled = len(used) - len(recorded) + len(doubles)
    filled_ms = math.fsum(used) - math.fsum(recorded) + math.fsum(doubles)
    return {
        "recorded": f"{len(recorded):,} task times, {math.fsum(recorded) / 1000:,.3f} s",
        "taken out": f"{len(doubles):,} of fresh tasks that are there twice, "
        f"{math.fsum(doubles) / 1000:,.3f} s",
        "filled in": f"{num_filled:,} where no first wave is left, {filled_ms / 1000:,.3f} s",
    }


def _plan(profile: Profile, times: Times) -> Plan:
    return Plan(
        name=profile.name,
        operators=tuple(
            _operator(index, stage, times) for index, stage in enumerate(profile.stages)
        ),
        edges=tuple(Edge(*edge) for edge in profile.edges),
    )


def _operator(index: int, stage: Stage, times: Times) -> Operator:
    cleaned = stage.cleaned()
    recorded = sorted(cleaned.times())
    mean_ms = math.fsum(recorded) / len(recorded)
    is_mean = times == "mean"
    return Operator(
        kind="stage",
        num_work_orders=stage.num_tasks,
        work_order_us=(max(1, round(mean_ms)) * US_PER_MS,) if is_mean else _flat(recorded),
        waves=() if is_mean else tuple(_waves(cleaned)),
    )


def _flat(recorded_ms: Sequence[float]) -> tuple[int, ...]:
    """A short list of times, µs, with the distribution and the mean of a long sorted one."""
    size = min(NUM_FLAT, len(recorded_ms))
    total = np.concatenate(([0.0], np.cumsum(recorded_ms)))
    ends = np.interp(np.linspace(0, len(recorded_ms), size + 1), np.arange(len(total)), total)
    means = np.diff(ends) * (size / len(recorded_ms))
    return tuple(max(1, round(float(mean) * US_PER_MS)) for mean in means)


def _waves(stage: Stage) -> Iterator[Wave]:
    for executors in sorted({*stage.fresh, *stage.first, *stage.rest}):
        lists = (lists.get(executors, ()) for lists in (stage.fresh, stage.first, stage.rest))
        fresh, first, rest = (tuple(sorted(max(1, round(t * US_PER_MS)) for t in x)) for x in lists)
        if fresh or first or rest:
            yield Wave(num_executors=executors, fresh=fresh, first=first, rest=rest)
