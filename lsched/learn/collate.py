"""Joining situations and actions of several steps into one, for one pass of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from lsched.learn.actions import Actions
from lsched.learn.choices import Choices
from lsched.learn.observation import Observation


@dataclass(frozen=True)
class Step:
    """A step of a rollout: what was seen, what could be chosen and what was."""

    observation: Observation
    choices: Choices
    actions: Actions


ROWS = {
    "query_of": "queries",
    "simulation_of": "simulations",
    "producer": "operators",
    "consumer": "operators",
    "row": None,
    "candidates": "operators",
    "query": "queries",
    "simulation": "simulations",
    "query_rows": "queries",
    "query_place": "query_rows",
    "hold_rows": "queries",
    "simulation_of_query_rows": "simulations",
    "simulation_of_hold_rows": "simulations",
}
"""What the numbers in these arrays are rows of; others are no rows."""


def joined(steps: Sequence[Step]) -> Step:
    """All steps as one, their simulations one after another."""
    if len(steps) == 1:
        return steps[0]
    counts = {
        "operators": [len(step.observation.operators) for step in steps],
        "queries": [len(step.observation.queries) for step in steps],
        "simulations": [len(step.observation.simulations) for step in steps],
        "query_rows": [len(step.choices.query_rows) for step in steps],
    }
    firsts = {name: np.cumsum([0, *sizes[:-1]]) for name, sizes in counts.items()}
    return Step(
        _joined(Observation, [step.observation for step in steps], firsts),
        _joined(Choices, [step.choices for step in steps], firsts),
        _joined(Actions, [step.actions for step in steps], firsts),
    )


def _joined(kind: type[Any], parts: Sequence[Any], firsts: dict[str, np.ndarray]) -> Any:
    columns = {}
    for field in fields(kind):
        arrays = [getattr(part, field.name) for part in parts]
        group = ROWS.get(field.name)
        if group is not None:
            arrays = [array + first for array, first in zip(arrays, firsts[group], strict=True)]
        columns[field.name] = np.concatenate(arrays)
    return kind(**columns)
