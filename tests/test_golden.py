"""Small traces → schedules, kept as text. ``pytest --update-golden`` rewrites the files."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import op, plan, trace

import sim
from sim import Cluster, Event, Result
from traces import Plan, Trace, Wave

GOLDEN = Path(__file__).with_name("golden")
SCHEDULERS = [name for name in ("fifo", "fair", "srpt") if name in sim.scheduler_names()]


def star_join() -> Plan:
    """Two builds, a scan that probes both, an aggregate: the shape of most analytical queries."""
    return plan(
        op(40, 60, 50, kind="scan", output_bytes=3_000),
        op(20, 20, 20, kind="build", state_bytes=4_000),
        op(30, 35, kind="build", state_bytes=2_000),
        op(70, 90, 80, 60, kind="scan", output_bytes=8_000),
        op(30, 30, 30, 30, kind="probe", output_bytes=5_000),
        op(25, 25, 25, 25, kind="probe", output_bytes=5_000),
        op(15, 20, kind="aggregate", state_bytes=1_000),
        edges="0-1 1>4 2>5 3-4 4-5 5>6",
        name="star-join",
    )


def dashboard() -> Plan:
    return plan(op(10, 12, kind="scan"), op(5, kind="sort"), edges="0>1", name="dashboard")


def stages() -> Plan:
    """Two stages with a profile, as in Spark."""
    waves = (
        Wave(num_executors=1, fresh=(90, 95), first=(60, 70), rest=(50, 55)),
        Wave(num_executors=4, fresh=(100, 120), first=(80,), rest=(60, 75)),
    )
    return plan(
        op(55, kind="stage", count=7, waves=waves),
        op(30, kind="stage", count=3, waves=waves[:1]),
        edges="0>1",
        name="stages",
    )


def mixed() -> Trace:
    return trace((star_join(), 0), (dashboard(), 30), (star_join(), 30), (dashboard(), 200))


CASES: dict[str, tuple[Trace, Cluster]] = {
    "plain": (mixed(), Cluster(executors_per_node=3)),
    "sticky": (
        trace((stages(), 0), (stages(), 100), (dashboard(), 150)),
        Cluster(executors_per_node=4, release="pipeline", move_delay_us=25, warm_up_us=10),
    ),
    "one-server": (
        mixed(),
        Cluster(
            executors_per_node=4,
            move_delay_us=4,
            contention=0.02,
            coherency=0.001,
            interference=0.2,
            intermediate_bytes_per_s=10**9,
            cache_bytes=6_000,
            memory_bytes=7_000,
            spill_bytes_per_s=10**8,
        ),
    ),
    "two-nodes": (
        mixed(),
        Cluster(
            num_nodes=2,
            executors_per_node=2,
            move_delay_us=4,
            move_across_delay_us=20,
            work_orders_per_batch=2,
            intermediate_bytes_per_s=10**9,
            network_bytes_per_s=10**8,
        ),
    ),
}


def as_text(events: list[Event]) -> str:
    """One line per event: time, what, and for tasks query/root/task, executor and degree."""
    lines = []
    for event in events:
        where = ""
        if event.kind in ("start", "finish"):
            where = (
                f" operator {event.operator} task {event.task} on executor {event.executor}"
                f" ({event.degree} in pipeline)"
            )
        who = "" if event.kind == "schedule" else f" query {event.query_id}"
        lines.append(f"{event.time_us:>6} {event.kind:<8}{who}{where}".rstrip())
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("case", CASES)
def test_the_schedule_is_the_one_in_the_file(
    case: str, scheduler: str, is_updating_golden: bool
) -> None:
    the_trace, cluster = CASES[case]
    result: Result = sim.simulate(the_trace, scheduler, cluster=cluster, seed=1, record_events=True)
    assert result.events is not None
    text = as_text(list(result.events))
    path = GOLDEN / f"{case}-{scheduler}.txt"
    if is_updating_golden:
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), "no such file yet; make it with pytest --update-golden"
    assert text == path.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    known = {f"{case}-{scheduler}.txt" for case in CASES for scheduler in ("fifo", "fair", "srpt")}
    assert {path.name for path in GOLDEN.iterdir()} <= known
