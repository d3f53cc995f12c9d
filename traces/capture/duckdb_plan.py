"""From a DuckDB profile to operators and edges in our sense (design.md, section 3).

Which edges break a pipeline follows from the kind of operator:

- a hash join becomes ``build`` (ends its pipeline, holds the hash table) and ``probe`` (streams);
  after a right semi or right anti join the output waits for the whole probe;
- aggregates, sorts, top-n, windows and common table expressions end their pipeline: their input
  edge does not break, their output edge does;
- other joins (``join``) stream their left input and wait for the right one; merge and
  inequality joins wait for both;
- a duplicate-eliminating join collects its input once: as the build side of its inner join
  (``RIGHT_DELIM_JOIN``) or as a ``materialize`` in front of it (``LEFT_DELIM_JOIN``). What reads
  it back, ``DELIM_SCAN`` with its distinct rows included, waits for that operator;
- a union waits for its inputs, since each has its own number of work orders;
- filters, projections, limits and all unknown operators with one input stream.

So every operator has at most one non-breaking input and one non-breaking output, and pipelines
are chains. Scans of intermediate results and the result collector do not become operators.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from traces.cache import probe_cost_ns
from traces.capture.duckdb_draft import (
    ROW_OVERHEAD_BYTES,
    DraftOperator,
    DraftPlan,
    chains,
    hash_table_bytes,
)
from traces.capture.duckdb_kinds import (
    CONSTANTS,
    DELIM_JOINS,
    OTHER_JOINS,
    SINKS,
    SORTING_JOINS,
    STREAMS,
    TRANSPARENT,
)
from traces.capture.duckdb_profile import Profile, ProfileNode
from traces.errors import TraceError
from traces.model import Edge

CACHE_BYTES = 32 << 20
"""Last-level cache of the machine on which ``traces.cache.PROBE_CURVE`` was measured."""
BUILD_NS = 35.0
"""Build side of a hash join per row (docs/design.md, section 6): splits a join's time in two."""


def draft_plan(profile: Profile) -> DraftPlan:
    """Operators, edges and pipelines of a profile.

    Raises:
        TraceError: the tree contradicts itself (a join without inputs, an unknown CTE).
    """
    drafter = _Drafter()
    for root in profile.roots:
        drafter.finish(drafter.visit(root))
    plan = drafter.plan
    if not plan.operators:
        raise TraceError("the profile has no operator that does work")
    plan.pipelines = chains(len(plan.operators), plan.edges)
    return plan


@dataclass(frozen=True)
class _Flow:
    """Rows on their way to a consumer; ``extra_s`` is time the consumer takes over."""

    producer: int | None
    is_breaking: bool
    rows: int
    est_rows: int
    width_bytes: float
    extra_s: float = 0.0


