"""When a simulation gets nowhere: what is said of it (R6, R13)."""

from __future__ import annotations

from collections.abc import Sequence

from sim.errors import Stalled
from sim.formulas import MAX_IDLE_EVENTS, MAX_LOSSES
from traces import Query

NOBODY_THERE = "no executor is there"
NOTHING_SCHEDULED = "the scheduler has scheduled nothing"
NOTHING_SCHEDULED_AGAIN = f"{NOTHING_SCHEDULED}, {MAX_IDLE_EVENTS:,} times in a row"
OUT_OF_TIME = "the clock ends"


def stalled(now_us: int, query_ids: Sequence[int], why: str) -> Stalled:
    """The error when nothing runs and nothing is to come: which queries are left, and why."""
    shown = ", ".join(map(str, query_ids[:5])) + (", …" if len(query_ids) > 5 else "")
    if why == OUT_OF_TIME:
        return Stalled(
            f"at {now_us} µs the clock ends (sim.Cluster.end_us), but {len(query_ids)} queries "
            f"(query_id {shown}) are left; is a time in another unit?"
        )
    return Stalled(
        f"at {now_us} µs {len(query_ids)} queries (query_id {shown}) are left, but nothing "
        f"runs, nothing will arrive, and {why}"
    )


def stalled_by_losses(query: Query) -> Stalled:
    """The error when a pipeline has lost ``MAX_LOSSES`` tasks since it completed one."""
    return Stalled(
        f"query {query.query_id} ({query.plan}) lost {MAX_LOSSES:,} work orders and completed "
        "none; executors do not stay as long as its work orders take"
    )
