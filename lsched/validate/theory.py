"""Closed formulas for queues with Poisson arrivals, in units of the mean service time.

The load is arrival rate × mean service ÷ executors. *Waiting* is the time before the first service,
*sojourn* the whole time in the system.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import quad
from scipy.linalg import solve

from lsched.validate.services import Service


def erlang_c(num_executors: int, load: float) -> float:
    """Probability that a query has to wait in M/M/c.

    Source: Erlang, "Solution of some problems in the theory of probabilities of significance in
    automatic telephone exchanges", 1917. Computed from the recursion for the loss probability,
    which does not overflow.
    """
    offered = num_executors * load
    lost = 1.0
    for count in range(1, num_executors + 1):
        lost = offered * lost / (count + offered * lost)
    return lost / (1 - load * (1 - lost))


def erlang_c_wait(num_executors: int, load: float) -> float:
    """Mean waiting time of M/M/c."""
    return erlang_c(num_executors, load) / (num_executors * (1 - load))


def pollaczek_khinchine_wait(service: Service, load: float) -> float:
    """Mean waiting time of M/G/1, first in first out.

    Source: Pollaczek 1930, Khinchine 1932.
    """
    return load * service.second_moment / (2 * (1 - load))


def processor_sharing_slowdown(load: float) -> float:
    """Mean sojourn ÷ size of M/G/1 processor sharing, whatever the size and the distribution.

    Source: Sakata, Noguchi, Oizumi, "An analysis of the M/G/1 queue under round-robin scheduling",
    Operations Research 19(2), 1971.
    """
    return 1 / (1 - load)


def round_robin_sojourns(more: np.ndarray, load: float) -> np.ndarray:
    """Mean sojourn of M/G/1 round robin by the number of slices, in slices; new queries go last.

    Let y(i) be the mean time from the end of a query's slice i − 1 to that of its slice i. What it
    waits for are the queries that it meets, with what is left of each, and those that arrive while
    it is there:

        y(i) = 1 + λ Σ_m y(m) more(m + i − 2) + λ Σ_{m < i} y(m) more(i − 1 − m),

    less ρ / 2 for i = 1, because half of the slice that runs on arrival is over, and its query
    then goes behind. As slices shrink this becomes the integral equation of processor sharing,
    with the solution 1 / (1 − ρ).

    Source: Kleinrock, Coffman, "Distribution of attained service in time-shared systems", Journal
    of Computer and System Sciences 1(3), 1967, and Sakata, Noguchi, Oizumi, see above.

    Args:
        more: P(a query has more than k slices) for k = 0, 1, …, until it is (nearly) 0.
        load: offered load.

    Returns:
        The mean sojourn of queries of 1, 2, … slices, as many as ``more`` has entries.
    """
    size = len(more)
    rate = load / more.sum()
    padded = np.concatenate((more, np.zeros(size)))
    met = padded[np.add.outer(np.arange(size), np.arange(size))]
    later = np.tril(padded[np.abs(np.subtract.outer(np.arange(size) - 1, np.arange(size)))], -1)
    alone = np.ones(size)
    alone[0] -= load / 2
    return np.cumsum(solve(np.eye(size) - rate * (met + later), alone))


def srpt_sojourn(service: Service, load: float) -> float:
    """Mean sojourn of M/G/1, shortest remaining processing time first.

    A query of size x waits until the executor is free of all work that goes before it, then takes
    dt ÷ (1 − ρ(t)) for each dt of its size, where ρ(t) is the load of queries up to size t.

    Source: Schrage, Miller, "The queue M/G/1 with the shortest remaining processing time
    discipline", Operations Research 14(4), 1966. Both integrals are numerical.

    Raises:
        ValueError: the service has no density.
    """

    def wait(size: float) -> float:
        truncated = service.second_moment_below(size) + size**2 * service.survival(size)
        return load * truncated / (2 * (1 - load * service.first_moment_below(size)) ** 2)

    waiting, _ = quad(lambda x: wait(x) * service.density(x), 0, math.inf, limit=500)
    residence, _ = quad(
        lambda t: service.survival(t) / (1 - load * service.first_moment_below(t)),
        0,
        math.inf,
        limit=500,
    )
    return float(waiting + residence)
