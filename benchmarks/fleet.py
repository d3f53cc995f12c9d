"""How close generated fleets are to published figures of a real one: a table and a plot.

Run with ``python benchmarks/fleet.py [PLOT]``; it takes half a minute. Compared are as many tenants
as Redset's figures are of, over as many days, at full rates (``traces.generate.measure`` says
which are drawn slower). No query is simulated.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lsched.plots.files import save
from lsched.plots.style import COLOURS, add_axes, add_title, log_ticks
from traces.generate import Config, Fleet, calibration, generate
from traces.generate.measure import HourlyCounts, hourly_counts
from traces.units import US_PER_S

TENANTS, DAYS, SEED = 107, 90, 0
QUERIES = 200_000
"""Of the trace that the work of queries is taken from."""
PUBLISHED, GENERATED = COLOURS[1], COLOURS[0]


def work_s(fleet: Fleet) -> dict[str, float]:
    """Mean work of each tenant's queries, executor-seconds."""
    stream = generate(Config(name="fleet", seed=SEED, days=1, fleet=fleet))
    plans = {plan.name: plan for plan in stream.plans}
    total: dict[str, list[float]] = {}
    for query in stream.queries:
        work_us = plans[query.plan].work_at(query.size_factor) * query.time_factor
        total.setdefault(query.tenant, []).append(work_us / US_PER_S)
    return {tenant: float(np.mean(works)) for tenant, works in total.items()}


def percentiles(values: list[float]) -> np.ndarray:
    """Those that are published."""
    result: np.ndarray = np.percentile(values, calibration.PERCENTILES)
    return result


def rows(tenants: list[HourlyCounts], works: dict[str, float]) -> list[tuple[str, Any, np.ndarray]]:
    """What is compared: name, published and generated percentiles over the tenants."""
    seen = [tenant for tenant in tenants if tenant.tenants.name in works]
    return [
        (
            "queries per hour",
            calibration.QUERIES_PER_HOUR,
            percentiles([tenant.per_hour for tenant in tenants]),
        ),
        (
            "variation of the hourly count",
            calibration.HOURLY_CV,
            percentiles([tenant.variation for tenant in tenants]),
        ),
        (
            "peak ÷ mean hour",
            calibration.PEAK_TO_MEAN,
            percentiles([tenant.peak_to_mean for tenant in tenants]),
        ),
        (
            "runtime; work per query (s)",
            calibration.MEAN_RUNTIME_S,
            percentiles([works[tenant.tenants.name] for tenant in seen]),
        ),
        (
            "concurrency; rate × work",
            calibration.MEAN_CONCURRENCY,
            percentiles([t.per_hour / 3600 * works[t.tenants.name] for t in seen]),
        ),
    ]


def correlations(tenants: list[HourlyCounts]) -> dict[int, float]:
    """Median autocorrelation of the hourly count by lag."""
    return {
        lag: float(np.nanmedian([tenant.autocorrelation(lag) for tenant in tenants]))
        for lag in calibration.AUTOCORRELATION
    }


def by_hour(tenants: list[HourlyCounts]) -> np.ndarray:
    """Percent of all queries by hour of the day."""
    days = sum(
        tenant.counts.reshape(-1, 24).sum(axis=0) * (tenant.per_hour / tenant.counts.mean())
        for tenant in tenants
    )
    share: np.ndarray = 100 * days / np.sum(days)
    return share


def top_share(tenants: list[HourlyCounts]) -> tuple[np.ndarray, np.ndarray]:
    """Share of the tenants, busiest first, and of the queries that they issue."""
    rates = np.sort([tenant.per_hour for tenant in tenants])[::-1]
    return np.arange(1, len(rates) + 1) / len(rates), np.cumsum(rates) / rates.sum()


