"""Templates: what a tenant's queries repeat, and how executions of one differ."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from traces.generate.span import Span
from traces.generate.tenants import Statements, Tenants


class Submissions(NamedTuple):
    """The queries of one tenant in order of arrival, and its templates.

    Attributes:
        time_us: when each arrives.
        template: its template.
        size_factor, time_factor: how this execution differs from its template's factors.
        plan, size, time: of each template: the place of its plan, and its own factors.
        num_known: templates that repeat; those after them come once.
    """

    time_us: np.ndarray
    template: np.ndarray
    size_factor: np.ndarray
    time_factor: np.ndarray
    plan: np.ndarray
    size: np.ndarray
    time: np.ndarray
    num_known: int


def submissions(
    tenants: Tenants, plans: np.ndarray, span: Span, generators: list[np.random.Generator]
) -> Submissions:
    """Draw everything about the queries of one of these tenants.

    Args:
        tenants: what it is like.
        plans: places of the plans that it may have.
        span: from when to when.
        generators: for its arrivals, its templates, and the executions.
    """
    for_arrivals, for_templates, for_executions = generators
    arrivals = tenants.arrivals(span, for_arrivals)
    time_us = np.floor(arrivals.time_us / 1000.0) * 1000.0
    is_inside = span.inside(time_us)
    time_us = time_us[is_inside].astype(np.int64)
    order = np.argsort(time_us, kind="stable")
    count, num_known = len(order), tenants.num_templates(span)
    num_once = 0
    if arrivals.template is None:
        assert isinstance(tenants, Statements)
        template, num_once = _chosen(tenants, count, for_executions)
    else:
        template = arrivals.template[is_inside][order]
    known = _without_repeats(plans, num_known, for_templates)
    size_sd, time_sd = tenants.size_sd, tenants.time_sd
    # The known templates first, so that they do not depend on how many others there are.
    known_normal = for_templates.standard_normal((2, num_known))
    once_normal = for_templates.standard_normal((2, num_once))
    size_normal, time_normal = np.concatenate((known_normal, once_normal), axis=1)
    return Submissions(
        time_us=time_us[order],
        template=template,
        size_factor=_around_one(for_executions.standard_normal(count), tenants.variation),
        time_factor=_around_one(for_executions.standard_normal(count), tenants.variation),
        plan=np.concatenate((known, for_templates.choice(plans, num_once))),
        size=tenants.size * np.exp(size_sd * size_normal),
        time=_around_one(time_normal, time_sd),
        num_known=num_known,
    )


def _chosen(
    tenants: Statements, count: int, generator: np.random.Generator
) -> tuple[np.ndarray, int]:
    """The template of each query, and how many of them come once."""
    weights = np.arange(1, tenants.templates + 1) ** -tenants.popularity
    bounds = np.cumsum(weights) / weights.sum()
    ranks = np.searchsorted(bounds, generator.random(count), side="right")
    template = np.minimum(ranks, tenants.templates - 1)
    is_once = generator.random(count) >= tenants.repetition
    num_once = int(is_once.sum())
    template[is_once] = tenants.templates + np.arange(num_once)
    return template, num_once


def _without_repeats(plans: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """So many of the plans in random order, each again only after all others."""
    rounds = [generator.permutation(plans) for _ in range(math.ceil(count / len(plans)))]
    return np.concatenate(rounds)[:count]


def _around_one(normal: np.ndarray, sd: float) -> np.ndarray:
    """Log-normal factors with a mean of 1."""
    factors: np.ndarray = np.exp(sd * normal - sd * sd / 2)
    return factors
