"""Operators, edges and pipelines of a DuckDB plan while it is under construction."""

from __future__ import annotations

from dataclasses import dataclass, field

from traces.capture.duckdb_profile import ProfileNode
from traces.model import Edge

ROW_OVERHEAD_BYTES = 16
"""Hash and pointer that a hash table stores with a row."""


@dataclass
class DraftOperator:
    """An operator under construction.

    Attributes:
        kind, name: as in ``traces.Operator``.
        time_s: its time in the profile.
        rows_in, rows_out, est_rows_in, est_rows_out: rows, true and estimated; for a build and
            its probe the rows of their own side; for a scan ``rows_in`` is the table's size and
            true in both.
        width_bytes: bytes per output row.
        state_bytes, est_state_bytes: what it holds when its pipeline ends.
        node: where it comes from; tells its events in the log.
    """

    kind: str
    name: str
    time_s: float
    rows_in: int
    est_rows_in: int
    rows_out: int
    est_rows_out: int
    width_bytes: float
    node: ProfileNode
    state_bytes: int = 0
    est_state_bytes: int = 0


@dataclass
class DraftPlan:
    """Operators, edges and pipelines of one profile; pipelines are chains of operator indices."""

    operators: list[DraftOperator] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    pipelines: list[list[int]] = field(default_factory=list)

    def pipeline_of(self) -> dict[int, int]:
        """Pipeline index by operator index."""
        return {operator: index for index, chain in enumerate(self.pipelines) for operator in chain}


def hash_table_bytes(rows: float, width_bytes: float) -> int:
    """Size of a join's hash table: rows with their overhead, and a pointer table.

    The table has 8 bytes for each of at least 2 × rows slots, rounded up to a power of two;
    within 25 % of the sizes that DuckDB logs for tables of more than a few thousand rows.
    """
    slots = 1 << max(0, (2 * int(rows) - 1).bit_length()) if rows >= 1 else 0
    return int(rows * (width_bytes + ROW_OVERHEAD_BYTES)) + 8 * slots


def chains(size: int, edges: list[Edge]) -> list[list[int]]:
    """Pipelines: chains of operators along edges that do not break."""
    following = {edge.producer: edge.consumer for edge in edges if not edge.is_pipeline_breaker}
    heads = set(range(size)) - set(following.values())
    chains = []
    for head in sorted(heads):
        chain = [head]
        while (after := following.get(chain[-1])) is not None:
            chain.append(after)
        chains.append(chain)
    return chains
