"""What a study of queueing theory says, as a table, as lines, and as a document."""

from __future__ import annotations

import dataclasses
import math

from rich.table import Table

from lsched.tables import plain_table
from lsched.validate.queues import SIZE_BINS
from lsched.validate.study import CONFIDENCE, Row, Study
from lsched.validate.system import System


def theory_table(study: Study) -> Table:
    """A line for each figure, in no more than 100 columns."""
    table = plain_table()
    for name in ("queue", "sizes", "load", "slice", "mean"):
        table.add_column(name, no_wrap=True)
    for name in ("theory", "simulated", "±", "difference", "inside"):
        table.add_column(name, justify="right", no_wrap=True)
    before = None
    for row in study.rows:
        system = row.system
        kind = (system.rule, system.num_executors, system.service)
        if before not in (None, kind):
            table.add_section()
        before = kind
        table.add_row(
            queue_name(system),
            system.service.name.replace("hyperexponential, c²=", "hyperexp. "),
            f"{system.load:g}",
            f"1/{1 / system.slice_size:.0f}" if system.slice_size else "",
            figure_name(row.figure),
            f"{row.theory:.3f}",
            f"{row.simulated.mean:.3f}",
            f"{row.simulated.half_width:.3f}",
            f"{100 * row.difference:+.1f} %",
            "yes" if row.is_inside else "no",
        )
    return table


def summary_lines(study: Study) -> list[str]:
    """What holds over all rows and runs."""
    outside = sum(not row.is_inside for row in study.rows)
    expected = (1 - CONFIDENCE) * len(study.rows)
    usage = study.utilizations.items()
    num_usage = sum(
        abs(interval.mean - system.load) <= interval.half_width for system, interval in usage
    )
    farthest = max(abs(interval.mean / system.load - 1) for system, interval in usage)
    return [
        f"Outside their {100 * CONFIDENCE:.0f} % interval: {outside} of {len(study.rows)}; by luck "
        f"about {expected:.1f} would be.",
        f"Utilization is the load in {num_usage} of {len(usage)} intervals; largest difference "
        f"{100 * farthest:.2f} %.",
        f"Little's law holds to the microsecond in {study.num_little} of {study.num_runs} runs.",
        f"First in first out, every wait is that of the Kiefer-Wolfowitz recursion to the "
        f"microsecond in {study.num_exact} of {study.num_first_come} runs.",
    ]


def document(study: Study) -> dict[str, object]:
    """The content of ``theory.json``."""
    return {
        "version": 1,
        "confidence": CONFIDENCE,
        "num_runs": study.num_runs,
        "num_little": study.num_little,
        "num_first_come": study.num_first_come,
        "num_exact": study.num_exact,
        "rows": [_row(row) for row in study.rows],
        "utilization": [
            {**_system(system), **dataclasses.asdict(interval)}
            for system, interval in study.utilizations.items()
        ],
    }


def queue_name(system: System) -> str:
    """A queue in Kendall's notation, and its rule where that is not first in first out.

    RR is round robin.
    """
    letter = {0: "D", 1: "M"}.get(len(system.service.phases), "G")
    rule = {"fifo": "", "srpt": " SRPT", "slices": " RR"}[system.rule]
    return f"M/{letter}/{system.num_executors}{rule}"


def figure_name(figure: str) -> str:
    """What a figure of a sample is called in tables; slowdowns are of a range of sizes."""
    name, _, place = figure.partition(" ")
    if not place:
        return name
    low, high = SIZE_BINS[int(place)], SIZE_BINS[int(place) + 1]
    return f"{name} {low:g}–{high:g}" if high < math.inf else f"{name} {low:g}–"


def _row(row: Row) -> dict[str, object]:
    return {
        **_system(row.system),
        "figure": figure_name(row.figure),
        "theory": row.theory,
        "simulated": row.simulated.mean,
        "half_width": row.simulated.half_width,
        "is_inside": row.is_inside,
    }


def _system(system: System) -> dict[str, object]:
    return {
        "queue": queue_name(system),
        "sizes": system.service.name,
        "squared_variation": system.service.squared_variation,
        "load": system.load,
        "num_executors": system.num_executors,
        "slice_size": system.slice_size or None,
    }
