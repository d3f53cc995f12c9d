"""The pictures of docs/model.md, from real simulations.

Run with ``python benchmarks/model_pictures.py DIRECTORY``; it takes some seconds. The first two
are of the annotated trace of docs/traces.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

import sim
import traces
from lsched.plots.files import save
from lsched.plots.plan import plan_graph
from lsched.plots.style import COLOURS, add_axes, marker
from traces import Operator, Plan, Query, Trace

ROOT = Path(__file__).parent.parent
CLUSTER = sim.Cluster(executors_per_node=2, move_delay_us=500)
"""Of docs/model.md."""
SERVER = sim.preset("inmemory-32").replace(move_delay_us=0, memory_bytes=None)
RULES = ("fifo", "srpt")
MS = 1_000
WHOLE = "fifo:pipeline=always"


class Limited:
    """The only query holds so many executors."""

    def __init__(self, num_executors: int) -> None:
        self._num_executors = num_executors

    def decide(self, view: sim.ClusterView) -> list[sim.Allocation]:
        """Everything that is schedulable, in whole pipelines."""
        return [
            sim.Allocation(operator, self._num_executors, len(operator.pipeline))
            for query in view.queries
            for operator in query.schedulable
        ]


def annotated_trace(directory: Path) -> Trace:
    """The trace of docs/traces.md."""
    page = (ROOT / "docs" / "traces.md").read_text()
    file = directory / "tiny.jsonl"
    file.write_text(page.split("```jsonl\n")[1].split("```")[0])
    trace = traces.load(file)
    file.unlink()
    return trace


def alone(plan: Plan) -> Trace:
    """One query of a plan."""
    return Trace(
        name="alone", plans=(plan,), queries=(Query(query_id=0, plan=plan.name, arrival_us=0),)
    )


def schedules(trace: Trace) -> Figure:
    """What two executors do under two rules: a bar per task, named after its pipeline."""
    figure = Figure(figsize=(9.0, 4.4), layout="constrained")
    for index, rule in enumerate(RULES, start=1):
        axes = add_axes(figure, 2, 1, index)
        result = sim.simulate(trace, rule, cluster=CLUSTER, record_events=True)
        draw_tasks(axes, trace, result)
        mean_ms = result.summary()["mean_latency_s"] * MS
        axes.set_title(f"{rule}: mean latency {mean_ms:g} ms", loc="left", fontsize="medium")
    axes.set_xlabel("time (ms)")
    return figure


def draw_tasks(axes: Axes, trace: Trace, result: sim.Result) -> None:
    """Bars of tasks; the part that is a move is hatched; arrivals and completions are marked."""
    plans = {query.query_id: trace.plan(query.plan) for query in trace.queries}
    last_query: dict[int, int] = {}
    running: dict[int, sim.Event] = {}
    for event in result.events or ():
        colour = COLOURS[event.query_id % len(COLOURS)]
        if event.kind == "start":
            running[event.executor] = event
        elif event.kind == "finish":
            begun = running.pop(event.executor)
            from_ms, length_ms = begun.time_us / MS, (event.time_us - begun.time_us) / MS
            axes.barh(event.executor, length_ms, 0.8, from_ms, color=colour, edgecolor="white")
            if last_query.get(event.executor) != event.query_id:
                move_ms = CLUSTER.move_delay_us / MS
                axes.barh(
                    event.executor,
                    move_ms,
                    0.8,
                    from_ms,
                    color="white",
                    edgecolor=colour,
                    hatch="////",
                )
            last_query[event.executor] = event.query_id
            name = " → ".join(pipeline(plans[event.query_id], event.operator, event.degree))
            axes.text(
                from_ms + length_ms / 2,
                event.executor,
                f"{plans[event.query_id].name}\n{name}" if length_ms > 1 else name,
                ha="center",
                va="center",
                fontsize=7,
                color="white",
            )
        elif event.kind in ("arrive", "complete"):
            text = f"{plans[event.query_id].name} {event.kind}s"
            axes.annotate(
                text,
                (event.time_us / MS, -0.45),
                (0, 9),
                textcoords="offset points",
                color=colour,
                fontsize=7,
                ha="center",
                arrowprops={"arrowstyle": "-", "color": colour},
            )
    axes.set_xlim(-0.8, 19.2)
    axes.set_xticks(range(0, 20, 2))
    axes.set_ylim(1.5, -0.9)
    axes.set_yticks([0, 1], ["executor 0", "executor 1"])
    axes.grid(False)


def pipeline(plan: Plan, root: int, degree: int) -> list[str]:
    """Kinds of the operators that run together."""
    kinds = [plan.operators[root].kind]
    while len(kinds) < degree:
        (edge,) = plan.outputs[root]
        root = edge.consumer
        kinds.append(plan.operators[root].kind)
    return kinds


def times() -> Figure:
    """What makes work orders take longer than recorded."""
    figure = Figure(figsize=(9.0, 7.2), layout="constrained")
    draw_speedup(add_axes(figure, 2, 2, 1))
    draw_cuts(add_axes(figure, 2, 2, 2))
    draw_spilling(add_axes(figure, 2, 2, 3))
    draw_moves(add_axes(figure, 2, 2, 4))
    return figure


def latency_s(trace: Trace, scheduler: str | Limited, cluster: sim.Cluster) -> float:
    """Of the only query."""
    return sim.simulate(trace, scheduler, cluster=cluster).queries[0].latency_s


def draw_speedup(axes: Axes) -> None:
    """How much sooner a query of one operator ends on more executors."""
    counts = (1, 2, 4, 8, 12, 16, 20, 24, 28, 32)
    axes.plot(counts, counts, color="0.6", linestyle=":", label="ideal")
    for index, kind in enumerate(("scan", "build", "aggregate", "sort")):
        operator = Operator(kind=kind, num_work_orders=3360, work_order_us=(10_000,))
        trace = alone(Plan(name=kind, operators=(operator,)))
        latencies = [latency_s(trace, Limited(count), SERVER) for count in counts]
        speedups = [latencies[0] / latency for latency in latencies]
        axes.plot(counts, speedups, color=COLOURS[index], marker=marker(index), ms=4, label=kind)
    finish(axes, "parallelism", "executors of the query", "speed-up")


def draw_cuts(axes: Axes) -> None:
    """What a pipeline that is cut after each operator costs, alone, query by query."""
    tpch = traces.load("tpch")
    for index, name in enumerate(("inmemory-32", "warehouse-4x16")):
        cluster = sim.preset(name).replace(memory_bytes=None)
        ratios = sorted(
            latency_s(alone(plan), "fifo:pipeline=never", cluster)
            / latency_s(alone(plan), WHOLE, cluster)
            for plan in tpch.plans
        )
        places = range(1, len(ratios) + 1)
        axes.plot(
            places, ratios, color=COLOURS[index], marker=marker(index), ms=4, ls="", label=name
        )
    axes.axhline(1.0, color="0.6", linestyle=":")
    finish(
        axes, "cutting pipelines", "queries of TPC-H, sorted", "latency ÷ that of whole pipelines"
    )


def draw_spilling(axes: Axes) -> None:
    """What too little memory costs a query alone."""
    tpch = traces.load("tpch")
    shares = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1)
    for index, name in enumerate(("q4", "q13", "q21")):
        trace = alone(tpch.plan(name))
        ample = sim.simulate(trace, WHOLE, cluster=sim.preset("inmemory-32"))
        budgets = [int(share * ample.peak_memory_bytes) for share in shares]
        ratios = [
            latency_s(trace, WHOLE, sim.preset("inmemory-32").replace(memory_bytes=budget))
            / ample.queries[0].latency_s
            for budget in budgets
        ]
        label = f"{name}, {ample.peak_memory_bytes / 1e6:.0f} MB"
        axes.plot(shares, ratios, color=COLOURS[index], marker=marker(index), ms=4, label=label)
    finish(axes, "memory", "memory ÷ what the query holds at most", "latency ÷ with enough memory")


def draw_moves(axes: Axes) -> None:
    """How much executor time goes into moves, by rule."""
    tpch = traces.load("tpch")
    run = traces.poisson_arrivals(
        tpch, load=0.7, num_executors=32, num_queries=100, scale=1.0, seed=0
    )
    delays_us = (0, 50, 150, 300, 500, 1000, 1500)
    for index, rule in enumerate(("fifo", "fair", "stride")):
        shares = []
        for delay_us in delays_us:
            cluster = sim.preset("inmemory-32").replace(move_delay_us=delay_us)
            queries = sim.simulate(run, rule, cluster=cluster).queries
            delay_s, work_s = sum(q.delay_s for q in queries), sum(q.work_s for q in queries)
            shares.append(100 * delay_s / (delay_s + work_s))
        milliseconds = [delay_us / MS for delay_us in delays_us]
        axes.plot(
            milliseconds, shares, color=COLOURS[index], marker=marker(index), ms=4, label=rule
        )
    finish(axes, "moves", "delay of a move (ms)", "executor time that goes into moves (%)")


def finish(axes: Axes, title: str, x: str, y: str) -> None:
    """Title, labels and legend of a panel."""
    axes.set_title(title, loc="left", fontsize="medium")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.legend(frameon=False, fontsize="small")


def main(arguments: Sequence[str]) -> None:
    """Write the pictures to the directory that is named."""
    directory = Path(arguments[0])
    trace = annotated_trace(directory)
    save(plan_graph(trace.plan("join")), directory / "model-plan.png")
    save(schedules(trace), directory / "model-schedule.png")
    save(times(), directory / "model-times.png")


if __name__ == "__main__":
    main(sys.argv[1:])
