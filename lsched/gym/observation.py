"""What an agent sees: the features of ``lsched.learn``, padded to arrays of fixed shapes."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
from gymnasium import spaces

from lsched.errors import OptionError
from lsched.learn.features import OPERATOR_FEATURES, QUERY_FEATURES, SIMULATION_FEATURES
from lsched.learn.observation import observe
from sim import BatchView

Observation = dict[str, np.ndarray]

MOST = 16.0
"""No feature is larger: log(1 + value) ÷ 4 is less for all that 64 bits hold."""
NOTHING = -1
"""In columns of rows: there is none."""


class Sizes(NamedTuple):
    """How many rows the arrays have."""

    operators: int
    queries: int
    edges: int


def observation_space(sizes: Sizes, num_executors: int) -> spaces.Space[Observation]:
    """The space of ``padded`` observations, with the schedule so far.

    Shapes:
        operators: (operators, F), queries: (queries, F), simulation: (F,); one column for each
            feature of ``lsched.learn.features``; rows that stand for nothing are 0.
        operator_query: (operators,), row of an operator's query; -1: the row stands for nothing.
        edges: (edges, 2), rows of producer and consumer; -1 likewise.
        edge_is_breaking: (edges,), whether the consumer waits for the whole producer.
        listed: (operators,), the largest ``num_executors`` that the schedule so far has for an
            operator; 0: it is not in it.
    """

    def features(*shape: int) -> spaces.Box:
        return spaces.Box(0.0, MOST, shape, np.float32)

    space = spaces.Dict(
        {
            "operators": features(sizes.operators, len(OPERATOR_FEATURES)),
            "queries": features(sizes.queries, len(QUERY_FEATURES)),
            "simulation": features(len(SIMULATION_FEATURES)),
            "operator_query": spaces.Box(NOTHING, sizes.queries - 1, (sizes.operators,), np.int64),
            "edges": spaces.Box(NOTHING, sizes.operators - 1, (sizes.edges, 2), np.int64),
            "edge_is_breaking": spaces.Box(0, 1, (sizes.edges,), np.int8),
            "listed": spaces.Box(0, num_executors, (sizes.operators,), np.int64),
        }
    )
    return cast("spaces.Space[Observation]", space)


def empty(sizes: Sizes) -> Observation:
    """What is seen when no query is in the system."""
    return {
        "operators": np.zeros((sizes.operators, len(OPERATOR_FEATURES)), np.float32),
        "queries": np.zeros((sizes.queries, len(QUERY_FEATURES)), np.float32),
        "simulation": np.zeros(len(SIMULATION_FEATURES), np.float32),
        "operator_query": np.full(sizes.operators, NOTHING, np.int64),
        "edges": np.full((sizes.edges, 2), NOTHING, np.int64),
        "edge_is_breaking": np.zeros(sizes.edges, np.int8),
        "listed": np.zeros(sizes.operators, np.int64),
    }


def padded(view: BatchView, sizes: Sizes) -> tuple[Observation, np.ndarray]:
    """The observation of a batch of one, and the row in the view of each operator that it shows.

    It shows the queries that arrived first, as many as fit with all of their operators and edges.

    Raises:
        OptionError: not even the first fits.
    """
    seen = observe(view)
    edge_query = seen.query_of[seen.consumer]
    num_queries = _num_that_fit(seen.query_of, edge_query, len(seen.queries), sizes)
    # rows stand by query, so those of the first queries are the first ones
    num_operators = int(np.searchsorted(seen.query_of, num_queries))
    is_shown = edge_query < num_queries
    num_edges = int(is_shown.sum())
    arrays = empty(sizes)
    arrays["operators"][:num_operators] = seen.operators[:num_operators]
    arrays["queries"][:num_queries] = seen.queries[:num_queries]
    arrays["simulation"][:] = seen.simulations[0]
    arrays["operator_query"][:num_operators] = seen.query_of[:num_operators]
    arrays["edges"][:num_edges, 0] = seen.producer[is_shown]
    arrays["edges"][:num_edges, 1] = seen.consumer[is_shown]
    arrays["edge_is_breaking"][:num_edges] = seen.is_breaking[is_shown]
    return arrays, seen.row[:num_operators]


def _num_that_fit(
    operator_query: np.ndarray, edge_query: np.ndarray, num_queries: int, sizes: Sizes
) -> int:
    """How many queries there is room for, in order of arrival."""
    operators = np.cumsum(np.bincount(operator_query, minlength=num_queries))
    edges = np.cumsum(np.bincount(edge_query, minlength=num_queries))
    num_fit = int(np.sum((operators <= sizes.operators) & (edges <= sizes.edges)))
    if num_fit == 0:
        raise OptionError(
            f"max_operators is {sizes.operators}, but a query has {operators[0]} operators and "
            f"{edges[0]} edges; expected room for all operators, and half of the edges"
        )
    return min(num_fit, sizes.queries)
