"""Decisions: drawn from logits, their log-probabilities, and the schedules that they mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from lsched.learn.advice import Advice
from lsched.learn.choices import MASKED, Choices
from lsched.learn.config import DEGREES, FACTORS, FRACTIONS
from lsched.learn.network import Logits
from sim import BatchSchedule, BatchView


@dataclass(frozen=True)
class Actions:
    """What was chosen.

    An order of roots is drawn without replacement, in proportion to exp(logit) of what is left
    (Plackett and Luce); ``stop`` is one of the items, and what comes after it is left out.

    Attributes:
        place: of a candidate in its simulation's order.
        stop_place: likewise, of stopping.
        prefix: items of a simulation's order that count as decisions: those after them would find
            no executor left.
        limit, degree, hold: the index of what was chosen, by row of ``Choices``.
        has_limit, has_degree: whether that was a decision: of queries and roots in the prefix.

    Shapes:
        place, degree, has_degree: (C,); stop_place, prefix: (S,); limit, has_limit: (Q,);
        hold: (H,).
    """

    place: np.ndarray
    stop_place: np.ndarray
    prefix: np.ndarray
    limit: np.ndarray
    degree: np.ndarray
    hold: np.ndarray
    has_limit: np.ndarray
    has_degree: np.ndarray


def decide(
    logits: Logits,
    choices: Choices,
    num_executors: np.ndarray,
    generator: np.random.Generator | None = None,
) -> Actions:
    """Draw actions; without a generator the most probable ones.

    Args:
        logits: of all choices, on the CPU.
        choices: what they are of.
        num_executors: by simulation.
        generator: source of randomness.
    """
    place = _ordered(logits.roots.numpy(), choices.simulation, generator)
    stop_place = _stopped(logits, choices, place, generator)
    limit = _chosen(logits.limits.numpy(), generator)
    degree = _chosen(logits.degrees.numpy(), generator)
    hold = _chosen(logits.holds.numpy(), generator)
    prefix = _prefix(choices, place, num_executors)
    is_in = (place < prefix[choices.simulation]) & (place < stop_place[choices.simulation])
    has_limit = np.zeros(len(limit), np.bool_)
    has_limit[choices.query_place[is_in]] = True
    return Actions(place, stop_place, prefix, limit, degree, hold, has_limit, is_in)


def _ordered(
    roots: np.ndarray, simulation: np.ndarray, generator: np.random.Generator | None
) -> np.ndarray:
    """Places of candidates: by logit, with Gumbel noise if they are drawn."""
    keys = roots if generator is None else roots + generator.gumbel(size=len(roots))
    order = np.lexsort((-keys, simulation))
    place = np.empty(len(keys), np.int64)
    place[order] = np.arange(len(keys)) - _starts(simulation)[simulation[order]]
    return place


def _starts(simulation: np.ndarray) -> np.ndarray:
    """Where each simulation's rows begin."""
    num_simulations = int(simulation[-1]) + 1 if len(simulation) else 0
    return np.searchsorted(simulation, np.arange(num_simulations))


def _stopped(
    logits: Logits,
    choices: Choices,
    place: np.ndarray,
    generator: np.random.Generator | None,
) -> np.ndarray:
    """The place of stopping: before each item it is drawn against all that are left."""
    num_simulations = len(choices.stop_prior)
    counts = np.bincount(choices.simulation, minlength=num_simulations)
    ordered = np.full((num_simulations, counts.max(initial=0) + 1), -np.inf)
    ordered[choices.simulation, place] = logits.roots.numpy()
    stop = logits.stop.numpy()[:, None].astype(np.float64)
    if generator is None:
        is_stop = stop > ordered
    else:
        left = np.logaddexp.accumulate(ordered[:, ::-1], axis=1)[:, ::-1]
        noise = generator.random(ordered.shape)
        is_stop = noise < 1.0 / (1.0 + np.exp(np.minimum(left - stop, 700.0)))
    is_stop[choices.must_start, 0] = False
    is_stop[np.arange(num_simulations), counts] = True
    return np.argmax(is_stop, axis=1)


def _chosen(logits: np.ndarray, generator: np.random.Generator | None) -> np.ndarray:
    """A choice per row."""
    if generator is not None:
        logits = logits + generator.gumbel(size=logits.shape)
    return np.argmax(logits, axis=1) if logits.size else np.zeros(len(logits), np.int64)


def _prefix(choices: Choices, place: np.ndarray, num_executors: np.ndarray) -> np.ndarray:
    """Items of each simulation's order up to the one that covers its executors.

    One is enough if only one is there: it must come first.
    """
    order = np.lexsort((place, choices.simulation))
    simulation = choices.simulation[order]
    demand = np.minimum(choices.demand[order], choices.base_limit[order])
    before = np.cumsum(demand) - demand
    first = np.searchsorted(simulation, np.arange(len(num_executors)))
    before -= np.append(before, 0)[first][simulation]
    is_needed = before < num_executors[simulation]
    last = np.zeros(len(num_executors), np.int64)
    np.maximum.at(last, simulation[is_needed], place[order][is_needed] + 1)
    return last


