"""What the first runs say of a scheduler: one in each situation."""

from __future__ import annotations

import statistics

from lsched.check.report import Result
from lsched.check.situations import BUSIEST, situation
from lsched.check.subject import Runs
from lsched.check.watch import ProblemKind
from lsched.tables import counted, duration


def without(runs: Runs, *kinds: ProblemKind) -> Result:
    """Whether no run ended with a problem of these kinds; else the first."""
    problems = {name: run.problem for name, run in runs.items() if run.problem is not None}
    found = {name: problem.text for name, problem in problems.items() if problem.kind in kinds}
    if not found:
        return "ok", ""
    (name, text), *others = found.items()
    more = f"; likewise in {counted(len(others), 'other situation')}" if others else ""
    return "failed", f"{name}: {text}{more}"


def legal(runs: Runs) -> Result:
    """R4, R5, R7."""
    status, text = without(runs, "illegal")
    num_schedules = sum(len(run.decisions) for run in runs.values())
    if status == "ok" and not num_schedules:
        return "not checked", "it has answered nothing"
    return status, text or counted(num_schedules, "schedule")


def in_every_situation(runs: Runs) -> Result:
    """Whether every run came to its end."""
    broken = [name for name, run in runs.items() if run.problem is not None]
    sound = [name for name in runs if name not in broken]
    if broken:
        return "failed", f"fails: {', '.join(broken)}; passes: {', '.join(sound) or 'none'}"
    return "ok", ", ".join(sound)


def fast_enough(runs: Runs, max_median_ms: float) -> Result:
    """Time per decision in the busiest situation."""
    seconds = sorted(runs[BUSIEST].seconds) if BUSIEST in runs else []
    if not seconds:
        return "not checked", f"no decision was made with {BUSIEST}"
    median_s = statistics.median(seconds)
    text = (
        f"median {duration(median_s)}, 95 % within {duration(seconds[int(0.95 * len(seconds))])}, "
        f"longest {duration(seconds[-1])}; {counted(len(seconds), 'decision')} "
        f"about up to {counted(situation(BUSIEST).trace.num_queries, 'query')}"
    )
    if 1e3 * median_s > max_median_ms:
        return "warning", f"{text}; a median above {max_median_ms:g} ms makes long runs slow"
    return "ok", text
