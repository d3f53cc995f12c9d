"""The queries of a fleet's log: captured plans stand for them, one for each fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from traces.errors import TraceError
from traces.importers.fleet import Chosen, Log, Selection, choose, midnight
from traces.importers.matching import Candidates, Features, Floats, shipped_plans
from traces.importers.tables import Tables
from traces.model import Query, Trace
from traces.stream import TraceStream

COUNTS = ("joins", "aggregations", "sorts")
AMOUNTS = ("scanned_bytes", "work_us")
LOGS = {name: f"log2(1 + {name})" for name in COUNTS} | {name: f"log2({name})" for name in AMOUNTS}
"""What is compared, in SQL."""


def import_log(
    paths: Sequence[Path],
    log: Log,
    name: str,
    description: str,
    work: Callable[[Chosen], str],
    *,
    plans: Trace | None,
    presence_only: bool,
    selection: Selection | None,
    trust_units: bool,
) -> TraceStream:
    """A trace of a fleet's log.

    Args:
        paths: the files.
        log: what their columns mean.
        name: of the trace.
        description: of the trace.
        work: says how much work there is, and where it comes from.
        plans: the trace whose plans stand for the queries; None: all that are shipped.
        presence_only: as for ``Candidates``.
        selection: which queries; None: all.
        trust_units: take times as they are, even if they cannot be right.

    Raises:
        TraceError: a file is wrong, or no query is left.
    """
    tables = Tables(paths, log.columns)
    chosen = choose(tables, log, selection or Selection(), trust_units)
    candidates = Candidates(shipped_plans() if plans is None else plans.plans, presence_only)
    origin_us, start = midnight(chosen.first_us)
    return TraceStream(
        name=name,
        plans=candidates.plans,
        num_queries=chosen.num_queries,
        queries=fleet_queries(tables, candidates, origin_us),
        description=description,
        source={
            "files": ", ".join(path.name for path in paths),
            "start": start,
            **chosen.source,
            "work": work(chosen),
        },
    )


def fleet_queries(tables: Tables, candidates: Candidates, origin_us: int) -> Iterator[Query]:
    """Queries of the table ``chosen`` (see ``fleet.choose``), in arrival order.

    Queries of one tenant and fingerprint are matched together, by the means of the logarithms of
    their features; the others each by itself.

    Args:
        tables: the database with that table; closed at the end.
        candidates: the plans to choose from.
        origin_us: time 0 of the trace, µs since 1970.

    Raises:
        TraceError: a query is out of the range of what a trace can hold.
    """
    # Sums of whole numbers do not depend on the order in which rows come.
    means = ", ".join(
        f"sum(CAST(round(1e6 * {log}) AS BIGINT))::DOUBLE / count({name}) / 1e6 AS {name}"
        for name, log in LOGS.items()
    )
    tables.execute(
        f"CREATE TABLE templates AS SELECT tenant, fingerprint, {means} FROM chosen "
        "WHERE fingerprint IS NOT NULL GROUP BY tenant, fingerprint"
    )
    own = ", ".join(
        f"coalesce(templates.{name}, {log.replace(name, f'chosen.{name}')})"
        for name, log in LOGS.items()
    )
    first_id = 0
    for rows in tables.batches(
        "SELECT arrival_us, chosen.tenant, query_class, chosen.fingerprint, latency_us, "
        f"chosen.work_us, chosen.scanned_bytes, {own} FROM chosen "
        "LEFT JOIN templates USING (tenant, fingerprint) ORDER BY chosen.arrival_us, place"
    ):
        try:
            queries = _batch(rows, candidates, first_id, origin_us)
        except (ValueError, OverflowError) as error:
            raise TraceError(f"{tables.label}: {error}") from None
        yield from queries
        first_id += len(rows)
    tables.close()


def _batch(
    rows: Sequence[tuple[Any, ...]],
    candidates: Candidates,
    first_id: int,
    origin_us: int,
) -> list[Query]:
    arrivals, tenants, classes, fingerprints, latencies, work, scanned, *logs = zip(
        *rows, strict=True
    )
    work_us, scanned_bytes = np.array(work, float), np.array(scanned, float)
    index: dict[tuple[float, ...], int] = {}
    kinds = np.array([index.setdefault(key, len(index)) for key in zip(*logs, strict=True)])
    features = _features(np.array(list(index), float))
    nearest = candidates.nearest(features)
    choices = [
        f"nearest of {len(candidates.plans)} plans: {text}"
        for text in _described(features, candidates.presence_only)
    ]
    plans = nearest[kinds]
    sizes = candidates.sizes(plans, scanned_bytes, features.work_us[kinds])
    factors = candidates.factors(plans, sizes, work_us)
    queries = []
    for place, (plan, kind, size_factor, time_factor) in enumerate(
        zip(plans.tolist(), kinds.tolist(), *(f.tolist() for f in factors), strict=True)
    ):
        tenant, fingerprint = tenants[place] or "", fingerprints[place]
        queries.append(
            Query(
                query_id=first_id + place,
                plan=candidates.plans[plan].name,
                arrival_us=arrivals[place] - origin_us,
                tenant=tenant,
                query_class=classes[place] or "",
                template="" if fingerprint is None else f"{tenant}/{fingerprint}",
                size_factor=size_factor,
                time_factor=time_factor,
                recorded_latency_us=round(latencies[place]),
                plan_choice=choices[kind],
            )
        )
    return queries


def _features(logs: Floats) -> Features:
    joins, aggregations, sorts, scanned_bytes, work_us = np.exp2(logs).T
    return Features(joins - 1, aggregations - 1, sorts - 1, scanned_bytes, work_us)


def _described(features: Features, presence_only: bool) -> Iterator[str]:
    """Features in a few words; there are as many such texts as templates."""
    for joins, aggregations, sorts, scanned_bytes, work_us in zip(
        *(getattr(features, name).tolist() for name in (*COUNTS, *AMOUNTS)), strict=True
    ):
        counts = {"join": joins, "aggregation": aggregations, "sort": sorts}
        if presence_only:
            words = [f"{name}s" for name, count in counts.items() if count > 0.5] or ["no joins"]
        else:
            words = [
                f"{count:.3g} {name}{'' if round(count, 2) == 1 else 's'}"
                for name, count in counts.items()
                if count == count  # NaN: not known
            ]
        size = [f"{scanned_bytes / 1e6:.3g} MB"] if scanned_bytes == scanned_bytes else []
        yield ", ".join([*words, *size, f"{work_us / 1e6:.3g} s"])
