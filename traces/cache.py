"""What probing a hash table costs: a curve over the table's share of the last-level cache."""

from __future__ import annotations

PROBE_CURVE: tuple[tuple[float, float], ...] = (
    (0.00125, 7.0),
    (0.0625, 13.0),
    (0.25, 18.0),
    (0.625, 40.0),
    (1.25, 50.0),
    (20.0, 55.0),
)
"""(state bytes ÷ cache bytes, ns per probed row), increasing.

Source: measured on DuckDB, one thread, 32 MB of last-level cache (design.md, section 4b).
"""


def probe_cost_ns(state_bytes: float, cache_bytes: float) -> float:
    """Time to probe one row against hash tables of ``state_bytes`` together, in ns.

    Linear between the points of ``PROBE_CURVE``, flat outside them. Basic arithmetic only, so the
    same value on every machine.

    Raises:
        ValueError: ``cache_bytes`` is not positive.
    """
    if not cache_bytes > 0:
        raise ValueError(f"cache_bytes is {cache_bytes!r}, expected more than 0")
    ratio = state_bytes / cache_bytes
    low_ratio, low_ns = PROBE_CURVE[0]
    if ratio <= low_ratio:
        return low_ns
    for high_ratio, high_ns in PROBE_CURVE[1:]:
        if ratio <= high_ratio:
            share = (ratio - low_ratio) / (high_ratio - low_ratio)
            return low_ns + share * (high_ns - low_ns)
        low_ratio, low_ns = high_ratio, high_ns
    return low_ns
