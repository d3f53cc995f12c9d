"""How long a learned policy takes to decide, with random weights; processor time, one core.

From 30 queries of 10 operators in the system until 10 are left: 20 in the mean. A decision is
everything from one scheduling event to the next: the run to it, features, network, schedule, and
its check.
"""

from __future__ import annotations

import time

import numpy as np
from engine import crowd

import sim
from lsched.learn.config import DECIMA, PolicyConfig
from lsched.learn.inference.decider import Decider
from lsched.learn.inference.maps import flattened
from lsched.learn.shapes import weight_shapes

REPEATS = 7
CONFIGS = {
    "lsched": PolicyConfig(),
    "lsched-gcn": PolicyConfig(encoder="gcn"),
    "decima": DECIMA,
}


def random_weights(config: PolicyConfig) -> np.ndarray:
    """Of the size that training begins with, so that nothing is decided by chance alone."""
    generator = np.random.default_rng(0)
    return flattened(
        config,
        {
            name: 0.3 * generator.normal(size=shape) / np.sqrt(shape[-1])
            for name, shape in weight_shapes(config).items()
        },
    )


def decision_us(decider: Decider, count: int) -> list[float]:
    """Processor time of a decision, µs, of each repeat; ``count`` simulations side by side."""
    trace, cluster, found = crowd(30), sim.Cluster(executors_per_node=32), []
    for _ in range(REPEATS):
        batch = sim.Simulations(trace, cluster, range(count))
        num_decisions, started = 0, time.process_time()
        while (view := batch.next_events()) is not None and len(view.queries) > 10 * count:
            batch.apply(decider.decide_many(view))
            num_decisions += len(view)
        found.append((time.process_time() - started) / num_decisions * 1e6)
    return found


def main() -> None:
    """Print µs per decision: the least and the median of the repeats."""
    for name, config in CONFIGS.items():
        decider = Decider(config, random_weights(config))
        for count in (1, 16, 64):
            found = decision_us(decider, count)
            print(f"{name}, {count} side by side: {min(found):.0f} to {np.median(found):.0f} µs")


if __name__ == "__main__":
    main()
