"""Options that the commands of the suite share."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import tyro

from lsched.errors import OptionError
from lsched.suite import CASES, SuiteCase, find_cases
from lsched.suite.workloads import DATA, PROFILES

CasesText = Annotated[
    str,
    tyro.conf.arg(
        metavar="PATTERN[,PATTERN...]",
        help="Cases to take, by name, as in tpch-*-scarce,spark-*; lsched suite list shows them.",
    ),
]
DataPath = Annotated[
    Path,
    tyro.conf.arg(metavar="PATH", help=f"Directory that has {PROFILES}, for the cases of Spark."),
]
DEFAULT_CASES, DEFAULT_DATA = "*", DATA


def chosen_cases(
    patterns: str, data: Path, seeds: int | None = None, queries: int | None = None
) -> list[SuiteCase]:
    """The cases that are meant and whose data are there; a line says which are left out.

    Args:
        patterns: separated by commas.
        data: see ``lsched.suite.workloads.workload``.
        seeds: in place of the cases' own numbers.
        queries: likewise, where queries are drawn.

    Raises:
        OptionError: a pattern matches nothing, a number makes no sense, or no case is left.
    """
    if seeds is not None and seeds < 1:
        raise OptionError(f"seeds are {seeds}, expected at least 1")
    chosen = find_cases([pattern.strip() for pattern in patterns.split(",")], CASES)
    absent = [case.name for case in chosen if not case.is_available(data)]
    if absent:
        print(f"lsched: without {', '.join(absent)}: no {data / PROFILES}", file=sys.stderr)
    cases = [_changed(case, seeds, queries) for case in chosen if case.is_available(data)]
    if not cases:
        raise OptionError(f"no case is left; --data names the directory that has {PROFILES}")
    return cases


def _changed(case: SuiteCase, seeds: int | None, queries: int | None) -> SuiteCase:
    if seeds is not None:
        case = dataclasses.replace(case, num_seeds=seeds)
    if queries is not None and not case.arrivals.has_own_times:
        arrivals = dataclasses.replace(case.arrivals, num_queries=queries)
        case = dataclasses.replace(case, arrivals=arrivals)
    return case
