"""Pipelines under way: their start, their tasks, their end (R4, R5)."""

from __future__ import annotations

import numpy as np

from sim.fast_engine.compile import compiled
from sim.fast_engine.costs import base_us, move_us, occupy, prepare
from sim.fast_engine.future import count_future, is_seen
from sim.fast_engine.layout import NONE, World
from sim.fast_engine.memory import grow, release
from sim.workload import FIRST, FRESH, REST


@compiled
def start(world: World, root: int, degree: int) -> None:
    """Start the pipeline of up to ``degree`` operators whose root is at slot ``root``."""
    run, cluster, pipeline = world.run[0], world.cluster[0], world.operators[root]
    query = world.queries[pipeline.query]
    pipeline.is_plain = cluster.is_plain
    pipeline.num_members = pipeline.has_waves = pipeline.all_probed_bytes = 0
    slot = root
    while True:
        member = world.operators[slot]
        kind = world.plan_operators[member.plan_operator]
        member.root, member.next_member, member.probed_bytes = root, NONE, 0
        if kind.is_probe:
            for at in range(kind.first_breaking, kind.first_breaking + kind.num_breaking):
                built = world.operators[query.base_slot + world.neighbours[at]]
                member.probed_bytes += built.state_bytes
        touch(world, root, slot)
        pipeline.num_members += 1
        pipeline.all_probed_bytes += member.probed_bytes
        if kind.has_waves:
            pipeline.has_waves = 1
        if kind.has_waves or kind.contention != 0.0:
            pipeline.is_plain = 0
        after = query.base_slot + kind.pipeline_next
        # Of the missing producers one is the operator before it in the chain.
        if (
            pipeline.num_members == degree
            or kind.pipeline_next < 0
            or world.operators[after].missing_producers > 1
        ):
            break
        member.next_member = slot = after
    prepare(world, root)
    if query.start_us < 0:
        query.start_us = run.now_us


@compiled
def touch(world: World, root: int, slot: int) -> None:
    """Work out what a task of a pipeline touches of one of its operators."""
    member = world.operators[slot]
    touched = float(member.state_bytes + member.probed_bytes)
    member.touched_bytes = touched / world.operators[root].num_tasks


@compiled
def resize(world: World, roots: np.ndarray) -> None:
    """Work out again what follows from the sizes of started pipelines, which are others now.

    Operators are granted no less than they have grown to.
    """
    for root in roots:
        for node in range(world.cluster[0].num_nodes):
            world.operator_nodes[root, node].transfer_us = 0.0
        prepare(world, root)
        slot = root
        while slot >= 0:
            member = world.operators[slot]
            touch(world, root, slot)
            member.grant_bytes = max(member.grant_bytes, member.grown_bytes)
            slot = member.next_member


@compiled
def claim(world: World, executor: int, root: int, slot: int, degree: int) -> None:
    """An executor takes the next task of a pipeline, which starts if it has not; see ``begin``."""
    run, each, pipeline = world.run[0], world.executors[executor], world.operators[root]
    if pipeline.root < 0:
        start(world, root, degree)
    word, bit = executor >> 6, 1 << (executor & 63)
    if each.slot == slot:
        each.delay_us = 0
        is_known = pipeline.has_waves and world.known[root, word] & bit
        each.wave = REST if is_known else FIRST
    else:
        each.delay_us = move_us(world, root, slot, each.node)
        each.slot, each.wave = slot, FRESH
    if pipeline.has_waves:
        world.known[root, word] |= bit
    each.root, each.task = root, take_task(world, root)
    if world.cluster[0].is_contextual:
        occupy(world, executor)
    world.queries[slot].num_held += 1
    world.going_on[run.num_going_on] = executor
    run.num_going_on += 1


@compiled
def take_task(world: World, root: int) -> int:
    """The unclaimed task with the lowest index is claimed (R13)."""
    pipeline = world.operators[root]
    pipeline.next_task += 1
    at = pipeline.first_returned
    if at < 0:
        task: int = pipeline.num_tasks - pipeline.num_untouched
        pipeline.num_untouched -= 1
        return task
    lost = world.returned[at]
    pipeline.first_returned, lost.after = lost.after, world.run[0].first_returned
    world.run[0].first_returned = at
    return lost.task


@compiled
def put_back(world: World, root: int, task: int) -> None:
    """A claimed task will not complete; it is unclaimed again (R13)."""
    run, pipeline, returned = world.run[0], world.operators[root], world.returned
    pipeline.next_task -= 1
    pipeline.has_lost = 1
    at = run.first_returned
    if at >= 0:
        run.first_returned = returned[at].after
    else:
        at = run.num_returned
        run.num_returned += 1
    before, after = NONE, pipeline.first_returned
    while after >= 0 and returned[after].task < task:
        before, after = after, returned[after].after
    returned[at].task, returned[at].after = task, after
    if before < 0:
        pipeline.first_returned = at
    else:
        returned[before].after = at


@compiled
def count_done(world: World, executor: int) -> None:
    """What an executor runs is done: where it ran, what it leaves in memory, what was observed."""
    each = world.executors[executor]
    pipeline = world.operators[each.root]
    cluster = world.cluster[0]
    pipeline.busy_us += each.duration_us
    pipeline.num_done += 1
    if is_seen(world):
        count_future(world, each.root, each.task)
    if cluster.is_tracked:
        world.operator_nodes[each.root, each.node].tasks_on += 1
    if pipeline.next_member < 0 and not cluster.has_memory:
        return
    slot = each.root
    while slot >= 0:
        member = world.operators[slot]
        if member.grant_bytes:
            grow(world, slot, each.node, pipeline.num_done, pipeline.num_tasks)
        if pipeline.num_members > 1:
            member.done_base_us += base_us(world, slot, each.task, pipeline.num_tasks)
        slot = member.next_member


@compiled
def complete(world: World, root: int) -> None:
    """All tasks are done: free what that makes unnecessary, ready what waited for it."""
    query = world.queries[world.operators[root].query]
    slot = root
    while slot >= 0:
        member = world.operators[slot]
        kind = world.plan_operators[member.plan_operator]
        member.is_complete, member.is_ready = 1, 0
        query.num_incomplete -= 1
        if kind.num_consumers == 0:
            release(world, slot)
        for at in range(kind.first_consumer, kind.first_consumer + kind.num_consumers):
            consumer = world.operators[query.base_slot + world.neighbours[at]]
            consumer.missing_producers -= 1
            if consumer.missing_producers == 0 and consumer.root < 0:
                consumer.is_ready = 1
        for at in range(kind.first_producer, kind.first_producer + kind.num_producers):
            producer = query.base_slot + world.neighbours[at]
            world.operators[producer].missing_consumers -= 1
            if world.operators[producer].missing_consumers == 0:
                release(world, producer)
        slot = member.next_member
