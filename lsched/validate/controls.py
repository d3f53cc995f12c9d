"""Control variates: how lucky arrivals and sizes are, by what is known of simpler queues."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import poisson

from lsched.validate.recursions import backlogs, crowds
from lsched.validate.system import System

TWIN_SPEED = 1.1


def controls(
    system: System, arrivals: np.ndarray, sizes: np.ndarray, counted: slice
) -> tuple[float, ...]:
    """Means over the counted queries, less their expectations; times in mean sizes.

    Of sizes, their squares and gaps; of the wait at a single executor that is as fast as all
    together (Pollaczek and Khinchine); and of how many too many a query would meet if nobody had
    to wait (a Poisson number). For one executor the first of these two queues would be the queue
    itself, which leaves no luck at all, so its executor is a tenth faster.
    """
    mean_size, mean_square = system.size_moments()
    second_moment = mean_square / mean_size**2
    offered = system.load * system.num_executors
    is_itself = system.rule == "fifo" and system.num_executors == 1
    speed = system.num_executors * (TWIN_SPEED if is_itself else 1.0)
    load = offered / speed
    backlog = load * second_moment / (2 * (1 - load)) / speed
    too_many = np.maximum(crowds(arrivals, sizes) - system.num_executors + 1, 0)
    likely = np.arange(system.num_executors, math.ceil(offered + 20 * math.sqrt(offered) + 20))
    expected = (likely - system.num_executors + 1) @ poisson.pmf(likely, offered)
    return (
        float(sizes[counted].mean() - 1),
        float((sizes[counted] ** 2).mean() - second_moment),
        float(np.diff(arrivals[counted]).mean() * offered - 1),
        float(backlogs(arrivals, sizes, speed)[counted].mean() - backlog),
        float(too_many[counted].mean() - expected),
    )
