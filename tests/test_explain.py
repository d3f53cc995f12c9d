"""Where two schedulers part: worked cases, and a watched scheduler that is the same scheduler."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import op, plan, trace

import sim
import traces
from lsched.cli import main
from lsched.explain import Explanation, Scenario, explain
from lsched.explain_tables import cost_table, explanation
from lsched.watch import as_schedule, simulate_watched
from sim import Cluster, ClusterView, Schedule, SchedulerError
from sim.history import History
from sim.schedulers.srpt import ShortestRemaining
from traces import Trace

ONE = Cluster(executors_per_node=1)


def long_and_short() -> Trace:
    """The long query is first in the trace, and both arrive at once."""
    return trace(plan(op(1000), name="long"), plan(op(100), name="short"))


def found_of(the_trace: Trace, first: str, second: str, cluster: Cluster = ONE) -> Explanation:
    return explain(Scenario(the_trace, cluster, engine="simpy"), first, second)


def mean_us(result: sim.Result) -> float:
    return result.summary()["mean_latency_s"] * 1e6


def test_by_hand_one_decision_is_all_the_difference() -> None:
    found = found_of(long_and_short(), "fifo", "sjf")
    parting = found.parting
    assert parting is not None
    assert (parting.number, parting.time_us, parting.num_free) == (0, 0, 1)
    assert [(event.kind, event.query_id) for event in parting.causes] == [
        ("arrive", 0),
        ("arrive", 1),
    ]
    assert [given.query_id for given in parting.choices[0].allocations] == [0, 1]
    assert [given.query_id for given in parting.choices[1].allocations] == [1, 0]
    assert parting.num_started == ({(0, 0): 1}, {(1, 0): 1})
    assert [(q.plan, q.est_remaining_us, q.schedulable) for q in parting.queries] == [
        ("long", 1000, ((0, 1),)),
        ("short", 100, ((0, 1),)),
    ]
    assert mean_us(found.first) == pytest.approx((1000 + 1100) / 2)
    assert mean_us(found.second) == pytest.approx((1100 + 100) / 2)
    assert mean_us(parting.mixed) == pytest.approx((1000 + 1100) / 2)


def test_only_the_one_decision_is_taken_from_the_first() -> None:
    """After the long query, two more that shortest-first tells apart."""
    later = (plan(op(500), name="middle"), 10)
    last = (plan(op(50), name="last"), 20)
    found = found_of(
        trace(plan(op(1000), name="long"), plan(op(100), name="short"), later, last),
        "fifo",
        "sjf",
    )
    assert found.parting is not None
    order = [query.plan for query in found.parting.mixed.queries]
    assert order == ["long", "last", "short", "middle"]
    assert [query.plan for query in found.first.queries] == ["long", "short", "middle", "last"]
    assert [query.plan for query in found.second.queries] == ["short", "last", "middle", "long"]


def test_schedules_that_do_the_same_are_no_difference() -> None:
    """Enough executors for all: the order in the list does not matter."""
    found = found_of(long_and_short(), "fifo", "sjf", Cluster(executors_per_node=2))
    assert found.parting is None
    assert found.first.events != found.second.events  # executors have changed places


def test_they_part_late() -> None:
    """One query alone first; the second event is where the order matters."""
    alone = trace(
        plan(op(300), name="first"),
        (plan(op(1000), name="long"), 100),
        (plan(op(100), name="short"), 200),
    )
    parting = found_of(alone, "fifo", "sjf").parting
    assert parting is not None
    assert parting.time_us == 300
    assert [(event.kind, event.query_id) for event in parting.causes] == [("complete", 0)]
    assert [query.age_us for query in parting.queries] == [200, 100]
    assert parting.number == 3


def test_a_scheduler_against_itself_never_parts() -> None:
    tpch = traces.load("tpch")
    assert found_of(tpch, "srpt", "srpt:size=estimate", Cluster()).parting is None


class Experienced(ShortestRemaining):
    """Knows from elsewhere that the long query is short."""

    def __init__(self) -> None:
        super().__init__(size="history")

    def experience(self, the_trace: Trace, cluster: Cluster) -> History:
        other = trace(plan(op(1), name="long"), plan(op(100), name="short"))
        return sim.simulate(other, "fifo", cluster=cluster, engine="simpy").history


def test_a_watched_scheduler_keeps_its_experience() -> None:
    sim.register("test-experienced")(Experienced)
    plain = sim.simulate(
        long_and_short(), "test-experienced", cluster=ONE, record_events=True, engine="simpy"
    )
    watched = simulate_watched(
        long_and_short(),
        "test-experienced",
        lambda view, schedule: schedule,
        cluster=ONE,
        record_events=True,
        engine="simpy",
    )
    assert watched.events == plain.events
    assert [query.plan for query in watched.queries] == ["long", "short"]
    found = found_of(long_and_short(), "test-experienced", "srpt")
    assert found.parting is not None
    assert [query.history_remaining_us for query in found.parting.queries] == [1, 100]
    without = explain(
        Scenario(long_and_short(), ONE, history=False, engine="simpy"), "test-experienced", "srpt"
    )
    assert without.parting is None


class Generating:
    """Answers with a generator, which can be read once."""

    def decide(self, view: ClusterView) -> Schedule:
        listed = (sim.Allocation(o, 1) for q in reversed(view.queries) for o in q.schedulable)
        return listed  # type: ignore[return-value]


class Broken:
    def decide(self, view: ClusterView) -> Schedule:
        raise KeyError("lost")


def test_answers_of_all_forms_pass_and_mistakes_are_blamed() -> None:
    sim.register("test-generating")(Generating)
    sim.register("test-broken")(Broken)
    found = found_of(long_and_short(), "test-generating", "fifo")
    assert found.parting is not None
    assert [given.query_id for given in found.parting.choices[0].allocations] == [1, 0]
    with pytest.raises(SchedulerError, match=r"'test-broken' raised KeyError.*explain"):
        found_of(long_and_short(), "fifo", "test-broken")
    kept = Schedule([], (), 5)
    assert as_schedule(kept) is kept


@pytest.mark.parametrize("engine", ["simpy", "fast"])
def test_holds_and_timers_are_taken_over(engine: str) -> None:
    """``priced`` holds executors where a move costs much; engines agree."""
    if engine == "fast":
        pytest.importorskip("numba")
    cluster = Cluster(executors_per_node=4, move_delay_us=400, release="pipeline")
    stages = plan(op(900, 1000, 1100, 1000), op(800, count=4), edges="0>1", name="stages")
    the_trace = trace(*((stages, 700 * number) for number in range(6)))
    scenario = Scenario(the_trace, cluster, engine=engine)  # type: ignore[arg-type]
    found = explain(scenario, "priced", "fifo")
    assert found.parting is not None
    assert len(found.parting.mixed.queries) == 6


def test_the_tables_show_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.jsonl"
    traces.write(long_and_short(), file)
    words = ["explain", str(file), "--cluster", "inmemory-32:executors_per_node=1"]
    words += ["--engine", "simpy", "--top", "1"]
    assert main([*words, "--schedulers", "fifo,sjf"]) == 0
    text = capsys.readouterr().out
    words_alone = " ".join(text.split())
    for part in (
        "sjf, event 0 as fifo",
        "at scheduling event 0, at 0.000000 s (long #0 arrives, short #1 arrives)",
        "1 free executor.",
        "fifo answers",
        "sjf answers",
        "0: other (1)",
        "short #1",
        "+1.15 ms",
    ):
        assert part in words_alone
    assert max(map(len, text.splitlines())) <= 100
    assert text.split("differ most")[1].count("#") == 1
    assert main([*words, "--schedulers", "fifo,fair:spare=share"]) == 0


@pytest.mark.parametrize(
    ("schedulers", "top", "message"),
    [
        ("fifo", "5", "schedulers are 'fifo', expected two"),
        ("fifo,fair,sjf", "5", "schedulers are 'fifo', 'fair', 'sjf', expected two"),
        ("fifo,sjf", "-1", "top is -1"),
        ("fifo,nothing", "5", "no scheduler 'nothing'"),
    ],
)
def test_mistakes(
    schedulers: str, top: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["explain", "tpch", "--schedulers", schedulers, "--top", top, "--engine", "simpy"]
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_tables_of_many_queries_are_cut() -> None:
    sim.register("test-generating")(Generating)
    many = trace(*(plan(op(100 + i), name=f"p{i}") for i in range(30)))
    found = found_of(many, "fifo", "test-generating")
    parts = list(explanation(found, many, 2))
    assert len(parts) == 6
    assert cost_table(found).row_count == 3
    assert parts[2].row_count == 21  # type: ignore[union-attr]
    assert parts[3].row_count == 11  # type: ignore[union-attr]
    assert parts[5].row_count == 2  # type: ignore[union-attr]
