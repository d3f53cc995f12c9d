"""How numbers, units and names are written."""

from __future__ import annotations

import pytest

from lsched.statistics import Ratio
from lsched.tables import number, ratio_text, short_name, time_unit, wrapped


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (12345, "12,345"),
        (12345.6, "12,346"),
        (99.94, "99.9"),
        (1.234, "1.23"),
        (0.1234, "0.12"),
        (0.01234, "0.0123"),
        (0.0, "0"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text


def test_one_unit_for_all() -> None:
    assert time_unit([0.002, 0.009]) == ("µs", 1e6)
    assert time_unit([0.002, 0.9]) == ("ms", 1e3)
    assert time_unit([0.002, 12.0]) == ("s", 1.0)
    assert time_unit([1.5], seconds_from=1.0) == ("s", 1.0)


def test_ratio() -> None:
    assert ratio_text(Ratio(0.871, 0.8, 0.949)) == "0.87 [0.80, 0.95]"
    assert ratio_text(Ratio(1.5)) == "1.50 –"
    assert ratio_text(Ratio(1.0, 1.0, 1.0), is_reference=True) == "reference"


def test_names() -> None:
    assert short_name("srpt:size=history") == "srpt:size=history"
    assert short_name("a/deep/path.py:Mine:x=a/b") == "path.py:Mine:x=a/b"
    assert wrapped("srpt:size=history") == "srpt:size=history"
    assert wrapped("srpt:size=history+share=1+spare=share") == (
        "srpt:size=history\n+share=1\n+spare=share"
    )
