"""What does not change during a run: plans and the cluster, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from sim.bounds.speedup import Speedup, speedups_of
from sim.cluster import Cluster
from sim.fast_engine.layout import CLUSTER, INT, NONE, PLAN, PLAN_OPERATOR, SPEEDUP, WAVE
from sim.workload import CompiledPlan, has_fresh
from traces.model import Operator


class Tables(NamedTuple):
    """Plans as arrays, as in ``World``; ``times`` are the recorded ones of all plans."""

    plans: np.ndarray
    plan_operators: np.ndarray
    neighbours: np.ndarray
    waves: np.ndarray
    wave_times: np.ndarray
    speedups: np.ndarray
    times: np.ndarray


def plan_tables(plans: Sequence[CompiledPlan], cluster: Cluster) -> Tables:
    """The arrays of the plans of a trace, in their order."""
    neighbours, waves, wave_times = list[int](), list[dict[str, int]](), list[int]()
    times, rows = list[np.ndarray](), list[dict[str, float]]()
    first_time = 0
    for plan in plans:
        for index, operator in enumerate(plan.plan.operators):
            row = _operator_row(plan, index)
            row["first_time"], row["num_times"] = first_time, len(operator.work_order_us)
            first_time += len(operator.work_order_us)
            times.append(np.array(operator.work_order_us, INT))
            _add_neighbours(row, neighbours, plan, index)
            row["first_wave"] = len(waves)
            if plan.has_waves[index]:
                _add_waves(waves, wave_times, operator)
            row["num_waves"] = len(waves) - row["first_wave"]
            rows.append(row)
    return Tables(
        plans=_plans(plans),
        plan_operators=_table(PLAN_OPERATOR, rows),
        neighbours=np.array(neighbours, INT),
        waves=_table(WAVE, waves),
        wave_times=np.array(wave_times, INT),
        speedups=_speedups(plans, cluster),
        times=np.concatenate(times),
    )


def cluster_record(
    cluster: Cluster, seed: int, *, is_logged: bool, has_history: bool
) -> np.ndarray:
    """The only element of ``World.cluster``.

    Args:
        cluster: the cluster.
        seed: for the luck of work orders (R8).
        is_logged: whether events are recorded.
        has_history: whether schedulers see completed runs (R10).
    """
    across_us = cluster.move_across_delay_us
    row: dict[str, float] = {
        "num_nodes": cluster.num_nodes,
        "executors_per_node": cluster.executors_per_node,
        "num_executors": cluster.num_executors,
        "end_us": cluster.end_us,
        "is_sticky": cluster.release == "pipeline",
        "move_delay_us": cluster.move_delay_us,
        "move_across_delay_us": cluster.move_delay_us if across_us is None else across_us,
        "warm_up_us": cluster.warm_up_us,
        "work_orders_per_batch": cluster.work_orders_per_batch,
        "is_plain": cluster.is_plain,
        "is_contextual": not cluster.is_plain or cluster.num_nodes > 1,
        "is_tracked": cluster.memory_bytes is not None or cluster.num_nodes > 1,
        "is_logged": is_logged,
        "has_history": has_history,
        "seed": seed,
        "coherency": cluster.coherency,
        "interference": cluster.interference,
        "spill_bytes_per_s": cluster.spill_bytes_per_s,
        "max_spill_factor": cluster.max_spill_factor,
    }
    for name, field in (
        ("intermediate", "intermediate_bytes_per_s"),
        ("network", "network_bytes_per_s"),
        ("cache", "cache_bytes"),
        ("memory", "memory_bytes"),
    ):
        limit = getattr(cluster, field)
        row[f"has_{name}"], row[field] = limit is not None, limit or 0
    return _table(CLUSTER, [row])


def _table(
    dtype: np.dtype, rows: Sequence[dict[str, int]] | Sequence[dict[str, float]]
) -> np.ndarray:
    """Records with all fields of ``dtype``; KeyError if a row lacks one."""
    table = np.zeros(len(rows), dtype)
    for name in dtype.names or ():
        table[name] = [row[name] for row in rows]
    return table


def _plans(plans: Sequence[CompiledPlan]) -> np.ndarray:
    sizes = [plan.num_operators for plan in plans]
    rows: list[dict[str, int]] = [
        {
            "num_operators": plan.num_operators,
            "first_operator": first,
            "has_any_waves": any(plan.has_waves),
            "num_recorded": sum(len(operator.work_order_us) for operator in plan.plan.operators),
            "num_ways": _num_ways(plan),
            "isolated_us": NONE,
        }
        for plan, first in zip(plans, accumulate(sizes, initial=0), strict=False)
    ]
    return _table(PLAN, rows)


def _num_ways(plan: CompiledPlan) -> int:
    """Operators, each times the roots that its pipeline may have."""
    ways = [1] * plan.num_operators
    for operator in plan.topological_order:
        following = plan.pipeline_next[operator]
        if following >= 0:
            ways[following] += ways[operator]
    return sum(ways)


def _operator_row(plan: CompiledPlan, index: int) -> dict[str, float]:
    operator = plan.plan.operators[index]
    est_output, est_state = operator.est_output_bytes, operator.est_state_bytes
    return {
        "num_work_orders": operator.num_work_orders,
        "is_scalable": operator.is_scalable,
        "has_waves": plan.has_waves[index],
        "has_fresh": plan.has_waves[index] and has_fresh(operator),
        "pipeline_next": plan.pipeline_next[index],
        "has_streaming_output": plan.has_streaming_output[index],
        "is_probe": plan.is_probe[index],
        "topological": plan.topological_order[index],
        "output_bytes": operator.output_bytes,
        "state_bytes": operator.state_bytes,
        "est_output_bytes": operator.output_bytes if est_output is None else est_output,
        "est_state_bytes": operator.state_bytes if est_state is None else est_state,
        "contention": plan.contention[index],
        "memory_boundness": plan.memory_boundness[index],
        "est_recorded_us": plan.est_recorded_us[index],
    }


def _add_neighbours(
    row: dict[str, float], neighbours: list[int], plan: CompiledPlan, index: int
) -> None:
    for name, of_operator in (
        ("producers", plan.producers),
        ("breaking", plan.breaking_producers),
        ("streaming", plan.streaming_producers),
        ("consumers", plan.consumers),
    ):
        row[f"first_{name.removesuffix('s')}"] = len(neighbours)
        row[f"num_{name}"] = len(of_operator[index])
        neighbours += of_operator[index]


def _add_waves(waves: list[dict[str, int]], wave_times: list[int], operator: Operator) -> None:
    for wave in operator.waves:
        row = {"num_executors": wave.num_executors}
        for name in ("fresh", "first", "rest"):
            times: tuple[int, ...] = getattr(wave, name)
            row[f"first_{name}"], row[f"num_{name}"] = len(wave_times), len(times)
            wave_times += times
        waves.append(row)


def _speedups(plans: Iterable[CompiledPlan], cluster: Cluster) -> np.ndarray:
    of_operators, of_plans = list[Speedup](), list[Speedup]()
    for plan in plans:
        each, together = speedups_of(
            plan.contention, plan.memory_boundness, plan.has_waves, cluster
        )
        of_operators += each
        of_plans.append(together)
    rows: list[dict[str, float]] = [
        {"is_linear": speedup.is_linear, "total": speedup.total}
        for speedup in (*of_operators, *of_plans)
    ]
    return _table(SPEEDUP, rows)
