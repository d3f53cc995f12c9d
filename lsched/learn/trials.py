"""Trials: single decisions changed on a copy of a simulation, and what each change gained.

A rollout tells what many decisions gained together, and most of that is noise. A trial changes one
decision of one event and lets a compiled rule go on from there, on a copy with the same future
(``Simulations.try_out``), so what it gains is due to that decision alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from lsched.learn.actions import Actions
from lsched.learn.choices import Choices
from lsched.learn.network import Logits

ORDER, LEAVE_OUT, ADD, LIMIT, DEGREE, HOLD = range(6)
"""Kinds of changes: a root goes before another; a root is left out, or one that was is not; the
limit of a query, the pipeline degree of a root, the hold of a query is another."""


@dataclass(frozen=True)
class Changes:
    """One change for some of the simulations of a view.

    Attributes:
        simulation: rows of the simulations.
        kind: of each change.
        chosen, usual: what was preferred to what: candidates for ``ORDER``; the candidate for
            ``ADD`` and ``LEAVE_OUT``; places in flat arrays of choices for others.

    Shapes:
        all: (changes,)
    """

    simulation: np.ndarray
    kind: np.ndarray
    chosen: np.ndarray
    usual: np.ndarray


def changed(
    actions: Actions,
    choices: Choices,
    kinds: tuple[int, ...],
    is_wanted: np.ndarray,
    generator: np.random.Generator,
) -> tuple[Actions, Changes]:
    """Change one decision at random in each simulation where there is one.

    Args:
        actions: what is changed.
        choices: what can be chosen.
        kinds: which kinds of changes to try.
        is_wanted: by simulation, whether to change anything.
        generator: source of randomness.
    """
    result = replace(
        actions,
        place=actions.place.copy(),
        stop_place=actions.stop_place.copy(),
        limit=actions.limit.copy(),
        degree=actions.degree.copy(),
        hold=actions.hold.copy(),
    )
    rows = []
    for simulation in np.flatnonzero(is_wanted).tolist():
        for kind in generator.permutation(kinds).tolist():
            pair = CHANGE[kind](result, choices, simulation, generator)
            if pair is not None:
                rows.append((simulation, kind, *pair))
                break
    columns = np.array(rows, np.int64).reshape(-1, 4).T
    return result, Changes(*columns)


Pair = tuple[int, int] | None


def _own(choices: Choices, simulation: int) -> slice:
    """Candidates of a simulation."""
    first, last = np.searchsorted(choices.simulation, [simulation, simulation + 1])
    return slice(int(first), int(last))


def _order(
    actions: Actions, choices: Choices, simulation: int, generator: np.random.Generator
) -> Pair:
    """A root goes before one that was before it."""
    own, num_in = _own(choices, simulation), int(actions.stop_place[simulation])
    num_items = min(num_in, int(actions.prefix[simulation]) + 4)
    if num_items < 2:
        return None
    place = actions.place[own]
    first = int(generator.integers(min(num_items - 1, int(actions.prefix[simulation]))))
    second = int(generator.integers(first + 1, num_items))
    moved, before = int(np.argmax(place == second)), int(np.argmax(place == first))
    place[(place >= first) & (place < second)] += 1
    place[moved] = first
    return own.start + moved, own.start + before


def _leave_out(
    actions: Actions, choices: Choices, simulation: int, generator: np.random.Generator
) -> Pair:
    """A root that would get executors is left out."""
    own, num_in = _own(choices, simulation), int(actions.stop_place[simulation])
    num_items = min(num_in, int(actions.prefix[simulation]))
    if num_in < 1 + int(choices.must_start[simulation]) or num_items == 0:
        return None
    place = actions.place[own]
    old = int(generator.integers(num_items))
    out = int(np.argmax(place == old))
    place[(place > old) & (place < num_in)] -= 1
    place[out] = num_in - 1
    actions.stop_place[simulation] -= 1
    return own.start + out, own.start + out


def _add(
    actions: Actions, choices: Choices, simulation: int, generator: np.random.Generator
) -> Pair:
    """A root that was left out is not."""
    own, num_in = _own(choices, simulation), int(actions.stop_place[simulation])
    place = actions.place[own]
    if num_in >= len(place):
        return None
    added = int(generator.choice(np.flatnonzero(place >= num_in)))
    place[(place >= num_in) & (place < place[added])] += 1
    place[added] = num_in
    actions.stop_place[simulation] += 1
    return own.start + added, own.start + added


def _other(
    chosen: np.ndarray, row: int, logits: np.ndarray, generator: np.random.Generator
) -> Pair:
    """Another choice of a row."""
    possible = np.flatnonzero(logits[row] > -1e3)
    possible = possible[possible != chosen[row]]
    if not len(possible):
        return None
    usual = int(chosen[row])
    chosen[row] = generator.choice(possible)
    width = logits.shape[1]
    return row * width + int(chosen[row]), row * width + usual


def _limit(
    actions: Actions, choices: Choices, simulation: int, generator: np.random.Generator
) -> Pair:
    is_own = (choices.simulation_of_query_rows == simulation) & actions.has_limit
    rows = np.flatnonzero(is_own)
    if not len(rows):
        return None
    return _other(actions.limit, int(generator.choice(rows)), choices.limit_prior, generator)


def _degree(
    actions: Actions, choices: Choices, simulation: int, generator: np.random.Generator
) -> Pair:
    own = _own(choices, simulation)
    is_open = (choices.degree_prior[own] > -1e3).sum(axis=1) > 1
    rows = np.flatnonzero(actions.has_degree[own] & is_open)
    if not len(rows):
        return None
    row = own.start + int(generator.choice(rows))
    return _other(actions.degree, row, choices.degree_prior, generator)


def _hold(
    actions: Actions, choices: Choices, simulation: int, generator: np.random.Generator
) -> Pair:
    rows = np.flatnonzero(choices.simulation_of_hold_rows == simulation)
    if not len(rows):
        return None
    return _other(actions.hold, int(generator.choice(rows)), choices.hold_prior, generator)


CHANGE = {
    ORDER: _order,
    LEAVE_OUT: _leave_out,
    ADD: _add,
    LIMIT: _limit,
    DEGREE: _degree,
    HOLD: _hold,
}


def predicted_gain(logits: Logits, choices: Choices, changes: Changes) -> Tensor:
    """What the network's corrections say that changes gain: differences of logits, less priors'.

    Shapes:
        returns (changes,)
    """

    def tensor(array: np.ndarray) -> Tensor:
        return torch.as_tensor(array, device=logits.roots.device)

    roots = logits.roots - tensor(choices.prior)
    stop = logits.stop - tensor(choices.stop_prior)
    flat = {
        LIMIT: (logits.limits - tensor(choices.limit_prior)).flatten(),
        DEGREE: (logits.degrees - tensor(choices.degree_prior)).flatten(),
        HOLD: (logits.holds - tensor(choices.hold_prior)).flatten(),
    }
    result = torch.zeros(len(changes.kind), device=roots.device)
    for kind in np.unique(changes.kind).tolist():
        at = np.flatnonzero(changes.kind == kind)
        chosen, usual = tensor(changes.chosen[at]), tensor(changes.usual[at])
        if kind == ORDER:
            gain = roots[chosen] - roots[usual]
        elif kind in (LEAVE_OUT, ADD):
            gain = roots[chosen] - stop[tensor(changes.simulation[at])]
            gain = gain if kind == ADD else -gain
        else:
            gain = flat[kind][chosen] - flat[kind][usual]
        result = result.index_put((tensor(at),), gain)
    return result