def plot(tenants: list[HourlyCounts], works: dict[str, float]) -> Figure:
    """All comparisons in one figure."""
    figure = Figure(figsize=(11.0, 5.6), layout="constrained")
    for index, (name, published, generated) in enumerate(rows(tenants, works), start=1):
        axes = add_axes(figure, 2, 4, index)
        places = calibration.PERCENTILES
        axes.plot(places, published, "o-", color=PUBLISHED, label="Redset, published")
        axes.plot(places, generated, "s--", color=GENERATED, label="generated")
        axes.set_yscale("log")
        low, high = min(*published, *generated), max(*published, *generated)
        axes.set_ylim(low / 1.5, high * 1.5)
        log_ticks(axes.yaxis, low / 1.5, high * 1.5)
        axes.set_xticks(places)
        axes.set_xlabel("percentile of tenants")
        axes.set_title(name, loc="left", fontsize="medium")
        if index == 1:
            axes.legend(frameon=False, fontsize="small")
    axes = add_axes(figure, 2, 4, 6)
    lags = [*calibration.AUTOCORRELATION]
    place = np.arange(len(lags))
    axes.bar(place - 0.2, [*calibration.AUTOCORRELATION.values()], 0.4, color=PUBLISHED)
    axes.bar(place + 0.2, [*correlations(tenants).values()], 0.4, color=GENERATED)
    axes.set_xticks(place, [f"{lag} h" for lag in lags])
    axes.set_ylim(0, 1)
    axes.set_xlabel("lag")
    axes.set_title("autocorrelation, median", loc="left", fontsize="medium")
    axes = add_axes(figure, 2, 4, 7)
    quiet, busy = (
        [100 * share for share in shares]
        for shares in (calibration.QUIET_SHARE, calibration.BUSY_SHARE)
    )
    axes.fill_between([0, 10], *quiet, color=PUBLISHED, alpha=0.25, linewidth=0)
    axes.fill_between([14, 19], *busy, color=PUBLISHED, alpha=0.25, linewidth=0)
    axes.step(range(25), [*by_hour(tenants), by_hour(tenants)[-1]], where="post", color=GENERATED)
    axes.set_ylim(0, None)
    axes.set_xticks(range(0, 25, 6))
    axes.set_xlabel("hour of the day (UTC)")
    axes.set_title("percent of the queries", loc="left", fontsize="medium")
    axes = add_axes(figure, 2, 4, 8)
    axes.plot(*top_share(tenants), color=GENERATED)
    axes.plot([0.1], [calibration.TOP_TENTH_SHARE], "o", color=PUBLISHED)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("busiest tenants, share")
    axes.set_title("share of the queries", loc="left", fontsize="medium")
    add_title(
        figure, f"a generated fleet and Redset's: {TENANTS} tenants, {DAYS} days, seed {SEED}"
    )
    return figure


def main() -> None:
    """Print the table and write the plot."""
    tenants = [*hourly_counts(Fleet(tenants=TENANTS), DAYS, SEED)]
    works = work_s(Fleet(tenants=TENANTS, queries=QUERIES))
    places = "".join(f"{place:>10}" for place in calibration.PERCENTILES)
    print(f"{'percentile over tenants':42}{places}")
    for name, published, generated in rows(tenants, works):
        for label, values in (("published", published), ("generated", generated)):
            print(f"{name:31} {label:10}" + "".join(f"{value:10.3g}" for value in values))
    for lag, value in correlations(tenants).items():
        print(f"autocorrelation {lag:>3} h: {calibration.AUTOCORRELATION[lag]:.2f}, {value:.2f}")
    share = top_share(tenants)[1][TENANTS // 10]
    print(f"busiest tenth: {calibration.TOP_TENTH_SHARE:.2f}, {share:.2f}")
    print("percent by hour:", " ".join(f"{value:.1f}" for value in by_hour(tenants)))
    if len(sys.argv) > 1:
        save(plot(tenants, works), Path(sys.argv[1]))


if __name__ == "__main__":
    main()
