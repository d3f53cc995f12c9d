"""Both engines give the same: event logs, records, history and views, to the last digit."""

from __future__ import annotations

import itertools
import random
import re
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("numba")

from builders import op, plan, trace
from hypothesis import given, settings
from hypothesis import strategies as st
from side_by_side import check_same
from strategies import RandomScheduler, clusters, plans, traces

import sim
from sim import (
    Allocation,
    Cluster,
    ClusterView,
    History,
    Hold,
    InvalidSchedule,
    Schedule,
    Simulation,
)
from sim.engines import ENGINES
from sim.history import PlanHistory
from sim.view import ClairvoyantView
from sim.workload import CompiledPlan
from traces import Operator, Query, Trace, load, open_stream, shipped_names, write

SEEDS = st.integers(0, 2**63 - 1)


class Careless(RandomScheduler):
    """A random scheduler that sometimes schedules nothing at all, for ever."""

    def decide(self, view: ClusterView) -> Schedule:
        if self._random.random() < 0.02:
            return Schedule([])
        return super().decide(view)


@st.composite
def long_traces(draw: st.DrawFn) -> Trace:
    """20 to 60 queries with templates, large identifiers, and factors of all sizes."""
    the_plans = tuple(draw(plans(name=f"plan-{index}")) for index in range(draw(st.integers(1, 3))))
    count, numbers = draw(st.integers(20, 60)), random.Random(draw(st.integers(0, 2**32)))
    gap_us = draw(st.sampled_from([0, 10, 60, 300]))
    ids = numbers.sample(range(2**62 - 10**6, 2**62 + 1), count)
    arrival_us, queries = 0, list[Query]()
    for query_id in ids:
        arrival_us += numbers.choice([0, gap_us, round(numbers.expovariate(1.0) * gap_us)])
        the_plan = numbers.choice(the_plans)
        template = numbers.choice(["", "a", "b"])
        queries.append(
            Query(
                query_id=query_id,
                plan=the_plan.name,
                arrival_us=arrival_us,
                template=template and f"{the_plan.name}/{template}",
                size_factor=numbers.choice([1.0, 1.0, 1e-6, 0.31, 1.7, 4.2, 9.0]),
                time_factor=numbers.choice([1.0, 1.0, 1e-6, 0.7, 1.3, 25.0]),
            )
        )
    return Trace(name="long", plans=the_plans, queries=tuple(queries))


@st.composite
def failing_clusters(draw: st.DrawFn) -> Cluster:
    """Clusters of ``clusters`` that also fail at random, or have many executors, or neither."""
    cluster = draw(clusters())
    if draw(st.booleans()):
        cluster = cluster.replace(
            executor_mtbf_us=draw(st.sampled_from([None, 1_500, 20_000])),
            node_mtbf_us=draw(st.sampled_from([None, 4_000])),
            mean_repair_us=draw(st.sampled_from([15, 400])),
        )
    if draw(st.integers(0, 3)) == 0:
        sizes = st.sampled_from([(1, 63), (1, 64), (1, 65), (1, 300), (3, 66), (64, 3), (130, 1)])
        num_nodes, per_node = draw(sizes)
        if num_nodes >= cluster.num_nodes and num_nodes * per_node >= cluster.num_executors:
            cluster = cluster.replace(num_nodes=num_nodes, executors_per_node=per_node)
    return cluster


@st.composite
def histories(draw: st.DrawFn, the_trace: Trace) -> History | bool:
    """None, off, or of some plans and templates of a trace."""
    if draw(st.booleans()):
        return draw(st.booleans())
    keys: list[str | tuple[str, str]] = [each.name for each in the_trace.plans]
    keys += dict.fromkeys((q.plan, q.template) for q in the_trace.queries if q.template)
    known = {}
    for key in draw(st.sets(st.sampled_from(keys))):
        size = len(the_trace.plan(key if isinstance(key, str) else key[0]).operators)
        floats = st.floats(1.0, 1e6)
        known[key] = PlanHistory(
            draw(st.integers(1, 9)),
            draw(st.lists(floats, min_size=size, max_size=size)),
            draw(st.lists(st.integers(1, 99), min_size=size, max_size=size)),
        )
    works = draw(st.sampled_from([(0.0, 0.0), (7.7, 3.1), (1e9, 3.3e9)]))
    return History(known, draw(st.booleans()), *works)


