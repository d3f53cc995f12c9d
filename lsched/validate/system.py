"""One queue of a textbook: arrivals are Poisson, the rest is said here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lsched.validate.services import Service

Rule = Literal["fifo", "srpt", "slices"]

NEARLY_0 = 1e-9


@dataclass(frozen=True, slots=True)
class System:
    """One queue.

    Attributes:
        rule: ``fifo`` and ``srpt`` are those of the package; ``slices`` is ``TimeSlices``.
        service: distribution of sizes.
        load: offered load.
        num_executors: executors; 1 with slices.
        slice_size: work order, in mean sizes, of queries that can be preempted; 0: none can.
    """

    rule: Rule
    service: Service
    load: float
    num_executors: int = 1
    slice_size: float = 0.0

    def more_slices(self) -> np.ndarray:
        """P(a query has more than k slices), k = 0, 1, …, until it is nearly 0.

        Sizes are rounded to whole slices, at least one.
        """
        tails = [1.0]
        while tails[-1] > NEARLY_0:
            tails.append(self.service.survival((len(tails) + 0.5) * self.slice_size))
        return np.array(tails)

    def size_moments(self) -> tuple[float, float]:
        """Mean and mean square of a query's size, after rounding to whole slices."""
        if not self.slice_size:
            return 1.0, self.service.second_moment
        more = self.more_slices()
        mean, square = more.sum(), ((2 * np.arange(len(more)) + 1) * more).sum()
        return float(mean * self.slice_size), float(square * self.slice_size**2)