def log_probabilities(logits: Logits, choices: Choices, actions: Actions) -> tuple[Tensor, Tensor]:
    """Of the actions, by simulation, and the entropy of its decisions.

    Shapes:
        both: (S,)
    """
    num_simulations, device = len(logits.stop), logits.roots.device

    def tensor(array: np.ndarray) -> Tensor:
        return torch.as_tensor(array, device=device)

    simulation = tensor(choices.simulation)
    roots, decided = _in_order(logits, actions, simulation)
    # Before each item: all roots that are left, and stopping, unless it must start.
    left = torch.flip(torch.logcumsumexp(torch.flip(roots, [1]), 1), [1])
    stop = logits.stop[:, None].expand_as(left)
    is_closed = torch.zeros_like(left, dtype=torch.bool)
    is_closed[:, 0] = tensor(choices.must_start)
    all_left = torch.where(is_closed, left, torch.logaddexp(left, stop))
    stops_here = torch.arange(left.shape[1], device=device) == tensor(actions.stop_place)[:, None]
    chosen_item = torch.where(stops_here, stop, roots)
    log_p = torch.where(decided, chosen_item - all_left, 0.0).sum(1)
    first = log_softmax(roots, 1)
    entropy = -(first.exp() * first).sum(1)
    for of_choice, chosen, is_one, owner in (
        (logits.limits, actions.limit, actions.has_limit, choices.simulation_of_query_rows),
        (logits.degrees, actions.degree, actions.has_degree, choices.simulation),
        (logits.holds, actions.hold, None, choices.simulation_of_hold_rows),
    ):
        if not len(chosen):
            continue
        log_all = log_softmax(of_choice, 1)
        own = log_all.gather(1, tensor(chosen)[:, None]).squeeze(1)
        spread = -(log_all.exp() * log_all).sum(1)
        if is_one is not None:
            own, spread = own * tensor(is_one), spread * tensor(is_one)
        rows = tensor(owner)
        log_p = log_p.index_add(0, rows, own)
        entropy = entropy.index_add(0, rows, spread)
    assert log_p.shape == (num_simulations,)
    return log_p, entropy


def _in_order(logits: Logits, actions: Actions, simulation: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of roots by simulation and place, ``MASKED`` after the last, and what is decided."""
    device = logits.roots.device
    place = torch.as_tensor(actions.place, device=device)
    num_places = 2 + int(actions.place.max(initial=-1))
    ordered = torch.full((len(logits.stop), num_places), MASKED, device=device)
    ordered = ordered.index_put((simulation, place), logits.roots)
    stop_place = torch.as_tensor(actions.stop_place, device=device)
    last = torch.minimum(torch.as_tensor(actions.prefix, device=device), stop_place + 1)
    return ordered, torch.arange(num_places, device=device)[None, :] < last[:, None]


def schedule_of(
    actions: Actions, choices: Choices, advice: Advice, view: BatchView, has_rule: bool
) -> BatchSchedule:
    """The schedules that actions mean."""
    simulation = choices.simulation
    is_in = np.flatnonzero(actions.place < actions.stop_place[simulation])
    order = is_in[np.lexsort((actions.place[is_in], simulation[is_in]))]
    num_executors = view.simulations.num_executors[simulation]
    factor = np.array(FACTORS if has_rule else FRACTIONS)[actions.limit][choices.query_place]
    limit = np.rint(choices.base_limit * factor).astype(np.int64)
    limit = np.clip(limit, 1, num_executors)
    rule_degree = np.argmax(choices.degree_prior, axis=1)
    degree = np.array(DEGREES)[actions.degree]
    own = advice.degree[choices.row] if has_rule else 1
    degree = np.where(actions.degree == rule_degree, own, degree)
    operators, limits, degrees = choices.row[order], limit[order], degree[order]
    if len(advice.spare_operators):
        again = _spare(advice, operators, len(view.operators))
        operators = np.concatenate([operators, operators[again[0]]])
        limits = np.concatenate([limits, again[1]])
        degrees = np.concatenate([degrees, degrees[again[0]]])
    held = np.array(advice.held)
    local = view.queries.num_local_free[choices.hold_rows]
    rule_hold = np.argmax(choices.hold_prior, axis=1)
    own_held = np.where(actions.hold == rule_hold, held[choices.hold_rows], local)
    held[choices.hold_rows] = np.where(actions.hold == 1, own_held, 0)
    hold_queries = np.flatnonzero(held)
    return BatchSchedule(
        operators,
        limits,
        degrees,
        hold_queries,
        held[hold_queries],
        until_us=advice.until_us,
    )


def _spare(advice: Advice, operators: np.ndarray, num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Places in ``operators`` of those that get left-over executors too, and their limits."""
    limits = np.zeros(num_rows, np.int64)
    limits[advice.spare_operators] = advice.spare_limits
    own = limits[operators]
    again = np.flatnonzero(own)
    return again, own[again]
