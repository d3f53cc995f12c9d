"""Reading DuckDB's JSON query profiles: one operator tree from either of two schemas.

DuckDB 1.x writes ``operator_type``, ``operator_timing``, ``operator_cardinality``,
``result_set_size`` and ``latency``; DuckDB 2.0 nests the tree under ``operator`` and says
``type``, ``timing``, ``intermediate_rows``, ``intermediate_size_bytes`` and ``query.total_time``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import msgspec

from traces.errors import TraceError

MAX_ROWS = 1e12
"""Most rows an operator may claim; above it a unit is wrong."""
MAX_TIME_S = 1e6
"""Longest time an operator may claim (12 days)."""
MAX_DEPTH = 500
"""Deepest operator tree that is read; a real plan has a few dozen levels."""


@dataclass(frozen=True)
class ProfileNode:
    """One physical operator of a profile.

    Attributes:
        type: DuckDB's name, such as ``HASH_JOIN``.
        rows: rows it produced.
        output_bytes: their size in DuckDB's vectors (strings count 16 bytes each).
        time_s: time spent in it, summed over threads.
        est_rows: the optimizer's estimate of ``rows``; None where the profile has none.
        rows_scanned: rows of the table, for a scan.
        info: further facts; lists are joined with newlines.
        children: its inputs; a join's probe side first, then its build side.
    """

    type: str
    rows: int = 0
    output_bytes: int = 0
    time_s: float = 0.0
    est_rows: int | None = None
    rows_scanned: int = 0
    info: dict[str, str] = field(default_factory=dict)
    children: tuple[ProfileNode, ...] = ()

    def walk(self) -> Iterator[ProfileNode]:
        """This node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def limit(self) -> int | None:
        """Rows that a top-n keeps; None where the profile does not say."""
        return _integer(self.info.get("Top", ""))

    @property
    def table(self) -> str:
        """Name of the table or file that a scan reads, else empty."""
        if file := self.info.get("Filename(s)", "").split("\n")[0].split(",")[0].strip():
            return PurePath(file).stem
        return self.info.get("Table", "").split(".")[-1]


@dataclass(frozen=True)
class Profile:
    """A query's profile.

    Attributes:
        latency_s: wall time of the whole query, planning included.
        roots: the operator tree, usually with one root.
    """

    latency_s: float
    roots: tuple[ProfileNode, ...]

    def walk(self) -> Iterator[ProfileNode]:
        """All operators, parents first."""
        for root in self.roots:
            yield from root.walk()


def parse_profile(text: str | bytes, name: str = "profile") -> Profile:
    """Parse a JSON profile of DuckDB 1.x or 2.x.

    Args:
        text: the JSON document.
        name: what to call it in errors, such as its file name.

    Raises:
        TraceError: it is not JSON, or not a profile, naming the field that is wrong.
    """
    try:
        document = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise TraceError(f"{name}: not a JSON document ({error})") from None
    if not isinstance(document, dict):
        raise TraceError(f"{name}: expected a JSON object, got {type(document).__name__}")
    if "operator" in document:
        latency = _number(
            _object(document, "query", name), "total_time", f"{name}: query", limit=MAX_TIME_S
        )
        nodes, where = document["operator"], f"{name}: operator"
    elif "children" in document:
        latency = _number(document, "latency", name, limit=MAX_TIME_S)
        nodes, where = document["children"], f"{name}: children"
    else:
        raise TraceError(
            f"{name}: neither 'children' nor 'operator' is there; expected the output of "
            "PRAGMA enable_profiling='json' or EXPLAIN (ANALYZE, FORMAT json)"
        )
    roots = _nodes(nodes, where, 0)
    if not roots:
        raise TraceError(f"{where} is empty, expected at least one operator")
    return Profile(latency, roots)


def _nodes(value: Any, where: str, depth: int) -> tuple[ProfileNode, ...]:
    if not isinstance(value, list):
        raise TraceError(f"{where} is {type(value).__name__}, expected a list of operators")
    if depth > MAX_DEPTH:
        raise TraceError(f"{where}: operators are nested more than {MAX_DEPTH} deep")
    return tuple(_node(item, f"{where}[{index}]", depth) for index, item in enumerate(value))


def _node(value: Any, where: str, depth: int) -> ProfileNode:
    if not isinstance(value, dict):
        raise TraceError(f"{where} is {type(value).__name__}, expected an operator object")
    kind = value.get("operator_type", value.get("type"))
    if not isinstance(kind, str) or not kind:
        raise TraceError(f"{where}: neither 'operator_type' nor 'type' is a name")
    info = {
        str(key): "\n".join(map(str, item)) if isinstance(item, list) else str(item)
        for key, item in _object(value, "extra_info", where).items()
    }
    return ProfileNode(
        type=kind.strip(),
        rows=int(_number(value, "operator_cardinality", where, "intermediate_rows", MAX_ROWS)),
        output_bytes=int(_number(value, "result_set_size", where, "intermediate_size_bytes")),
        time_s=_number(value, "operator_timing", where, "timing", MAX_TIME_S),
        est_rows=_integer(info.get("Estimated Cardinality", "")),
        rows_scanned=int(_number(value, "operator_rows_scanned", where, "rows_scanned", MAX_ROWS)),
        info=info,
        children=_nodes(value.get("children", []), f"{where}.children", depth + 1),
    )


def _object(value: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    item = value.get(key, {})
    if not isinstance(item, dict):
        raise TraceError(f"{where}.{key} is {type(item).__name__}, expected an object")
    return item


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else None


def _number(
    value: dict[str, Any], key: str, where: str, other_key: str = "", limit: float = 1e18
) -> float:
    if key not in value and other_key:
        key = other_key
    item = value.get(key, 0)
    if (
        isinstance(item, bool)
        or not isinstance(item, int | float)
        or not math.isfinite(item)
        or not 0 <= item <= limit
    ):
        raise TraceError(f"{where}.{key} is {item!r}, expected a number from 0 to {limit:g}")
    return float(item)
