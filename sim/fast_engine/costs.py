"""How long the tasks of a pipeline take (R9): what the formulas are applied to, in which order."""

from __future__ import annotations

from sim.fast_engine.compile import compiled
from sim.fast_engine.layout import NONE, World
from sim.fast_engine.profiles import profile_us
from sim.formulas import (
    first_of_share,
    interference,
    parallelism,
    remote_share,
    rounded_us,
    spill_us,
    transfer_us,
)
from traces.cache import probe_slowdown


@compiled
def prepare(world: World, root: int) -> None:
    """Fill in what is known when a pipeline starts; all its other inputs are complete."""
    cluster, pipeline = world.cluster[0], world.operators[root]
    first = world.plan_operators[pipeline.plan_operator]
    if not (first.has_waves and first.has_fresh):
        pipeline.warm_up_us = cluster.warm_up_us
    if cluster.is_plain:
        return
    query = world.queries[pipeline.query]
    slot = last = root
    while slot >= 0:
        member = world.operators[slot]
        kind = world.plan_operators[member.plan_operator]
        for at in range(kind.first_streaming, kind.first_streaming + kind.num_streaming):
            producer = query.base_slot + world.neighbours[at]
            if world.operators[producer].root != root:
                _add_read(world, root, producer, world.operators[producer].output_bytes, True)
        for at in range(kind.first_breaking, kind.first_breaking + kind.num_breaking):
            producer = query.base_slot + world.neighbours[at]
            # A probe reads the table that it looks up, anything else the output.
            num_bytes = world.operators[producer].output_bytes
            if kind.is_probe:
                num_bytes = world.operators[producer].state_bytes
            _add_read(world, root, producer, num_bytes, False)
        last, slot = slot, member.next_member
    is_cut = world.plan_operators[world.operators[last].plan_operator].has_streaming_output
    if is_cut and cluster.has_intermediate:
        written = float(world.operators[last].output_bytes)
        per_task = transfer_us(written, pipeline.num_tasks, cluster.intermediate_bytes_per_s)
        for node in range(cluster.num_nodes):
            world.operator_nodes[root, node].transfer_us += per_task
    if cluster.has_memory:
        slot = root
        while slot >= 0:
            member = world.operators[slot]
            member.grant_bytes = member.state_bytes
            if is_cut and slot == last:
                member.grant_bytes += member.output_bytes
            slot = member.next_member


@compiled
def _add_read(world: World, root: int, producer: int, num_bytes: int, is_cut: bool) -> None:
    """Reading from a completed producer: by network if elsewhere, from memory if cut."""
    cluster, source = world.cluster[0], world.operators[producer].root
    num_tasks = world.operators[root].num_tasks
    for node in range(cluster.num_nodes):
        here = world.operator_nodes[root, node]
        remote = 0.0
        if cluster.has_network and cluster.num_nodes > 1:
            tasks_on = world.operator_nodes[source, node].tasks_on
            remote = remote_share(tasks_on, world.operators[source].num_tasks)
            here.transfer_us += transfer_us(
                num_bytes * remote, num_tasks, cluster.network_bytes_per_s
            )
        if is_cut and cluster.has_intermediate:
            here.transfer_us += transfer_us(
                num_bytes * (1.0 - remote), num_tasks, cluster.intermediate_bytes_per_s
            )


@compiled
def move_us(world: World, root: int, slot: int, node: int) -> int:
    """Bring an executor of a node to a query; the delay it pays: move, and warm-up, µs."""
    cluster, query = world.cluster[0], world.queries[slot]
    delay_us = world.operators[root].warm_up_us
    if query.num_nodes_on > 0 and not world.is_on[slot, node]:
        delay_us += cluster.move_across_delay_us
    else:
        delay_us += cluster.move_delay_us
    if not world.is_on[slot, node]:
        world.is_on[slot, node] = True
        query.num_nodes_on += 1
    query.delay_us += delay_us
    return delay_us


@compiled
def occupy(world: World, executor: int) -> None:
    """Count an executor that starts to work on its pipeline."""
    each = world.executors[executor]
    node, here = world.nodes[each.node], world.operator_nodes[each.root, each.node]
    node.num_busy += 1
    if here.num_running_on == 0:
        node.cached_bytes += world.operators[each.root].all_probed_bytes
    here.num_running_on += 1


@compiled
def vacate(world: World, executor: int) -> None:
    """Count an executor that stops working on its pipeline."""
    each = world.executors[executor]
    node, here = world.nodes[each.node], world.operator_nodes[each.root, each.node]
    node.num_busy -= 1
    here.num_running_on -= 1
    if here.num_running_on == 0:
        node.cached_bytes -= world.operators[each.root].all_probed_bytes


@compiled
def base_us(world: World, slot: int, task: int, num_tasks: int) -> int:
    """Base time of a member's share of a task, µs."""
    member = world.operators[slot]
    count = member.num_work_orders
    if count == num_tasks:
        return world.times[member.first_time + task]
    total = 0
    first = first_of_share(task, count, num_tasks)
    for at in range(first, first_of_share(task + 1, count, num_tasks)):
        total += world.times[member.first_time + at]
    return total


@compiled
def duration_us(world: World, executor: int) -> int:
    """Time of an executor's task, without delay, µs."""
    each = world.executors[executor]
    pipeline, task = world.operators[each.root], each.task
    if pipeline.is_plain:
        if pipeline.next_member == NONE:
            return world.times[pipeline.first_time + task]
        fused, slot = 0, each.root
        while slot >= 0:
            fused += base_us(world, slot, task, pipeline.num_tasks)
            slot = world.operators[slot].next_member
        return fused
    cluster, node = world.cluster[0], world.nodes[each.node]
    num_held = world.queries[each.slot].num_held
    total, slot = world.operator_nodes[each.root, each.node].transfer_us, each.root
    while slot >= 0:
        member = world.operators[slot]
        kind = world.plan_operators[member.plan_operator]
        if kind.has_waves:
            total += profile_us(world, slot, task, pipeline.num_tasks, each.wave, num_held)
        else:
            base = base_us(world, slot, task, pipeline.num_tasks)
            time = base * parallelism(num_held, kind.contention, cluster.coherency)
            time *= interference(
                cluster.interference,
                node.num_busy,
                cluster.executors_per_node,
                kind.memory_boundness,
            )
            if member.probed_bytes and cluster.has_cache:
                time *= probe_slowdown(
                    float(member.probed_bytes), float(node.cached_bytes), cluster.cache_bytes
                )
            if (
                cluster.has_memory
                and node.used_bytes > cluster.memory_bytes
                and member.touched_bytes
            ):
                time += spill_us(
                    member.touched_bytes,
                    node.used_bytes,
                    cluster.memory_bytes,
                    node.num_busy,
                    cluster.spill_bytes_per_s,
                    cluster.max_spill_factor,
                    time,
                )
            total += time
        slot = member.next_member
    return rounded_us(total)
