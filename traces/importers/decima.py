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
from typing import Any, Literal

import numpy as np

from traces.arrivals import poisson_arrivals
from traces.errors import TraceError
from traces.importers.decima_files import Profile, Stage, read_profiles
from traces.model import Edge, Operator, Plan, Query, Trace, Wave

Times = Literal["profile", "mean"]

US_PER_MS = 1000
NUM_FLAT = 100
"""Times that stand for a stage where profiles are not used."""


def import_decima(
    path: Path,
    *,
    times: Times = "profile",
    sizes: Sequence[str] = (),
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
        num_queries: queries to draw over the plans.
        interval_s: mean gap of their Poisson arrivals; 25 s in section 7.2 of the paper.
        seed: of the draws.
        name: of the trace.

    Raises:
        TraceError: a file is not what it must be, naming it and the place; or there is no such
            size.
    """
    profiles = read_profiles(path)
    known = list(dict.fromkeys(profile.size for profile in profiles))
    for size in sizes:
        if size not in known:
            raise TraceError(f"{path}: no size {size!r}, there are {', '.join(known)}")
    profiles = [profile for profile in profiles if not sizes or profile.size in sizes]
    plans = []
    for profile in profiles:
        try:
            plans.append(_plan(profile, times))
        except ValueError as error:
            raise TraceError(
                f"{path}: size {profile.size}, query {profile.query}: {error}"
            ) from None
    stages = [stage for profile in profiles for stage in profile.stages]
    trace = Trace(
        name=name,
        plans=tuple(plans),
        queries=(Query(query_id=0, plan=plans[0].name, arrival_us=0),),
        description="TPC-H on Spark, stage profiles of Decima (Mao et al., SIGCOMM 2019)",
        source={
            "file": path.name,
            "sizes": ", ".join(sizes or known),
            "stages": f"{len(stages):,}",
            "tasks": f"{sum(stage.num_tasks for stage in stages):,}",
            "recorded": _recorded(stages),
            "times": "by wave and number of executors" if times == "profile" else "stage means",
            "arrivals": f"{num_queries} queries, Poisson, mean gap {interval_s:g} s, seed {seed}",
        },
    )
    gap_us = interval_s * 1e6
    return poisson_arrivals(
        trace, num_queries, seed=seed, interval_us=gap_us, size_sd=0.0, time_sd=0.0
    )


def _recorded(stages: Sequence[Stage]) -> str:
    times = [time for stage in stages for time in stage.times()]
    return f"{len(times):,} task times, {math.fsum(times) / 1000:,.3f} s (fresh ones twice)"


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
    mean_us = max(1, round(mean_ms * US_PER_MS))
    shared: dict[str, Any] = {
        "kind": "stage",
        "name": f"stage {index}",
        "num_work_orders": stage.num_tasks,
        "est_work_order_us": mean_us,
    }
    if times == "mean":
        return Operator(**shared, work_order_us=(max(1, round(mean_ms)) * US_PER_MS,))
    return Operator(**shared, work_order_us=_flat(recorded), waves=tuple(_waves(cleaned)))


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