# Random traces, clusters and decisions


@settings(max_examples=80)
@given(traces(), clusters(), SEEDS, SEEDS, st.booleans())
def test_short_runs(
    the_trace: Trace, cluster: Cluster, seed: int, policy_seed: int, is_logged: bool
) -> None:
    check_same(
        the_trace,
        cluster,
        lambda: RandomScheduler(policy_seed),
        seed=seed,
        record_events=is_logged,
        is_watched=is_logged,
    )


@settings(max_examples=7)
@given(st.data(), long_traces(), failing_clusters(), SEEDS, SEEDS)
def test_long_runs(
    data: st.DataObject, the_trace: Trace, cluster: Cluster, seed: int, policy_seed: int
) -> None:
    check_same(
        the_trace,
        cluster,
        lambda: RandomScheduler(policy_seed),
        seed=seed,
        history=data.draw(histories(the_trace)),
        record_events=data.draw(st.booleans()),
        is_watched=data.draw(st.integers(0, 3)) == 0,
    )


@settings(max_examples=60)
@given(traces(), clusters(), SEEDS, SEEDS)
def test_runs_that_get_nowhere(
    the_trace: Trace, cluster: Cluster, seed: int, policy_seed: int
) -> None:
    check_same(the_trace, cluster, lambda: Careless(policy_seed), seed=seed, is_watched=False)


# Rules that the compiled engine decides by itself

PIPELINES = st.sampled_from(["always", "never", "best"])
MEMORY = st.sampled_from(["gate", "ignore"])
SIZES = st.sampled_from(["estimate", "observed", "history"])


@st.composite
def compiled_rules(draw: st.DrawFn) -> str:
    """Any rule with any parameters, as text."""
    names = ["fifo", "fair", "srpt", "priced", "reserve", "oracle-srpt"]
    name = draw(st.sampled_from(names))
    options: dict[str, object] = {"pipeline": draw(PIPELINES), "memory": draw(MEMORY)}
    if name in ("srpt", "priced", "reserve"):
        options["size"] = draw(SIZES)
    if name in ("fair", "srpt", "oracle-srpt"):
        options["spare"] = draw(st.sampled_from(["share", "idle"]))
    if name in ("srpt", "reserve", "oracle-srpt") and (
        limit := draw(st.sampled_from(["", "cap", "share"]))
    ):
        options[limit] = draw(st.sampled_from([0.0, 0.05, 0.3, 0.77, 1.0]))
    if name == "priced":
        options["weight"] = draw(st.sampled_from([0.0, 0.02, 0.84, 9.0]))
        options["offset"] = draw(st.sampled_from([0.0, 2.3]))
        options["slowdown"] = draw(st.sampled_from([0.0, 0.0165, 0.5]))
        options["hold_moves"] = draw(st.sampled_from([0.0, 0.5, 40.0]))
    if name == "reserve":
        options["reserve"] = draw(st.sampled_from([0.0, 0.2, 0.5, 1.0]))
        options["short"] = draw(st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.0]))
    return f"{name}:" + "+".join(f"{key}={value}" for key, value in options.items())


@settings(max_examples=60)
@given(st.data(), st.one_of(traces(), long_traces()), failing_clusters(), SEEDS)
def test_compiled_rules(data: st.DataObject, the_trace: Trace, cluster: Cluster, seed: int) -> None:
    rule = data.draw(compiled_rules())
    check_same(
        the_trace,
        cluster,
        lambda: sim.make_scheduler(rule),
        seed=seed,
        history=data.draw(histories(the_trace)),
        record_events=data.draw(st.booleans()),
        is_watched=False,
        is_compiled=not (rule.startswith("oracle") and has_profiles(the_trace, cluster)),
    )


