"""Rules R8 and R9: how long work orders take. The arithmetic of each case is in its comment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from builders import (
    durations,
    give,
    in_order,
    makespan,
    op,
    plan,
    run,
    script,
    spans,
    trace,
)

from sim import ClusterView, Schedule, Simulation
from sim.simpy_engine.costs import cached_slowdown
from traces import Plan, Query, Trace, Wave

pytestmark = pytest.mark.usefixtures("engine")

MB_PER_S = 1_000_000  # one byte takes one microsecond


# R8: common random numbers


def all_durations(simulation: Simulation) -> dict[tuple[int, int], list[int]]:
    result: dict[tuple[int, int], list[int]] = {}
    for query, root, _, start, finish in spans(simulation):
        result.setdefault((query, root), []).append(finish - start)
    return result


def test_base_times_do_not_depend_on_scheduler_cluster_or_other_queries() -> None:
    drawn = plan(op(3, 50, 700, count=20), op(1, 10, 100, count=15), edges="0>1", name="drawn")
    both = trace(drawn, (drawn, 40))
    expected = all_durations(run(both, seed=4, executors_per_node=1))
    backwards = give((1, 1), (1, 0), (0, 1), (0, 0))
    assert all_durations(run(both, backwards, seed=4, executors_per_node=7)) == expected
    alone = Trace(name="alone", plans=both.plans, queries=both.queries[1:])
    assert all_durations(run(alone, seed=4))[1, 0] == expected[1, 0]


def test_base_times_depend_on_seed_and_query() -> None:
    drawn = plan(op(*range(1, 1000), count=20))
    first = all_durations(run(trace(drawn, drawn), seed=1, executors_per_node=1))
    second = all_durations(run(trace(drawn, drawn), seed=2, executors_per_node=1))
    assert len({tuple(times) for times in (*first.values(), *second.values())}) == 4


def test_a_complete_recorded_list_is_replayed_in_its_order() -> None:
    simulation = run(trace(plan(op(9, 4, 7, 1))), executors_per_node=1)
    assert durations(simulation) == [9, 4, 7, 1]


def test_a_size_factor_multiplies_the_number_of_work_orders_not_their_length() -> None:
    # 4 work orders × 2.5 = 10 of 8; the operator that does not scale keeps its 3.
    sized = plan(op(8, count=4), op(5, count=3, is_scalable=False))
    simulation = run(trace(sized, size_factor=2.5), executors_per_node=1)
    assert durations(simulation, operator=0) == [8] * 10
    assert durations(simulation, operator=1) == [5] * 3


@pytest.mark.parametrize(
    ("count", "factor", "expected"), [(4, 0.5, 2), (5, 0.5, 3), (1, 0.01, 1), (3, 1.2, 4)]
)
def test_scaled_counts_round_half_up_and_never_to_zero(
    count: int, factor: float, expected: int
) -> None:
    simulation = run(trace(plan(op(8, count=count)), size_factor=factor), executors_per_node=1)
    assert len(durations(simulation)) == expected


def test_a_time_factor_multiplies_lengths_and_rounds() -> None:
    # 10 × 0.25 = 2.5 and 14 × 0.25 = 3.5: to even, 2 and 4; 1 × 0.25 is at least 1.
    simulation = run(trace(plan(op(10, 14, 1)), time_factor=0.25), executors_per_node=1)
    assert durations(simulation) == [2, 4, 1]


def test_a_batch_joins_recorded_work_orders_in_order_and_keeps_their_sum() -> None:
    simulation = run(
        trace(plan(op(1, 2, 3, 4, 5, 6, 7))), executors_per_node=1, work_orders_per_batch=3
    )
    assert durations(simulation) == [1 + 2 + 3, 4 + 5 + 6, 7]


# R9: parallelism


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("scan", 1018),  # sigma 0.01 × 0.6, n = 4: 1 + 0.006 × 3
        ("aggregate", 1090),  # 1 + 0.03 × 3
        ("sort", 1120),  # 1 + 0.04 × 3
        ("never-seen", 1030),  # as "other": 1 + 0.01 × 3
    ],
)
def test_contention_grows_with_the_executors_of_the_query_by_kind(kind: str, expected: int) -> None:
    simulation = run(
        trace(plan(op(1000, count=4, kind=kind))), executors_per_node=4, contention=0.01
    )
    assert durations(simulation) == [expected] * 4


def test_an_operators_own_contention_replaces_that_of_its_kind() -> None:
    # 1 + 0.1 × (4 − 1), also where the cluster has none.
    own = trace(plan(op(1000, count=4, kind="sort", contention=0.1)))
    assert durations(run(own, executors_per_node=4, contention=0.01)) == [1300] * 4
    assert durations(run(own, executors_per_node=4)) == [1300] * 4


def test_coherency_grows_with_pairs_of_executors() -> None:
    # 1 + 0.001 × 4 × 3
    simulation = run(trace(plan(op(1000, count=4))), executors_per_node=4, coherency=0.001)
    assert durations(simulation) == [1012] * 4


def test_all_that_start_together_see_the_same_cluster_and_keep_their_times() -> None:
    # At 0 three start: × (1 + 0.1 × 2). At 1200 the last starts beside one that runs: × 1.1.
    uneven = plan(op(1000, 1000, 2000, 1000, contention=0.1))
    simulation = run(trace(uneven), executors_per_node=3)
    assert durations(simulation) == [1200, 1200, 2400, 1100]


def test_other_queries_interfere_by_busy_share_and_memory_boundness() -> None:
    # gamma 0.2, 3 of 4 executors busy: others' share 2/4. Probe: × 1, filter: × 0.3.
    several = trace(
        plan(op(1000, kind="probe"), name="a"),
        plan(op(1000, kind="filter"), name="b"),
        plan(op(1000, kind="probe"), name="c"),
    )
    simulation = run(several, executors_per_node=4, interference=0.2)
    assert durations(simulation, query=0) == [1100]
    assert durations(simulation, query=1) == [1030]


def test_interference_is_per_node() -> None:
    both = trace(plan(op(1000, 1000, kind="probe")))
    simulation = run(both, num_nodes=2, executors_per_node=1, interference=0.2)
    assert durations(simulation) == [1000, 1000]


def test_a_duration_is_rounded_once_and_half_up() -> None:
    # 10 × 1.05 = 10.5 → 11; two fused members of 10.5 and 10.5: 21, not 22.
    half = plan(op(10, 10, contention=0.05), op(10, 10, contention=0.05), edges="0-1")
    assert durations(run(trace(half), in_order(degree=1), executors_per_node=2)) == [11, 11]
    assert durations(run(trace(half), in_order(degree=2), executors_per_node=2)) == [21, 21]


# R9: moves


def test_an_executor_pays_to_come_to_a_query_and_not_to_stay() -> None:
    # Queries 0 and 1 alternate on one executor: every change costs 7, also the first work.
    decide = script(give((0, 0)), give((1, 0)), give((0, 1)))
    first = plan(op(10), op(10, 10), edges="0>1", name="first")
    simulation = run(
        trace(first, plan(op(10), op(1), edges="0>1", name="second")),
        decide,
        executors_per_node=1,
        move_delay_us=7,
    )
    assert [finish - start for *_, start, finish in spans(simulation)] == [17, 17, 17, 10, 8]
    assert [record.delay_s for record in simulation.records] == [14e-6, 14e-6]


def test_a_delay_is_not_slowed_by_the_factors() -> None:
    # (100 × 1.3) + 7, twice
    simulation = run(
        trace(plan(op(100, 100, contention=0.3))), executors_per_node=2, move_delay_us=7
    )
    assert durations(simulation) == [137, 137]


def test_a_warm_up_is_added_to_a_move_unless_the_profile_has_fresh_times() -> None:
    measured = op(5, waves=(Wave(num_executors=1, fresh=(40,), rest=(5,)),))
    without = op(5, waves=(Wave(num_executors=1, first=(40,), rest=(5,)),))
    both = {"move_delay_us": 7, "warm_up_us": 3, "executors_per_node": 1}
    assert durations(run(trace(plan(op(100))), **both)) == [110]  # type: ignore[arg-type]
    assert durations(run(trace(plan(measured)), **both)) == [47]  # type: ignore[arg-type]
    assert durations(run(trace(plan(without)), **both)) == [50]  # type: ignore[arg-type]
    ignored = run(trace(plan(measured)), use_profiles=False, **both)  # type: ignore[arg-type]
    assert durations(ignored) == [15]


def test_coming_to_a_new_node_costs_the_across_delay_and_only_once_per_node() -> None:
    # Nodes of 2: executors 0 and 1 move locally, 2 is the first elsewhere, 3 is local there.
    simulation = run(
        trace(plan(op(100, count=4))),
        num_nodes=2,
        executors_per_node=2,
        move_delay_us=7,
        move_across_delay_us=50,
    )
    assert durations(simulation) == [107, 107, 150, 107]


def test_without_an_across_delay_a_move_costs_the_same_everywhere() -> None:
    simulation = run(
        trace(plan(op(100, count=2))), num_nodes=2, executors_per_node=1, move_delay_us=7
    )
    assert durations(simulation) == [107, 107]


# R9: waves of a profile


def profiled(count: int, *waves: Wave) -> Plan:
    return plan(op(999, count=count, waves=waves), name="profiled")


def test_waves_are_fresh_for_the_query_first_for_the_operator_and_rest() -> None:
    waves = (Wave(num_executors=1, fresh=(100,), first=(50,), rest=(30,)),)
    two = plan(op(999, count=3, waves=waves), op(999, count=2, waves=waves), edges="0>1")
    simulation = run(trace(two), executors_per_node=1)
    assert [finish - start for *_, start, finish in spans(simulation)] == [100, 30, 30, 50, 30]


@pytest.mark.parametrize(
    ("num_executors", "expected"),
    [
        (1, 40),  # nearest below
        (2, 40),
        (4, 60),  # 80 + (40 − 80) × (6 − 4) ÷ (6 − 2)
        (5, 70),
        (6, 80),
        (7, 80),  # nearest above
    ],
)
def test_times_are_interpolated_between_recorded_executor_counts(
    num_executors: int, expected: int
) -> None:
    waves = (Wave(num_executors=2, rest=(40,)), Wave(num_executors=6, rest=(80,)))
    simulation = run(trace(profiled(num_executors, *waves)), executors_per_node=num_executors)
    assert durations(simulation) == [expected] * num_executors


def test_the_luck_of_a_work_order_is_the_same_quantile_in_every_list() -> None:
    waves = (Wave(num_executors=1, rest=(1, 2, 3, 4)), Wave(num_executors=9, rest=(10, 20, 30, 40)))
    few = durations(run(trace(profiled(9, *waves)), executors_per_node=1))
    many = durations(run(trace(profiled(9, *waves)), executors_per_node=9))
    assert many == [10 * time for time in few]
    assert len(set(few)) > 1


@pytest.mark.parametrize(
    ("wave", "expected"),
    [
        (Wave(num_executors=1, first=(50,), rest=(30,)), [50, 30]),
        (Wave(num_executors=1, rest=(30,)), [30, 30]),
        (Wave(num_executors=1, fresh=(100,)), [100, 100]),
        (Wave(num_executors=1, fresh=(100,), first=(50,)), [100, 50]),
    ],
)
def test_a_missing_list_falls_back_to_the_next_later_wave_then_to_earlier_ones(
    wave: Wave, expected: list[int]
) -> None:
    assert durations(run(trace(profiled(2, wave)), executors_per_node=1)) == expected


def test_profiles_take_the_time_factor_but_no_modelled_contention() -> None:
    wave = Wave(num_executors=1, rest=(30,))
    simulation = run(
        trace(profiled(2, wave), time_factor=1.5),
        executors_per_node=2,
        contention=0.5,
        coherency=0.1,
        interference=1.0,
    )
    assert durations(simulation) == [45, 45]


# R9: pipelining


def test_a_cut_is_written_by_the_producer_and_read_by_the_consumer() -> None:
    # 1000 bytes at 10 bytes/µs: 100 µs, over two tasks of the producer and one of the consumer.
    cut = trace(plan(op(500, 500, output_bytes=1000), op(50), edges="0-1"))
    simulation = run(cut, executors_per_node=1, intermediate_bytes_per_s=10 * MB_PER_S)
    assert durations(simulation, operator=0) == [550, 550]
    assert durations(simulation, operator=1) == [150]


def test_a_pipeline_pays_for_no_cut_inside_it() -> None:
    cut = trace(plan(op(500, 500, output_bytes=1000), op(50), edges="0-1"))
    simulation = run(
        cut, in_order(degree=2), executors_per_node=1, intermediate_bytes_per_s=10 * MB_PER_S
    )
    assert durations(simulation) == [500, 550]  # the one work order of the second in task 1


def test_a_breaking_edge_is_no_cut() -> None:
    breaking = trace(plan(op(500, output_bytes=1000), op(50), edges="0>1"))
    assert makespan(run(breaking, intermediate_bytes_per_s=MB_PER_S)) == 550


def test_an_output_with_two_readers_is_written_once_and_read_by_each() -> None:
    shared = trace(plan(op(500, output_bytes=1000), op(50), op(70), edges="0-1 0-2"))
    simulation = run(shared, executors_per_node=1, intermediate_bytes_per_s=10 * MB_PER_S)
    assert [finish - start for *_, start, finish in spans(simulation)] == [600, 150, 170]


def test_input_made_on_other_nodes_comes_by_network() -> None:
    # 1000 bytes, half made on each node, 10 bytes/µs: the consumer fetches 500 in 50 µs.
    remote = trace(plan(op(100, 100, output_bytes=1000), op(40), edges="0>1"))
    on_two = run(remote, num_nodes=2, executors_per_node=1, network_bytes_per_s=10 * MB_PER_S)
    assert durations(on_two, operator=1) == [90]


def test_a_probe_fetches_the_table_and_not_what_the_build_let_through() -> None:
    # Table 600, built half on each node: 300 bytes at 10 bytes/µs.
    the_plan = plan(
        op(100, 100, kind="build", state_bytes=600, output_bytes=9000),
        op(40, kind="probe"),
        edges="0>1",
    )
    simulation = run(
        trace(the_plan), num_nodes=2, executors_per_node=1, network_bytes_per_s=10 * MB_PER_S
    )
    assert durations(simulation, operator=1) == [70]


def test_a_single_node_needs_no_network() -> None:
    local = trace(plan(op(100, 100, output_bytes=1000), op(40), edges="0>1"))
    on_one = run(local, executors_per_node=2, network_bytes_per_s=10 * MB_PER_S)
    assert durations(on_one, operator=1) == [40]


def test_of_a_cut_input_the_local_part_is_read_from_memory_and_the_rest_by_network() -> None:
    # 500 bytes at 10 bytes/µs and 500 at 100: 50 + 5. Written: 1000 at 100 over two tasks: 5 each.
    cut = trace(plan(op(100, 100, output_bytes=1000), op(40), edges="0-1"))
    simulation = run(
        cut,
        num_nodes=2,
        executors_per_node=1,
        network_bytes_per_s=10 * MB_PER_S,
        intermediate_bytes_per_s=100 * MB_PER_S,
    )
    assert durations(simulation, operator=0) == [105, 105]
    assert durations(simulation, operator=1) == [95]


# R9: the cache


@pytest.fixture
def simple_curve(engine: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """40 ns a probe while the table fits the cache, rising to 80 ns at three times the cache."""
    if engine == "fast":
        pytest.skip("compiled code has the curve in it")
    monkeypatch.setattr("traces.cache.PROBE_CURVE", ((1.0, 40.0), (3.0, 80.0)))
    cached_slowdown.cache_clear()
    yield
    cached_slowdown.cache_clear()


def join(name: str, state_bytes: int, probes: int = 1) -> Plan:
    return plan(
        op(10, kind="build", state_bytes=state_bytes),
        op(*[1000] * probes, kind="probe"),
        edges="0>1",
        name=name,
    )


@pytest.mark.usefixtures("simple_curve")
def test_probes_of_two_queries_compete_for_the_cache() -> None:
    # Each table is as large as the cache: 40 ns. Together they are twice as large, so each is
    # probed as if it were twice as large: 60 ns, × 60/40.
    simulation = run(
        trace(join("a", 1000), join("b", 1000)), executors_per_node=2, cache_bytes=1000
    )
    assert durations(simulation, query=0, operator=1) == [1500]
    assert durations(simulation, query=1, operator=1) == [1500]


@pytest.mark.usefixtures("simple_curve")
def test_tables_that_fit_the_cache_together_do_not_slow_each_other() -> None:
    simulation = run(trace(join("a", 500), join("b", 500)), executors_per_node=2, cache_bytes=1000)
    assert durations(simulation, query=0, operator=1) == [1000]


@pytest.mark.usefixtures("simple_curve")
def test_one_table_probed_by_two_executors_is_cached_once() -> None:
    simulation = run(trace(join("a", 1000, probes=2)), executors_per_node=2, cache_bytes=1000)
    assert durations(simulation, operator=1) == [1000, 1000]


@pytest.mark.usefixtures("simple_curve")
def test_the_tables_of_one_pipeline_compete_with_each_other() -> None:
    # Two probes in one pipeline, each of a table as large as the cache: both × 60/40.
    two = plan(
        op(10, kind="build", state_bytes=1000),
        op(10, kind="build", state_bytes=1000),
        op(1000, kind="probe"),
        op(1000, kind="probe"),
        edges="0>2 1>3 2-3",
    )
    decide = script(give((0, 0), (0, 1)), then=in_order(degree=9))
    assert durations(run(trace(two), decide, cache_bytes=1000), operator=2) == [3000]
    alone = run(trace(two), in_order(degree=1), cache_bytes=1000)
    assert durations(alone, operator=2) == durations(alone, operator=3) == [1000]


@pytest.mark.usefixtures("simple_curve")
def test_tables_on_different_nodes_do_not_compete() -> None:
    both = trace(join("a", 1000), join("b", 1000))
    simulation = run(both, num_nodes=2, executors_per_node=1, cache_bytes=1000)
    assert durations(simulation, query=0, operator=1) == [1000]


# R9: memory


def memory_by_event(the_trace: Trace, **cluster: object) -> list[tuple[int, int]]:
    """(time, bytes held) at each scheduling event, asked for every 10 µs."""
    seen: list[tuple[int, int]] = []

    def decide(view: ClusterView) -> Schedule:
        seen.append((view.now_us, sum(view.memory_used_bytes)))
        assert seen[-1][1] == sum(query.memory_bytes for query in view.queries)
        allocations = list(in_order()(view))
        return Schedule(allocations, until_us=view.now_us + 10 - view.now_us % 10)

    run(the_trace, decide, memory_bytes=10**6, executors_per_node=1, **cluster)
    return seen


def test_state_grows_with_completed_work_orders_and_is_released_by_its_last_consumer() -> None:
    # 1000 bytes over three work orders: 333, 666, 1000; held until both consumers are complete.
    the_plan = plan(op(10, 10, 10, state_bytes=1000, kind="build"), op(10), op(10), edges="0>1 0>2")
    seen = memory_by_event(trace(the_plan, (plan(op(10), name="later"), 55)))
    assert seen[:6] == [(0, 0), (10, 333), (20, 666), (30, 1000), (40, 1000), (55, 0)]


def test_a_sink_gives_its_state_back_at_once_and_a_cut_output_is_held() -> None:
    # 0 writes 600 bytes in two work orders, read by 1 until 30; 1 is a sink with a state of 50.
    the_plan = plan(op(10, 10, output_bytes=600), op(10, 10, state_bytes=50), edges="0-1")
    seen = memory_by_event(trace(the_plan, (plan(op(10), name="later"), 45)))
    assert seen[:5] == [(0, 0), (10, 300), (20, 600), (30, 625), (45, 0)]


def test_outputs_behind_breakers_or_inside_pipelines_are_not_held() -> None:
    the_plan = plan(op(10, output_bytes=600), op(10), edges="0>1")
    assert memory_by_event(trace(the_plan))[1] == (10, 0)


def test_size_multiplies_state() -> None:
    the_plan = plan(op(10, state_bytes=100), op(10), edges="0>1")
    seen = memory_by_event(trace(the_plan, size_factor=3.0))
    assert (30, 300) in seen


def build_then_probe(probe_us: int = 100) -> Plan:
    return plan(
        op(10, kind="build", state_bytes=1000), op(probe_us, kind="probe"), edges="0>1", name="join"
    )


def test_state_beyond_the_budget_is_written_and_read_at_disk_bandwidth() -> None:
    # 1000 bytes held, 500 fit: half of the 1000 probed are written and read at 10 bytes/µs:
    # 2 × 500 ÷ 10 = 100 µs.
    spilling = {"memory_bytes": 500, "spill_bytes_per_s": 10 * MB_PER_S}
    simulation = run(trace(build_then_probe()), **spilling)  # type: ignore[arg-type]
    assert durations(simulation, operator=1) == [200]
    capped = run(trace(build_then_probe()), max_spill_factor=1.5, **spilling)  # type: ignore[arg-type]
    assert durations(capped, operator=1) == [150]


def test_spilling_executors_share_the_disk_and_operators_without_state_are_not_slowed() -> None:
    # Beside a scan the probe has half of the disk: 200 µs more.
    both = trace((build_then_probe(), 0), (plan(op(300, kind="scan"), name="scan"), 10))
    simulation = run(both, executors_per_node=2, memory_bytes=500, spill_bytes_per_s=10 * MB_PER_S)
    assert durations(simulation, query=0, operator=1) == [300]
    assert durations(simulation, query=1) == [300]


def test_memory_is_held_while_a_query_is_preempted_and_slows_others() -> None:
    # Query 0 has built 1000 bytes and waits. Query 1's own 1000, alone within the budget of 1000,
    # no longer fit: of 2000 bytes 1000 do not. 2 × 500 ÷ 10 = 100 µs.
    decide = script(give((0, 0)), give((1, 0)), give((1, 1)), then=in_order())
    both = trace(build_then_probe(), build_then_probe())
    simulation = run(
        both, decide, executors_per_node=1, memory_bytes=1000, spill_bytes_per_s=10 * MB_PER_S
    )
    assert durations(simulation, query=1, operator=1) == [200]
    assert durations(simulation, query=0, operator=1) == [100]


def test_without_a_budget_nothing_is_counted() -> None:
    simulation = run(trace(build_then_probe()))
    assert simulation.view.memory_used_bytes == [0]
    assert durations(simulation, operator=1) == [100]


def test_records_carry_the_submission_and_its_times_in_seconds() -> None:
    one = Trace(
        name="tenant",
        plans=(plan(op(10)),),
        queries=(Query(query_id=7, plan="plan", arrival_us=3, tenant="a", query_class="b"),),
    )
    record = run(one).records[0]
    assert (record.query_id, record.tenant, record.query_class) == (7, "a", "b")
    assert (record.arrival_s, record.start_s, record.completion_s) == (3e-6, 3e-6, 13e-6)
