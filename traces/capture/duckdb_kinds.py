"""DuckDB's physical operators by what they do to a pipeline, with their kinds in our sense."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SINKS: Mapping[str, str] = MappingProxyType(
    {
        "HASH_GROUP_BY": "aggregate",
        "PERFECT_HASH_GROUP_BY": "aggregate",
        "PARTITIONED_AGGREGATE": "aggregate",
        "UNGROUPED_AGGREGATE": "aggregate",
        "SIMPLE_AGGREGATE": "aggregate",
        "ORDER_BY": "sort",
        "TOP_N": "top-n",
        "WINDOW": "window",
    }
)
STREAMS: Mapping[str, str] = MappingProxyType(
    {
        "FILTER": "filter",
        "PROJECTION": "project",
        "LIMIT": "limit",
        "STREAMING_LIMIT": "limit",
        "LIMIT_PERCENT": "limit",
        "STREAMING_WINDOW": "window",
        "UNNEST": "project",
    }
)
SORTING_JOINS = ("IE_JOIN", "PIECEWISE_MERGE_JOIN", "ASOF_JOIN")
OTHER_JOINS = (
    "NESTED_LOOP_JOIN",
    "BLOCKWISE_NL_JOIN",
    "CROSS_PRODUCT",
    "POSITIONAL_JOIN",
    *SORTING_JOINS,
)
DELIM_JOINS = ("LEFT_DELIM_JOIN", "RIGHT_DELIM_JOIN", "DELIM_JOIN")
TRANSPARENT = ("RESULT_COLLECTOR", "EXPLAIN_ANALYZE", "QUERY", "ROOT")
CONSTANTS = ("DUMMY_SCAN", "COLUMN_DATA_SCAN", "EMPTY_RESULT", "EXPRESSION_SCAN")
"""Sources that are in the query's text."""