def has_profiles(the_trace: Trace, cluster: Cluster) -> bool:
    """Whether work orders take other times with other numbers of executors: not known ahead."""
    return any(any(CompiledPlan(plan, cluster).has_waves) for plan in the_trace.plans)


def test_the_future_is_compiled_from_the_beginning_or_not_at_all() -> None:
    the_trace, cluster = part_of("tpch", 6), SCARCE["inmemory-32"]
    oracle = sim.make_scheduler("oracle-srpt:share=1")
    begun = Simulation(the_trace, cluster, engine="fast")
    assert begun.next_event() is not None
    begun.apply(oracle.decide(ClairvoyantView(begun.engine)))
    assert begun.run_compiled(oracle) is None
    assert Simulation(the_trace, cluster, engine="fast").run_compiled(oracle) is not None


# Every registered scheduler on every shipped trace

SCARCE = {
    "inmemory-32": sim.preset("inmemory-32"),
    "inmemory-32, scarce": sim.preset("inmemory-32").replace(memory_bytes=10**8),
    "warehouse-4x16": sim.preset("warehouse-4x16"),
    "warehouse-4x16, scarce": sim.preset("warehouse-4x16").replace(memory_bytes=10**8),
    "spark-50": sim.preset("spark-50"),
}


def part_of(name: str, num_queries: int) -> Trace:
    """The first queries of a shipped trace, so close together that some wait."""
    whole = load(name)
    queries = whole.queries[:num_queries]
    first, last = queries[0].arrival_us, queries[-1].arrival_us
    squeeze = max((last - first) // (50_000 * num_queries), 1)
    return msgspec.structs.replace(
        whole,
        queries=tuple(
            msgspec.structs.replace(query, arrival_us=(query.arrival_us - first) // squeeze)
            for query in queries
        ),
    )


@pytest.mark.parametrize("name", shipped_names())
def test_every_scheduler_on_a_part_of_every_shipped_trace(name: str) -> None:
    the_trace = part_of(name, 6)
    for scheduler, cluster in zip(
        sim.scheduler_names(plugins=False), itertools.cycle(SCARCE.values()), strict=False
    ):
        check_same(
            the_trace, cluster, lambda s=scheduler: sim.make_scheduler(s, seed=3), is_watched=False
        )


# Errors


class Fixed:
    """Schedules all that may run at the first events, then nothing, asking again after a time."""

    def __init__(self, num_schedules: int, again_us: int | None = None) -> None:
        self._left, self._again_us = num_schedules, again_us

    def decide(self, view: ClusterView) -> Schedule:
        self._left -= 1
        found = [Allocation(o, 1) for q in view.queries for o in q.schedulable]
        until_us = None if self._again_us is None else view.now_us + self._again_us
        return Schedule(found if self._left >= 0 else [], until_us=until_us)


PAIR = trace((plan(op(10, 10, 10), name="long"), 0), (plan(op(10), name="short"), 5))


@pytest.mark.parametrize(
    ("cluster", "num_schedules", "again_us", "text"),
    [
        (Cluster(executors_per_node=1), 0, None, "at 5 µs 2 queries"),
        # The first query's second task has no place in the schedule of the second query's arrival.
        (Cluster(executors_per_node=1), 1, None, "at 10 µs 2 queries"),
        (Cluster(executors_per_node=2, release="pipeline"), 1, None, "at 30 µs 1 queries"),
        (Cluster(executors_per_node=1), 1, 4, "10,000 times in a row"),
        (Cluster(outages=(sim.Outage(12, nodes=(0,)),)), 1, None, "no executor is there"),
        (
            Cluster(executors_per_node=1, executor_mtbf_us=9, mean_repair_us=9),
            1,
            None,
            "10,000 times in a row",
        ),
        (
            Cluster(executors_per_node=2, executor_mtbf_us=3, mean_repair_us=3, warm_up_us=900),
            10**9,
            None,
            "lost 10,000 work orders",
        ),
        (Cluster(), 0, 2**61, r"\(sim.Cluster.end_us\), but 2 queries"),
    ],
)
def test_stalled(cluster: Cluster, num_schedules: int, again_us: int | None, text: str) -> None:
    outcome = check_same(PAIR, cluster, lambda: Fixed(num_schedules, again_us), is_watched=False)
    assert outcome.error.startswith("Stalled")
    assert re.search(text, outcome.error)


def test_stalled_compiled_rules() -> None:
    cluster = Cluster(outages=(sim.Outage(12, nodes=(0,)),))
    outcome = check_same(
        PAIR, cluster, lambda: sim.make_scheduler("fair"), is_compiled=True, is_watched=False
    )
    assert "no executor is there" in outcome.error


def test_after_an_illegal_schedule_another_one_works_on_both() -> None:
    simulations = [Simulation(PAIR, Cluster(), engine=engine) for engine in ENGINES]
    told, results = [], []
    for simulation in simulations:
        while (view := simulation.next_event()) is not None:
            operators = [o for query in view.queries for o in query.operators]
            for illegal in (
                [Allocation(operators[0], 9)],
                [Allocation(operators[0], 1, 2**70)],
                [Allocation(operators[-1], 1), 7],
                Schedule([], [Hold(view.queries[0], 9)]),
                Schedule([], until_us=view.now_us),
                Schedule([], until_us=2**62 + 1),
            ):
                with pytest.raises(InvalidSchedule) as error:
                    simulation.apply(illegal)  # type: ignore[arg-type]
                told.append(str(error.value))
            simulation.apply([Allocation(o, 1) for q in view.queries for o in q.schedulable])
        results.append(simulation.records)
    half = len(told) // 2
    assert told[:half] == told[half:]
    assert results[0] == results[1]


# Limits of what 64 bits hold


@pytest.mark.parametrize(
    ("operator", "factors", "text"),
    [
        (op(1, count=10**8), {"size_factor": 1.1}, "has 110,000,000 work orders at size factor"),
        (op(10**12), {"time_factor": 1e3 + 0.0}, ""),
        (op(10**12, 1), {"time_factor": 1e3}, "µs of work at time factor 1000.0"),
        (op(1, state_bytes=10**18), {"size_factor": 1e6}, "bytes at size factor 1000000.0"),
        (op(1, output_bytes=10**15), {}, ""),
        (op(1, output_bytes=10**15 + 1), {}, "1,000,000,000,000,001 bytes at size factor 1.0"),
        (op(1, est_state_bytes=10**18, est_output_bytes=10**18), {"size_factor": 300.0}, ""),
    ],
)
@pytest.mark.parametrize("is_compiled", [False, True])
def test_queries_that_are_too_large(
    operator: Operator, factors: dict[str, float], text: str, is_compiled: bool
) -> None:
    """Those that come before are in; at the limit there is no error, and none in between."""
    small = plan(op(5, 5), name="small")
    whole = trace((small, 0), (plan(operator), 3))
    queries = (whole.queries[0], msgspec.structs.replace(whole.queries[1], **factors))
    outcome = check_same(
        msgspec.structs.replace(whole, queries=queries),
        Cluster(executors_per_node=2, memory_bytes=10**18, contention=1.0, interference=10.0),
        lambda: sim.make_scheduler("fifo:memory=gate+pipeline=best"),
        is_compiled=is_compiled,
        is_watched=not is_compiled,
    )
    assert text in outcome.error
    assert bool(text) == bool(outcome.error)
    if text:
        assert outcome.error.startswith("TraceError: query 1")


def test_extreme_slowdowns_end_with_the_clock() -> None:
    """A work order of 32 years that the whole cluster slows down."""
    cluster = Cluster(executors_per_node=4_000, contention=1.0, coherency=1.0, interference=10.0)
    longest = plan(op(10**12, count=900, kind="probe"))
    outcome = check_same(
        trace(longest), cluster, lambda: sim.make_scheduler("fifo"), is_watched=False
    )
    assert f"at {2**62 // 4_000} µs the clock ends" in outcome.error


def test_late_arrivals_and_rare_failures() -> None:
    late = trace((plan(op(10)), 0), (plan(op(10)), 10**15))
    cluster = Cluster(executor_mtbf_us=10**15, mean_repair_us=10**15, node_mtbf_us=10**15)
    outcome = check_same(late, cluster, lambda: sim.make_scheduler("fair"), is_watched=False)
    assert not outcome.error
    outcome = check_same(late, Cluster(100, 1_000), lambda: sim.make_scheduler("fair"))
    assert "the clock ends" in outcome.error
    check_same(late, cluster, lambda: Fixed(0), is_watched=False)


# More than arrays hold at a time

TINY = plan(op(*[3, 1, 2] * 8), op(1, 2), edges="0-1", name="tiny")


def many_queries(count: int, gap_us: int) -> Trace:
    queries = tuple(
        Query(query_id=at, plan="tiny", arrival_us=at * gap_us, template=f"t{at % 700}")
        for at in range(count)
    )
    return Trace(name="many", plans=(TINY,), queries=queries)


class FirstTwo:
    """Runs the first two queries, whatever else waits."""

    def decide(self, view: ClusterView) -> list[Allocation]:
        return [Allocation(o, 2, 9) for query in view.queries[:2] for o in query.schedulable]


def test_more_queries_at_once_than_a_portion() -> None:
    the_trace = many_queries(1_100, 0)
    check_same(the_trace, Cluster(executors_per_node=3), FirstTwo, is_watched=False)


@pytest.mark.parametrize("is_compiled", [False, True])
def test_more_events_than_a_portion(is_compiled: bool) -> None:
    outcome = check_same(
        many_queries(1_300, 18),
        Cluster(executors_per_node=3, memory_bytes=10**9),
        lambda: sim.make_scheduler("fifo:pipeline=never"),
        is_compiled=is_compiled,
        is_watched=False,
    )
    assert len(outcome.events) > 65_536


def test_more_queries_than_a_rule_remembers() -> None:
    # The first ones are large, so that later ones are short for as long as those are remembered.
    the_trace = many_queries(1_500, 48)
    queries = tuple(
        msgspec.structs.replace(query, size_factor=1 + query.query_id % 4 + (at < 500))
        for at, query in enumerate(the_trace.queries)
    )
    check_same(
        msgspec.structs.replace(the_trace, queries=queries),
        Cluster(executors_per_node=8),
        lambda: sim.make_scheduler("reserve:reserve=0.5+short=0.2"),
        is_compiled=True,
        is_watched=False,
    )


def test_more_changes_of_executors_than_a_portion() -> None:
    cluster = Cluster(executors_per_node=5, executor_mtbf_us=30, mean_repair_us=5)
    outcome = check_same(
        many_queries(200, 40), cluster, lambda: RandomScheduler(1), is_watched=False
    )
    assert sum(event.kind in ("leave", "join") for event in outcome.events) > 1_500


def test_streams_without_records(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    write(many_queries(1_200, 24), path)
    for is_compiled in (False, True):
        outcome = check_same(
            lambda: open_stream(path),
            Cluster(executors_per_node=3),
            lambda: sim.make_scheduler("srpt:size=history"),
            is_compiled=is_compiled,
            is_watched=False,
            keep_records=False,
        )
        assert outcome.records == "[]"
