"""Checks of a configuration's values; the messages begin with the field."""

from __future__ import annotations

from collections.abc import Collection

from traces.errors import did_you_mean


def check_number(name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError unless the value is from ``low`` to ``high``; NaN is not."""
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}, expected {low:g} to {high:g}")


def check_word(name: str, value: str, known: Collection[str]) -> None:
    """Raise ValueError unless the value is one of the known words."""
    if value not in known:
        raise ValueError(
            f"{name} is {value!r}, expected one of {', '.join(known)}{did_you_mean(value, known)}"
        )


def check_numbers(name: str, values: tuple[float, ...], count: int) -> None:
    """Raise ValueError unless these are ``count`` weights, not all 0."""
    if len(values) != count:
        raise ValueError(f"{name} has {len(values)} numbers, expected {count}")
    for value in values:
        check_number(name, value, 0.0, 1e6)
    if not any(values):
        raise ValueError(f"{name} is 0 throughout, expected at least one number above 0")


def check_name(name: str, value: str) -> None:
    """Raise ValueError unless the value can be shown in a table."""
    if not value or len(value) > 100 or value.strip() != value or not value.isprintable():
        raise ValueError(f"{name} is {value[:200]!r}, expected a word of at most 100 characters")
