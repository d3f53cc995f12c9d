"""Compiled rules decide as the classes do, at every scheduling event of random runs."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from builders import in_order, op, plan, trace
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import RandomScheduler, clusters, traces

pytest.importorskip("numba")

from twins import Twin, known_times
from worlds import copy_of_world, decision_in

import sim
from sim import Allocation, Cluster, ClusterView, History, Simulation, preset
from sim.engines import ENGINES
from sim.fast_engine import observed, rules
from sim.fast_engine.compile import compiled_entry
from sim.fast_engine.layout import RULE
from sim.fast_engine.rules import hesrpt
from sim.registry import Scheduler, make_scheduler
from sim.schedulers import short
from sim.schedulers.common import fair_limit, part_of, rounded_shares
from sim.schedulers.compiled_rule import CompiledRule, compiled_rule_of
from sim.schedulers.fair import Fair
from sim.schedulers.hesrpt import hesrpt_shares
from sim.view import Size
from traces import Query, Trace, load

limits_of = compiled_entry(hesrpt.limits_of.py_func)
compiled_fair_limit, compiled_part_of = compiled_entry(fair_limit), compiled_entry(part_of)

SIZES = ("estimate", "observed", "history")
LISTINGS = [
    f"memory={m}+pipeline={p}" for m in ("ignore", "gate") for p in ("always", "never", "best")
]
SHORTEST = "operators=shortest"


def policies() -> Iterator[str]:
    """All six rules with all combinations of words, and numbers of all sizes."""
    yield f"fifo:{SHORTEST}"
    yield f"fair:{SHORTEST}+spare=idle+pipeline=best"
    for size in SIZES:
        yield f"srpt:size={size}+share=2.6+{SHORTEST}"
        yield f"reserve:size={size}+reserve=0.4+{SHORTEST}+memory=gate"
        yield f"hesrpt:size={size}+p=0.7+{SHORTEST}"
    for listing in LISTINGS:
        yield f"fifo:{listing}"
        for spare in ("share", "idle"):
            for held in ("give", "keep"):
                yield f"fair:spare={spare}+held={held}+{listing}"
            for size in SIZES:
                for limit in ("", "+cap=0.5", "+cap=0.25", "+share=0.7", "+share=2.6"):
                    yield f"srpt:size={size}+spare={spare}+{listing}{limit}"
        for size in SIZES:
            for numbers in (
                "hold_moves=2",
                "hold_moves=50+weight=0.01+slowdown=0.3",
                "hold_moves=0+weight=3+offset=0.1+slowdown=0",
            ):
                yield f"priced:size={size}+{numbers}+{listing}"
            for numbers in (
                "reserve=0.4",
                "reserve=1+short=0.7+cap=0.5",
                "reserve=0.7+short=1+share=1.6",
            ):
                yield f"reserve:size={size}+{numbers}+{listing}"
            for numbers in ("p=0+spare=idle", "p=0.5", "p=0.9+spare=idle", "p=0.999"):
                yield f"hesrpt:size={size}+{numbers}+{listing}"


TEXTS = list(policies())


MUST_REACH = {
    "a query is kept out for memory",
    "a query that does not fit is let in alone",
    "a limit below all",
    "an allocation listed twice",
    "holds",
    "operators that run get nothing",
    "a pipeline's time is shared",
    "history of a template",
    "history of a plan",
    "estimates corrected",
    "a chain is left whole where cutting costs",
    "fewer executors than the cluster can have",
    "a short query beside others",
    "queries that are not short get nothing",
    "queries are forgotten",
}


@st.composite
def traces_with_templates(draw: st.DrawFn) -> Trace:
    """Traces of which some queries have a template."""
    trace = draw(traces(max_queries=8))
    names = st.sampled_from(["", "one", "two"])
    queries = []
    for query in trace.queries:
        name = draw(names)
        template = f"{query.plan}-{name}" if name else ""
        queries.append(msgspec.structs.replace(query, template=template))
    return msgspec.structs.replace(trace, queries=tuple(queries))


def check_decisions(simulation: Simulation, driver: Scheduler, twins: list[Twin]) -> set[str]:
    """Compare at all events of a run; returns the special cases that came up."""
    reached: set[str] = set()
    while (view := simulation.next_event()) is not None:
        world = copy_of_world(simulation)
        for twin in twins:
            reached |= twin.check(simulation, world)
        reached.update(known_times(view))
        simulation.apply(driver.decide(view))
    return reached


def histories(trace: Trace, cluster: Cluster, kind: str) -> History | bool:
    """None at all, an empty one, or that of an earlier run."""
    if kind == "earlier run":
        return sim.simulate(trace, "fifo", cluster=cluster, seed=9).history
    return kind == "empty"


def test_decisions_equal_those_of_the_classes_and_every_case_is_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(short, "WINDOW", 3)  # fewer than there are queries
    reached: set[str] = set()

    @settings(max_examples=300)
    @given(
        traces_with_templates(),
        clusters(),
        st.sampled_from(["off", "empty", "empty", "earlier run"]),
        st.booleans() | st.integers(0, 2**32),
        st.lists(st.sampled_from(TEXTS), min_size=12, max_size=12),
    )
    def compare(
        trace: Trace, cluster: Cluster, history: str, driver: bool | int, texts: list[str]
    ) -> None:
        simulation = Simulation(
            trace,
            cluster,
            seed=3,
            history=histories(trace, cluster, history),
            engine="fast",
        )
        scheduler = make_scheduler(texts[0]) if driver is True else RandomScheduler(int(driver))
        twins = [Twin(text, short.WINDOW) for text in texts]
        reached.update(check_decisions(simulation, scheduler, twins))

    compare()
    assert reached >= MUST_REACH


@pytest.mark.parametrize("release", ["work-order", "pipeline"])
def test_all_parameters_with_many_queries(release: str) -> None:
    """All queries of a benchmark twice at once: each ties with its twin, memory is short."""
    plans = load("tpch").plans
    queries = tuple(
        Query(query_id=at, plan=plans[at % len(plans)].name, arrival_us=0)
        for at in range(2 * len(plans))
    )
    trace = Trace(name="batch", plans=plans, queries=queries)
    cluster = preset("inmemory-32").replace(
        release=release,
        memory_bytes=2 * 10**9,
        cache_bytes=2**20,
        intermediate_bytes_per_s=10**11,  # cuts are cheap
    )
    simulation, driver = Simulation(trace, cluster, engine="fast"), RandomScheduler(1)
    twins = [Twin(text) for text in TEXTS]
    events, reached = 0, set[str]()
    while (view := simulation.next_event()) is not None:
        events += 1
        if events % 40 == 1:
            world = copy_of_world(simulation)
            for twin in twins:
                reached |= twin.check(simulation, world)
        simulation.apply(driver.decide(view))
    assert "a chain is cut where that is cheaper" in reached


def test_states_that_fill_the_memory_exactly_are_let_in() -> None:
    the_plan = plan(op(5, state_bytes=700))
    for memory_bytes, num_entries in ((1_399, 1), (1_400, 2)):
        cluster = Cluster(memory_bytes=memory_bytes)
        simulation = Simulation(trace(the_plan, the_plan), cluster, engine="fast")
        simulation.next_event()
        world = copy_of_world(simulation)
        Twin("fifo:memory=gate").check(simulation, world)
        assert len(decision_in(world)[0]) == num_entries


def test_executors_given_to_one_operator_are_no_longer_local_for_the_next() -> None:
    the_plan = plan(op(10, 10, 10), op(20, 20, 20), op(*[10] * 6), edges="0>1 0>2")
    cluster = Cluster(executors_per_node=6, move_delay_us=30)
    simulation = Simulation(trace(the_plan), cluster, engine="fast")
    driver = in_order(limit=3)
    while (view := simulation.next_event()) and not view.queries[0].operators[0].is_complete:
        simulation.apply(driver(view))
    world = copy_of_world(simulation)
    Twin("priced:weight=1+offset=9+slowdown=0+hold_moves=0").check(simulation, world)
    # The first takes the three local ones; the second one of the others, as all need a move.
    assert [limit for _, _, limit, _ in decision_in(world)[0]] == [3, 4]


@settings(max_examples=100)
@given(
    traces_with_templates(),
    clusters(),
    st.sampled_from(["off", "empty", "earlier run"]),
    st.lists(st.sampled_from(TEXTS), min_size=4, max_size=4),
)
def test_whole_runs_equal_those_of_the_classes_on_the_other_engine(
    trace: Trace, cluster: Cluster, kind: str, texts: list[str]
) -> None:
    for text in texts:
        history = histories(trace, cluster, kind)
        compiled_run, run = (
            sim.simulate(
                trace, text, cluster=cluster, history=history, record_events=True, engine=engine
            )
            for engine in ENGINES
        )
        assert compiled_run.events == run.events, text
        assert compiled_run.queries == run.queries, text
        assert compiled_run.history == run.history, text
        assert compiled_run.num_schedules == run.num_schedules, text
        assert compiled_run.peak_memory_bytes == run.peak_memory_bytes, text
        assert compiled_run.executor_time_s == run.executor_time_s, text


def test_every_run_remembers_by_itself() -> None:
    queries = [(plan(op(*[work] * 4), name=f"work {work}"), 9 * work) for work in range(1, 9)]
    again = [(plan(op(*[9 - work] * 4), name=f"then {work}"), 80) for work in range(1, 9)]
    the_trace, cluster = trace(*queries, *again), Cluster(executors_per_node=4, interference=0.9)
    scheduler, seeds = make_scheduler("reserve:reserve=0.5+size=history"), (1, 2, 1)
    compiled_logs, logs = (
        [
            each.events
            for each in sim.simulate_many(
                the_trace, scheduler, cluster=cluster, seeds=seeds, record_events=True, engine=name
            )
        ]
        for name in ENGINES
    )
    assert compiled_logs == logs
    batch = sim.Simulations(the_trace, cluster, seeds, record_events=True)
    while (view := batch.next_events()) is not None:
        batch.apply(view.advice(scheduler))
    assert [each.events for each in batch.results("reserve")] == logs


def test_a_batch_remembers_queries_for_one_rule() -> None:
    view = sim.Simulations(trace(plan(op(1))), Cluster()).next_events()
    assert view is not None
    for fine in ("reserve:short=0.3", "reserve:short=0.3+share=2", "srpt"):
        view.advice(make_scheduler(fine))
    for other in ("reserve:short=0.4", "reserve:short=0.3+size=history"):
        with pytest.raises(ValueError, match="remember queries by"):
            view.advice(make_scheduler(other))


@pytest.mark.parametrize("size", SIZES)
def test_sizes_stand_in_the_record_in_the_order_of_the_type(size: Size) -> None:
    record = np.zeros(1, RULE)
    rules.set_rule(record, CompiledRule("srpt", size=size))
    named = {"estimate": observed.ESTIMATE, "observed": observed.OBSERVED}
    assert record["size"][0] == named.get(size, observed.HISTORY)


class OwnFair(Fair):
    """Changes what ``decide`` does without saying so."""

    def decide(self, view: ClusterView) -> list[Allocation]:
        return super().decide(view)[:1]


class RenamedFair(Fair):
    """Might change anything that ``decide`` calls."""


def test_only_the_class_that_defines_both_has_a_compiled_rule() -> None:
    assert compiled_rule_of(Fair(spare="idle")) == CompiledRule("fair", share=1.0)
    assert compiled_rule_of(OwnFair()) is None
    assert compiled_rule_of(RenamedFair()) is None
    assert compiled_rule_of(RandomScheduler(0)) is None
    patched = Fair()
    patched.decide = OwnFair().decide  # type: ignore[method-assign]
    assert compiled_rule_of(patched) is None


@given(st.integers(1, 2_000), st.integers(0, 300), st.floats(0, 1) | st.sampled_from([0.5, 0.25]))
def test_limits_are_rounded_alike(num_executors: int, num_queries: int, share: float) -> None:
    assert part_of(num_executors, share) == compiled_part_of(num_executors, share)
    for factor in (share, 10 * share):
        ours = compiled_fair_limit(num_executors, num_queries, factor)
        assert ours == fair_limit(num_executors, num_queries, factor)


@given(st.integers(1, 300), st.floats(0, 0.999) | st.just(0.5), st.integers(0, 500))
def test_shares_are_rounded_alike(num_queries: int, p: float, total: int) -> None:
    expected = rounded_shares(hesrpt_shares(num_queries, p)[::-1], total)
    assert limits_of(num_queries, p, total).tolist() == expected
