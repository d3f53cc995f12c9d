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

Source: measured on DuckDB, one thread, 32 MB of last-level cache (docs/design.md, section 6).
"""


PRIVATE_SHARE = 1 / 32
"""Tables up to this share of the last-level cache live in a core's private cache (1 of 32 MB)."""


def probe_slowdown(own_bytes: float, together_bytes: float, cache_bytes: float) -> float:
    """How much slower a table of ``own_bytes`` is probed beside others, ``together_bytes`` in all.

    As long as all fit, none is slowed. Beyond, each keeps its proportional share of the cache, so
    it costs what a table that many times larger costs alone. Tables in the private cache are not
    slowed: measured, half a megabyte probed beside 130 MB took no longer than alone, and 4.5 MB
    beside 13 MB neither.
    """
    if own_bytes <= PRIVATE_SHARE * cache_bytes or together_bytes <= cache_bytes:
        return 1.0
    shared_ns = curve_ns(own_bytes * (together_bytes / cache_bytes) / cache_bytes)
    return shared_ns / curve_ns(own_bytes / cache_bytes)


def probe_cost_ns(state_bytes: float, cache_bytes: float) -> float:
    """Time to probe one row of a hash table of ``state_bytes`` that is alone in the cache, in ns.

    Raises:
        ValueError: ``cache_bytes`` is not positive.
    """
    if not cache_bytes > 0:
        raise ValueError(f"cache_bytes is {cache_bytes!r}, expected more than 0")
    return curve_ns(state_bytes / cache_bytes)


def curve_ns(ratio: float) -> float:
    """``PROBE_CURVE`` at a ratio: linear between its points, flat outside them.

    Basic arithmetic only, so the same value on every machine.
    """
    low_ratio, low_ns = PROBE_CURVE[0]
    if ratio <= low_ratio:
        return low_ns
    for high_ratio, high_ns in PROBE_CURVE[1:]:
        if ratio <= high_ratio:
            share = (ratio - low_ratio) / (high_ratio - low_ratio)
            return low_ns + share * (high_ns - low_ns)
        low_ratio, low_ns = high_ratio, high_ns
    return low_ns
