"""What a batch of simulations shows of itself: the table of all columns.

Compiled code is made from this table (sim/fast_engine/batch_layout.py), views read their columns by
it, and tests go through it. All of it is what schedulers see one by one (R10): ``sim/view.py``.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from traces import KINDS

Group = Literal["simulations", "queries", "operators", "edges"]
Type = Literal["int64", "float64", "bool"]

KIND_NAMES = tuple(KINDS)
"""Operator kinds by index; a kind that is none of these has the index after the last."""
NUM_KINDS = len(KIND_NAMES) + 1


class Field(NamedTuple):
    """A column.

    Attributes:
        group: what has one row each; columns of a group have one element per row.
        name, unit, dtype: of the column.
        meaning: in words.
        is_per_node: whether it has one element per row and node of the cluster.
    """

    group: Group
    name: str
    unit: str
    dtype: Type
    meaning: str
    is_per_node: bool = False


FIELDS = (
    Field("simulations", "simulation", "index", "int64", "its place in the batch"),
    Field("simulations", "now_us", "µs", "int64", "time of its scheduling event"),
    Field("simulations", "num_executors", "executors", "int64", "that are there now"),
    Field("simulations", "num_free", "executors", "int64", "that run nothing"),
    Field("simulations", "correction", "ratio", "float64",
          "observed ÷ estimated work of all completed queries; 1 before the first"),
    Field("simulations", "num_executors_on", "executors", "int64",
          "that are there now, per node", is_per_node=True),
    Field("simulations", "memory_used_bytes", "bytes", "int64",
          "states and cut outputs, per node; 0 without a memory budget", is_per_node=True),
    Field("queries", "simulation", "row", "int64", "its simulation, in this view"),
    Field("queries", "first_operator", "row", "int64", "the first of its operators, in this view"),
    Field("queries", "num_operators", "operators", "int64", "in its plan; rows one after another"),
    Field("queries", "slot", "index", "int64", "its place in the simulation's arrays"),
    Field("queries", "serial", "number", "int64", "how many queries arrived before it"),
    Field("queries", "query_id", "number", "int64", "as in the trace"),
    Field("queries", "plan", "index", "int64", "its plan, in PlanTable"),
    Field("queries", "tenant", "index", "int64", "its tenant, in BatchView.tenants"),
    Field("queries", "query_class", "index", "int64", "its class, in BatchView.query_classes"),
    Field("queries", "size_factor", "ratio", "float64", "its visible size"),
    Field("queries", "arrival_us", "µs", "int64", "when it arrived"),
    Field("queries", "start_us", "µs", "int64", "when its first work order started, -1 before"),
    Field("queries", "num_executors", "executors", "int64", "that work for it"),
    Field("queries", "num_local_free", "executors", "int64", "free, whose last work was for it"),
    Field("queries", "busy_us", "µs", "int64", "executor time of completed work orders"),
    Field("queries", "memory_bytes", "bytes", "int64", "it holds; 0 without a memory budget"),
    Field("queries", "est_state_bytes", "bytes", "int64", "estimated, of operators not complete"),
    Field("queries", "num_past_runs", "queries", "int64",
          "completed ones of its template, else of its plan; 0 without history"),
    Field("queries", "est_remaining_us", "µs", "float64", "work not done, by estimates"),
    Field("queries", "observed_remaining_us", "µs", "float64", "work not done, size=observed"),
    Field("queries", "history_remaining_us", "µs", "float64", "work not done, size=history"),
    Field("operators", "query", "row", "int64", "its query, in this view"),
    Field("operators", "slot", "index", "int64", "its place in the simulation's arrays"),
    Field("operators", "index", "index", "int64", "its place in the plan"),
    Field("operators", "plan_operator", "index", "int64", "the operator of a plan, in PlanTable"),
    Field("operators", "kind", "index", "int64", "its kind, in KIND_NAMES; one more: none of them"),
    Field("operators", "root", "row", "int64", "the root of its pipeline, -1 before it started"),
    Field("operators", "num_work_orders", "work orders", "int64", "in all"),
    Field("operators", "num_unclaimed", "work orders", "int64", "that have not been started"),
    Field("operators", "num_running", "work orders", "int64", "that run"),
    Field("operators", "num_done", "work orders", "int64", "that are done"),
    Field("operators", "num_executors", "executors", "int64", "that work on its pipeline"),
    Field("operators", "is_schedulable", "", "bool", "may be an execution root now (R4)"),
    Field("operators", "is_started", "", "bool", "its pipeline has started"),
    Field("operators", "is_complete", "", "bool", "all work orders are done"),
    Field("operators", "est_work_order_us", "µs", "float64", "estimated time of a work order"),
    Field("operators", "observed_work_order_us", "µs", "float64",
          "mean of this query's completed work orders; before the first, the estimate"),
    Field("operators", "history_work_order_us", "µs", "float64",
          "mean over completed queries of its template, else of its plan; NaN if there are none"),
    Field("operators", "est_remaining_us", "µs", "float64", "work not done, by estimates"),
    Field("operators", "history_remaining_us", "µs", "float64", "work not done, size=history"),
    Field("operators", "est_critical_path_us", "µs", "float64",
          "work not done on the heaviest path from it to the end, by estimates"),
    Field("operators", "history_critical_path_us", "µs", "float64", "likewise, size=history"),
    Field("operators", "est_state_bytes", "bytes", "int64", "estimated state that it builds"),
    Field("operators", "est_output_bytes", "bytes", "int64", "estimated output"),
    Field("operators", "memory_bytes", "bytes", "int64", "it holds; 0 without a memory budget"),
    Field("edges", "producer", "row", "int64", "the operator whose output is read, in this view"),
    Field("edges", "consumer", "row", "int64", "the operator that reads it, in this view"),
    Field("edges", "is_breaking", "", "bool", "the consumer waits for the whole producer"),
)  # fmt: skip
"""All columns. A unit ``row``: the number of a row in one of the groups of the same view."""


def names_of(group: Group) -> list[str]:
    """Names of a group's columns."""
    return [field.name for field in FIELDS if field.group == group]


def field_table() -> str:
    """The table in Markdown."""
    rows = ["| rows | column | type | unit | meaning |", "|---|---|---|---|---|"]
    for field in FIELDS:
        dtype = f"{field.dtype} × nodes" if field.is_per_node else field.dtype
        name = f"`{field.name}`"
        rows.append(f"| {field.group} | {name} | {dtype} | {field.unit or '–'} | {field.meaning} |")
    return "\n".join(rows)
