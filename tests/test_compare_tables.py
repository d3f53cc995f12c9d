"""How numbers, units and names are written."""

from __future__ import annotations

import pytest
from builders import op, plan, trace
from rich.console import Console

from lsched import Arrivals, Comparison, compare
from lsched.statistics import Ratio
from lsched.tables import (
    comparison_table,
    counted,
    duration,
    number,
    ratio_text,
    short_name,
    time_unit,
    wrapped,
)
from sim import Cluster
from traces import Trace

SMALL = Cluster(executors_per_node=2)


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
    assert ratio_text(Ratio(1.5, 1.5, 1.5), has_interval=False) == "1.50 –"
    assert ratio_text(Ratio(1.0, 1.0, 1.0), is_reference=True) == "reference"


def test_names() -> None:
    assert short_name("srpt:size=history") == "srpt:size=history"
    assert short_name("a/deep/path.py:Mine:x=a/b") == "path.py:Mine:x=a/b"
    assert wrapped("srpt:size=history") == "srpt:size=history"
    assert wrapped("srpt:size=history+share=1+spare=share") == (
        "srpt:size=history\n+share=1\n+spare=share"
    )


def test_words() -> None:
    assert (counted(1, "query"), counted(1, "seed")) == ("1 query", "1 seed")
    assert (counted(1200, "query"), counted(0, "seed")) == ("1,200 queries", "0 seeds")
    assert [duration(time_s) for time_s in (2.0, 0.0034, 5e-3, 2e-5)] == [
        "2 s",
        "3.4 ms",
        "5 ms",
        "20 µs",
    ]


def shown(comparison: Comparison) -> list[str]:
    """The lines of the table of the first case, on a terminal of 100 columns."""
    console = Console(width=100)
    num_seeds = len(comparison.seeds)
    with console.capture() as capture:
        console.print(
            comparison_table(comparison.cases[0], comparison.reference, num_seeds, "inmemory-32")
        )
    return capture.get().splitlines()


def footnotes(lines: list[str]) -> list[str]:
    return lines[next(i for i, line in enumerate(lines) if line.startswith("ratio:")) :]


def lucky() -> Trace:
    """Three work orders of two recorded times: each seed draws its own."""
    return trace(plan(op(900, 1100, count=3), name="a"), plan(op(4000), name="b"))


def test_table_says_what_was_run_and_fits() -> None:
    arrivals = Arrivals(load=0.6, num_queries=12, scale=2)
    lines = shown(
        compare(
            lucky(),
            ["fair", "oracle-srpt", "srpt:size=history+share=2"],
            cluster=SMALL,
            arrivals=arrivals,
            seeds=2,
            reference="srpt:size=history+share=2",
        )
    )
    assert lines[0].strip() == "test, load 0.6, scale 2, inmemory-32, 2 seeds × 12 queries"
    assert all(len(line) <= 100 for line in lines)
    assert not any("…" in line for line in lines)
    notes = footnotes(lines)
    assert len(notes) == 3
    assert "geometric mean of per-seed ratios" in notes[0]
    assert "pool all seeds" in notes[0]
    assert "with moves and warm-up" in notes[1]
    assert "clairvoyant" in notes[1]
    assert notes[2].strip() == "2 seeds: wide intervals."


def test_replay_without_luck_has_no_interval() -> None:
    fixed = trace(plan(op(900, 900), name="a"), plan(op(4000), name="b"))
    lines = shown(compare(fixed, ["fair", "fifo"], cluster=SMALL, seeds=3))
    assert lines[0].strip() == "test, replay, inmemory-32, 3 seeds × 2 queries"
    assert not any("[1." in line or "[0." in line for line in lines)
    assert footnotes(lines)[2].startswith("replay: deterministic, all seeds gave the same result")


def test_replay_with_luck_says_what_its_interval_is() -> None:
    notes = footnotes(shown(compare(lucky(), ["fair", "oracle-srpt"], cluster=SMALL, seeds=3)))
    assert len(notes) == 3
    assert notes[2].startswith("replay: one arrival sequence, intervals cover only work-order luck")
    assert "3 seeds: wide intervals" in notes[2]


def test_replay_where_only_some_schedulers_draw() -> None:
    fixed = trace(*(plan(op(time, time), name=f"q{time}") for time in (900, 2000, 4000, 7000)))
    lines = shown(compare(fixed, ["fair", "fifo", "random"], cluster=SMALL, seeds=6))
    (fifo,) = (line for line in lines if line.split()[:1] == ["fifo"])
    (random,) = (line for line in lines if line.split()[:1] == ["random"])
    assert "–" in fifo
    assert "[" in random
    assert "intervals cover only luck (–: none)" in footnotes(lines)[2]


def test_one_seed_has_no_interval_to_explain() -> None:
    notes = footnotes(shown(compare(lucky(), ["fair", "fifo"], cluster=SMALL, seeds=1)))
    assert notes[0].strip() == "ratio: of mean latencies; one seed gives no interval."
    assert len(notes) == 2
