"""Queueing theory: waiting times against closed formulas, with intervals from replications.

Replications are independent (each has its own seed). Each starts empty, so its first queries are
left out. The means of services and gaps, whose expectations are known, serve as control variates.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from builders import in_order, log, op, plan, run, trace
from scipy import stats

import sim
from sim import Cluster
from traces import Plan, Trace, poisson_arrivals

MEAN_US = 100_000
NUM_QUERIES = 2_200
NUM_WARM_UP = 200
NUM_REPLICATIONS = 16


def exponential_plan() -> Plan:
    """One work order, drawn from 5000 quantiles of an exponential distribution."""
    ranks = (np.arange(5000) + 0.5) / 5000
    quantiles = np.rint(-MEAN_US * np.log1p(-ranks)).astype(int).tolist()
    return plan(op(*quantiles, count=1), name="exponential")


def constant_plan() -> Plan:
    return plan(op(MEAN_US), name="constant")


def waiting_interval(base: Trace, num_executors: int, load: float) -> tuple[float, float]:
    """Mean waiting time in units of the mean service, and the half-width of its 99 % interval."""
    waits, controls = [], []
    for seed in range(NUM_REPLICATIONS):
        arrivals = poisson_arrivals(
            base,
            NUM_QUERIES,
            seed=seed,
            load=load,
            num_executors=num_executors,
            size_sd=0,
            time_sd=0,
        )
        result = sim.simulate(
            arrivals, Fifo(), cluster=Cluster(executors_per_node=num_executors), seed=seed
        )
        queries = sorted(result.queries, key=lambda query: query.query_id)[NUM_WARM_UP:]
        waits.append(np.mean([query.queueing_s for query in queries]) * 1e6 / MEAN_US)
        service = np.mean([query.work_s for query in queries]) * 1e6 / MEAN_US
        elapsed = queries[-1].arrival_s - queries[0].arrival_s
        gap = elapsed / (len(queries) - 1) * 1e6 / MEAN_US * load * num_executors
        controls.append([service - 1.0, gap - 1.0] if np.ptp(base_times(base)) else [gap - 1.0])
    design = np.column_stack([np.ones(NUM_REPLICATIONS), np.array(controls)])
    fitted, *_ = np.linalg.lstsq(design, np.array(waits), rcond=None)
    residuals = np.array(waits) - design @ fitted
    freedom = NUM_REPLICATIONS - design.shape[1]
    variance = residuals @ residuals / freedom * np.linalg.inv(design.T @ design)[0, 0]
    return float(fitted[0]), float(stats.t.ppf(0.995, freedom) * math.sqrt(variance))


def base_times(base: Trace) -> tuple[int, ...]:
    return base.plans[0].operators[0].work_order_us


class Fifo:
    """Written here, so that this file tests the engine and not a scheduler of the package."""

    decide = staticmethod(in_order())


def erlang_c_wait(num_executors: int, load: float) -> float:
    """Mean waiting time of M/M/c in units of the mean service (Erlang 1917)."""
    offered = num_executors * load
    terms = [offered**k / math.factorial(k) for k in range(num_executors)]
    all_busy = offered**num_executors / math.factorial(num_executors) / (1 - load)
    return all_busy / (sum(terms) + all_busy) / (num_executors * (1 - load))


def pollaczek_khinchine_wait(load: float, squared_variation: float) -> float:
    """Mean waiting time of M/G/1 in units of the mean service."""
    return load / (1 - load) * (1 + squared_variation) / 2


@pytest.mark.slow
@pytest.mark.parametrize(("num_executors", "load"), [(1, 0.5), (2, 0.5)])
def test_exponential_services_wait_as_long_as_erlang_c_says(
    num_executors: int, load: float
) -> None:
    mean, half_width = waiting_interval(trace(exponential_plan()), num_executors, load)
    expected = erlang_c_wait(num_executors, load)
    assert half_width < 0.1 * expected  # else the comparison could not fail
    assert mean == pytest.approx(expected, abs=half_width)


@pytest.mark.slow
def test_constant_services_wait_as_long_as_pollaczek_and_khinchine_say() -> None:
    mean, half_width = waiting_interval(trace(constant_plan()), 1, 0.5)
    expected = pollaczek_khinchine_wait(0.5, 0.0)
    assert half_width < 0.1 * expected
    assert mean == pytest.approx(expected, abs=half_width)


def test_the_formulas_agree_where_they_overlap() -> None:
    for load in (0.1, 0.5, 0.9):
        assert erlang_c_wait(1, load) == pytest.approx(pollaczek_khinchine_wait(load, 1.0))


def test_time_integral_of_queries_in_the_system_is_the_sum_of_latencies() -> None:
    # Little's law, exactly, on a run that starts and ends empty.
    arrivals = poisson_arrivals(
        trace(exponential_plan(), constant_plan()), 300, seed=1, load=0.8, num_executors=2
    )
    simulation = run(arrivals, executors_per_node=2)
    integral = present = last_us = 0
    for event in log(simulation):
        integral += present * (event.time_us - last_us)
        last_us = event.time_us
        present += (event.kind == "arrive") - (event.kind == "complete")
    assert present == 0
    latencies_us = [round(record.latency_s * 1e6) for record in simulation.records]
    assert integral == sum(latencies_us)
