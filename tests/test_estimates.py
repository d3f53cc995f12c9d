"""Other estimates than a trace's own: what a scheduler is told changes, what happens does not."""

from __future__ import annotations

import math
import statistics

import pytest

from lsched.arrivals import Arrivals
from lsched.errors import OptionError
from sim import preset, simulate
from traces import Trace, TraceError, exact_estimates, load, no_estimates, noisy_estimates

TPCH = load("tpch")
SERVER = preset("inmemory-32")


def estimated(trace: Trace) -> list[float]:
    return [
        float(each.est_work_order_us or each.mean_work_order_us)
        for plan in trace.plans
        for each in plan.operators
    ]


def test_exact_ones_are_the_true_means() -> None:
    operators = [each for plan in exact_estimates(TPCH).plans for each in plan.operators]
    assert all(each.est_work_order_us is None for each in operators)
    assert all(each.est_state_bytes is None and each.est_output_bytes is None for each in operators)


def test_without_any_all_work_orders_are_alike() -> None:
    operators = [each for plan in no_estimates(TPCH).plans for each in plan.operators]
    assert {each.est_work_order_us for each in operators} == {1000}
    assert {(each.est_state_bytes, each.est_output_bytes) for each in operators} == {(0, 0)}


def test_noise_has_the_given_deviation_and_no_bias() -> None:
    noisy = noisy_estimates(TPCH, 0.7, seed=1)
    pairs = zip(estimated(noisy), estimated(TPCH), strict=True)
    errors = [math.log(new / old) for new, old in pairs if old > 50]  # rounded to whole µs
    assert statistics.stdev(errors) == pytest.approx(0.7, rel=0.15)
    assert statistics.mean(errors) == pytest.approx(0.0, abs=0.15)
    assert noisy_estimates(TPCH, 0.7, seed=1).plans is noisy.plans
    assert noisy_estimates(TPCH, 0.7, seed=2).plans != noisy.plans
    assert noisy_estimates(TPCH, 0.0, seed=1) is TPCH


def test_what_happens_is_the_same() -> None:
    """A scheduler that looks at no estimates sees no difference."""
    arrivals = Arrivals(load=0.7, num_queries=20)
    trace = arrivals.of(TPCH, SERVER, 0)
    noisy = Arrivals(load=0.7, num_queries=20, estimates="0.7").of(TPCH, SERVER, 0)
    assert noisy.queries == trace.queries
    one, other = (simulate(each, "fifo", cluster=SERVER) for each in (trace, noisy))
    assert one.queries == other.queries
    one, other = (simulate(each, "srpt", cluster=SERVER) for each in (trace, noisy))
    assert one.summary() != other.summary()


def test_a_part_of_a_replay_has_them_too() -> None:
    fleet = Arrivals(part="test", estimates="none").of(load("fleet-day"), SERVER, 0)
    assert set(estimated(fleet)) == {1000.0}


@pytest.mark.parametrize("text", ["", "some", "-1", "nan", "6"])
def test_what_are_no_estimates_is_said(text: str) -> None:
    with pytest.raises(OptionError, match="expected real, exact, none or a number"):
        Arrivals(load=0.5, estimates=text)


def test_noise_out_of_range_is_said() -> None:
    with pytest.raises(TraceError, match="noise in estimates is 9"):
        noisy_estimates(TPCH, 9.0, seed=0)
