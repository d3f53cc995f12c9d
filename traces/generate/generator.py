"""From a configuration to a trace."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np

from traces.errors import TraceError
from traces.generate.catalogue import Catalogue
from traces.generate.config import Config
from traces.generate.queries import Part, Queries
from traces.generate.span import Span
from traces.generate.statements import submissions
from traces.generate.tenants import MAX_QUERIES, Tenants
from traces.stream import TraceStream

KEY = 2
"""Keeps these random numbers apart from those of drawn arrivals."""
MAX_TEMPLATES = 1_000_000
MAX_TENANT_DAYS = 50_000


def generate(config: Config, source: str = "") -> TraceStream:
    """The trace that a configuration describes; the same configuration gives the same trace.

    Every tenant has its own random numbers, from the seed and its name: adding a tenant changes
    no other one, except for the common factor of sizes that a target sets.

    Args:
        config: what it shall be like.
        source: what the configuration was read from, for errors and the trace's ``source``.

    Raises:
        TraceError: a trace or plan is not there, or there would be no queries or too many.
    """
    source = source or config.name
    try:
        parts, catalogue = _draw(config)
        queries = Queries(parts, catalogue, config.target, config.span())
    except (ValueError, OSError) as error:
        raise TraceError(f"{source}: {error}") from None
    classes = Counter[str]()
    for part in parts:
        classes[part.query_class] += len(part.drawn.time_us)
    made = {
        "config": Path(source).stem,
        "seed": str(config.seed),
        "traces": ", ".join(Path(name).name for name in config.traces),
        "span": f"{config.span().hours:g} hours from {config.start}; time 0 is midnight before",
        "queries": ", ".join(f"{name} {count:,}" for name, count in sorted(classes.items())),
        "work": queries.summary,
    }
    return TraceStream(config.name, queries.plans, queries.count, queries, config.description, made)


def tenant_generators(seed: int, name: str) -> list[np.random.Generator]:
    """A tenant's random numbers: for its arrivals, its templates, and their executions."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    seeds = np.random.SeedSequence(seed, spawn_key=(KEY, key)).spawn(3)
    return [np.random.default_rng(child) for child in seeds]


def _draw(config: Config) -> tuple[list[Part], Catalogue]:
    catalogue, span = Catalogue(config.traces), config.span()
    groups: list[Tenants] = list(config.tenants)
    if config.fleet is not None:
        try:
            groups += config.fleet.draw(config.seed, span, catalogue)
        except ValueError as error:
            raise ValueError(f"fleet: {error}") from None
    _check_amount(groups, span)
    parts = []
    for tenants in groups:
        try:
            plans = catalogue.matching(tenants.plans, tenants.prefer)
        except ValueError as error:
            raise ValueError(f"tenants {tenants.name!r}: {error}") from None
        for name in tenants.names():
            generators = tenant_generators(config.seed, name)
            parts.append(Part(name, tenants, submissions(tenants, plans, span, generators)))
    return parts, catalogue


def _check_amount(groups: list[Tenants], span: Span) -> None:
    """Raise ValueError where drawing the queries would take too long, or too much memory."""
    tenant_days = sum(tenants.count for tenants in groups) * span.hours / 24
    if tenant_days > MAX_TENANT_DAYS:
        raise ValueError(
            f"count: tenants × days are {tenant_days:,.0f}, expected at most {MAX_TENANT_DAYS:,}"
        )
    expected = {tenants.name: tenants.count * tenants.expected(span) for tenants in groups}
    if not sum(expected.values()) <= MAX_QUERIES:
        most = max(expected, key=lambda name: expected[name])
        raise ValueError(
            f"about {sum(expected.values()):,.0f} queries, most of them ({expected[most]:,.0f}) "
            f"from tenants {most!r}; expected at most {MAX_QUERIES:,}: lower rates, or fewer hours"
        )
    templates = sum(tenants.count * tenants.num_templates(span) for tenants in groups)
    if templates > MAX_TEMPLATES:
        raise ValueError(f"templates: {templates:,} in all, expected at most {MAX_TEMPLATES:,}")