class _Drafter:
    """Walks the tree, inputs first, and appends operators in an executable order."""

    def __init__(self) -> None:
        self.plan = DraftPlan()
        self._tables: dict[str, _Flow] = {}

    def visit(self, node: ProfileNode) -> _Flow:
        kind, inputs = node.type, node.children
        if kind in TRANSPARENT and len(inputs) == 1:
            flow = self.visit(inputs[0])
            return replace(flow, extra_s=flow.extra_s + node.time_s)
        if kind in ("HASH_JOIN", *OTHER_JOINS):
            left, right = self._two(node)
            if kind == "HASH_JOIN":
                built = self._build(node, self.visit(right))
                return self._probe(node, self.visit(left), built)
            return self._join(node, self.visit(left), self.visit(right))
        if kind in DELIM_JOINS:
            return self._delim_join(node)
        if kind == "CTE":
            return self._cte(node)
        if kind in ("CTE_SCAN", "DELIM_SCAN"):
            key = f"{kind} {node.info.get('CTE Index', node.info.get('Delim Index', ''))}"
            if key not in self._tables:
                raise TraceError(f"the profile has a {key} but not the operator it reads")
            return replace(self._tables[key], extra_s=node.time_s)
        if not inputs:
            return self._leaf(node)
        flows = [self.visit(child) for child in inputs]
        if len(flows) == 1 and kind in SINKS:
            return self._sink(node, flows[0])
        operator = "union" if kind == "UNION" else STREAMS.get(kind, "other")
        index = self._add(node, operator, flows, breaking=len(flows) > 1)
        return self._out(index)

    def finish(self, flow: _Flow) -> None:
        """Credit the time of nodes above the last operator to it."""
        if flow.producer is not None:
            self.plan.operators[flow.producer].time_s += flow.extra_s

    def _leaf(self, node: ProfileNode) -> _Flow:
        if node.type in CONSTANTS:
            kind, rows_in = "other", node.rows
        else:
            kind, rows_in = "scan", max(node.rows_scanned, node.rows)
        index = self._add(node, kind, [])
        operator = self.plan.operators[index]
        operator.rows_in = operator.est_rows_in = rows_in
        operator.name = node.table or node.type.lower()
        return self._out(index)

    def _sink(self, node: ProfileNode, flow: _Flow) -> _Flow:
        index = self._add(node, SINKS[node.type], [flow])
        operator = self.plan.operators[index]
        if node.est_rows is None:
            limit = node.limit
            est_rows = flow.est_rows if operator.kind != "aggregate" else 1
            if node.type == "PERFECT_HASH_GROUP_BY":
                est_rows = flow.est_rows
            operator.est_rows_out = est_rows if limit is None else min(est_rows, limit)
        if operator.kind == "aggregate":
            width = operator.width_bytes + ROW_OVERHEAD_BYTES + 8
        else:
            width = operator.width_bytes + 8  # a key beside the row
        operator.state_bytes = int(operator.rows_out * width)
        operator.est_state_bytes = int(operator.est_rows_out * width)
        return self._out(index, is_breaking=True)

    def _build(self, node: ProfileNode, flow: _Flow) -> int:
        index = self._add(node, "build", [flow])
        operator = self.plan.operators[index]
        operator.rows_out, operator.est_rows_out = flow.rows, flow.est_rows
        operator.width_bytes = flow.width_bytes
        operator.state_bytes = hash_table_bytes(flow.rows, flow.width_bytes)
        operator.est_state_bytes = hash_table_bytes(flow.est_rows, flow.width_bytes)
        return index

    def _probe(self, node: ProfileNode, flow: _Flow, built: int) -> _Flow:
        build = self.plan.operators[built]
        index = self._add(node, "probe", [flow])
        probe = self.plan.operators[index]
        self._connect(built, index, is_breaking=True)
        extra_s = probe.time_s - node.time_s  # taken over from what it reads
        build_s = 0.0
        if build.node is node:  # a delim join's build has a time of its own in the profile
            build_s = 1e-9 * build.rows_in * BUILD_NS
            probe_s = 1e-9 * probe.rows_in * probe_cost_ns(build.state_bytes, CACHE_BYTES)
            build_s *= min(1.0, node.time_s / ((build_s + probe_s) or 1.0))
            build.time_s += build_s - node.time_s
        probe.time_s = node.time_s - build_s + extra_s
        is_right = node.info.get("Join Type", "") in ("RIGHT_SEMI", "RIGHT_ANTI")
        return self._out(index, is_breaking=is_right)

    def _join(self, node: ProfileNode, left: _Flow, right: _Flow) -> _Flow:
        sorts = node.type in SORTING_JOINS
        index = self._add(node, "join", [left], breaking=sorts)
        operator = self.plan.operators[index]
        self._take(index, right, is_breaking=True)
        operator.state_bytes = int(right.rows * right.width_bytes)
        operator.est_state_bytes = int(right.est_rows * right.width_bytes)
        return self._out(index)

    def _delim_join(self, node: ProfileNode) -> _Flow:
        if len(node.children) < 2 or len(node.children[1].children) != 2:
            raise TraceError(f"{node.type} expects an input and a join of two inputs")
        source, join = self.visit(node.children[0]), node.children[1]
        distinct = node.children[2] if len(node.children) > 2 else None
        is_right = node.type == "RIGHT_DELIM_JOIN"
        if is_right and join.type == "HASH_JOIN":
            index = self._build(node, source)
        else:
            index = self._add(node, "materialize", [source])
        operator = self.plan.operators[index]
        operator.rows_out, operator.est_rows_out = source.rows, source.est_rows
        operator.width_bytes = source.width_bytes
        operator.name = operator.name or "delim join"
        if operator.kind == "materialize":
            operator.state_bytes = int(source.rows * source.width_bytes)
            operator.est_state_bytes = int(source.est_rows * source.width_bytes)
        collected = self._out(index, is_breaking=True)
        reads = collected
        if distinct is not None:
            operator.time_s += sum(part.time_s for part in distinct.walk())
            width = distinct.output_bytes / distinct.rows if distinct.rows else 8.0
            est_rows = distinct.est_rows if distinct.est_rows is not None else source.est_rows
            operator.state_bytes += int(distinct.rows * (width + ROW_OVERHEAD_BYTES + 8))
            operator.est_state_bytes += int(est_rows * (width + ROW_OVERHEAD_BYTES + 8))
            reads = _Flow(index, True, distinct.rows, est_rows, width)
        self._tables[f"DELIM_SCAN {node.info.get('Delim Index', '')}"] = reads
        left, right = join.children
        if is_right:
            flow = self.visit(left)
            if join.type == "HASH_JOIN":
                return self._probe(join, flow, index)
            return self._join(join, flow, replace(collected, extra_s=right.time_s))
        cached = replace(collected, extra_s=left.time_s)
        if join.type == "HASH_JOIN":
            return self._probe(join, cached, self._build(join, self.visit(right)))
        return self._join(join, cached, self.visit(right))

    def _cte(self, node: ProfileNode) -> _Flow:
        definition, body = self._two(node)
        flow = self.visit(definition)
        index = self._add(node, "materialize", [flow])
        operator = self.plan.operators[index]
        operator.name = node.info.get("CTE Name", "")
        operator.rows_out, operator.est_rows_out = flow.rows, flow.est_rows
        operator.width_bytes = flow.width_bytes
        operator.state_bytes = int(flow.rows * flow.width_bytes)
        operator.est_state_bytes = int(flow.est_rows * flow.width_bytes)
        key = node.info.get("Table Index", node.info.get("CTE Index", ""))
        self._tables[f"CTE_SCAN {key}"] = self._out(index, is_breaking=True)
        return self.visit(body)

    def _two(self, node: ProfileNode) -> tuple[ProfileNode, ProfileNode]:
        if len(node.children) != 2:
            raise TraceError(f"{node.type} has {len(node.children)} inputs, expected 2")
        return node.children[0], node.children[1]

    def _add(self, node: ProfileNode, kind: str, flows: list[_Flow], breaking: bool = False) -> int:
        est_in = sum(flow.est_rows for flow in flows)
        width = node.output_bytes / node.rows if node.rows else 0.0
        index = len(self.plan.operators)
        self.plan.operators.append(
            DraftOperator(
                kind=kind,
                name=_label(node),
                time_s=node.time_s,
                rows_in=sum(flow.rows for flow in flows),
                est_rows_in=est_in,
                rows_out=node.rows,
                est_rows_out=node.est_rows if node.est_rows is not None else est_in,
                width_bytes=width or max((flow.width_bytes for flow in flows), default=8.0),
                node=node,
            )
        )
        for flow in flows:
            self._take(index, flow, is_breaking=breaking or flow.is_breaking)
        return index

    def _take(self, index: int, flow: _Flow, is_breaking: bool) -> None:
        self.plan.operators[index].time_s += flow.extra_s
        if flow.producer is not None:
            self._connect(flow.producer, index, is_breaking)

    def _connect(self, producer: int, consumer: int, is_breaking: bool) -> None:
        if all((edge.producer, edge.consumer) != (producer, consumer) for edge in self.plan.edges):
            self.plan.edges.append(Edge(producer, consumer, is_breaking))

    def _out(self, index: int, is_breaking: bool = False) -> _Flow:
        operator = self.plan.operators[index]
        return _Flow(
            index, is_breaking, operator.rows_out, operator.est_rows_out, operator.width_bytes
        )


def _label(node: ProfileNode) -> str:
    for key in ("Conditions", "Expression", "CTE Name"):
        if text := node.info.get(key):
            text = " ".join(text.split())
            return text if len(text) <= 60 else text[:59] + "…"
    return ""
