"""Operator kinds, and what is physically different between them.

One table for every layer: the simulator reads the coefficients, the learned scheduler the order.
"""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """Physical character of an operator kind.

    Attributes:
        contention: multiplies the cluster's sigma (universal scalability law): how badly the kind
            scales inside a query. Scans and probes hardly contend; a hash aggregate's partitions
            do; a final merge is nearly serial.
        memory_boundness: 0 to 1, multiplies the cluster's interference gamma: how much the kind
            suffers when its node's memory bandwidth is shared.
        is_probe: whether its time depends on the cached share of its producers' state.
    """

    contention: float
    memory_boundness: float
    is_probe: bool = False


KINDS: dict[str, Kind] = {
    "scan": Kind(0.6, 0.8),
    "filter": Kind(0.6, 0.3),
    "project": Kind(0.4, 0.3),
    "build": Kind(1.5, 0.8),
    "probe": Kind(0.8, 1.0, is_probe=True),
    "join": Kind(1.5, 0.6),
    "aggregate": Kind(3.0, 0.7),
    "sort": Kind(4.0, 0.7),
    "top-n": Kind(2.0, 0.3),
    "window": Kind(3.0, 0.6),
    "limit": Kind(2.0, 0.2),
    "union": Kind(0.4, 0.3),
    "materialize": Kind(1.0, 0.8),
    "stage": Kind(1.0, 0.5),
    "other": Kind(1.0, 0.5),
}
"""Known kinds. ``join`` is a join without separate build (nested loop, merge, as-of);
``materialize`` a common table expression; ``stage`` a stage of a Spark-like engine.

Source: with sigma 0.005 these give 0.003 for scans and 0.015 for aggregates, the middle of the
ranges that docs/design.md (section 5) reasons for one node."""
