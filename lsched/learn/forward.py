"""The same network as ``network.py``, compiled: for acting, where torch costs more than the work.

One simulation after another, each with weights of its own, so a whole population of policies can
act in one batch. Tests hold it to torch's results.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from lsched.learn.choices import Choices
from lsched.learn.config import DEGREES, PolicyConfig
from lsched.learn.encoders.nets import SLOPE
from lsched.learn.encoders.tree import MAX_SCORE
from lsched.learn.observation import Observation
from lsched.learn.weights import spans_of

NAMES_OF_ENCODER = {
    "tree": tuple(
        f"encoder.{name}.{kind}"
        for name in (
            *("prep.0", "prep.2"),
            *(f"layers.{layer}.{part}" for layer in (0, 1) for part in ("scores", "filter")),
        )
        for kind in ("weight", "bias")
    ),
    "gcn": tuple(
        f"encoder.sweep.{name}.{kind}"
        for name in ("prep.0", "prep.2", "f", "g")
        for kind in ("weight", "bias")
    ),
}
NAMES_OF_SUMMARIES = tuple(
    f"encoder.summaries.{whole}.{name}.{kind}"
    for whole in ("query", "simulation")
    for name in ("f", "g", "prep.0", "prep.2")
    for kind in ("weight", "bias")
)
HEADS = ("root", "degree", "stop", "limit", "hold")
NAMES_OF_HEADS = tuple(
    f"{head}.{layer}.{kind}" for head in HEADS for layer in (0, 2) for kind in ("weight", "bias")
)

_compiled: Any = njit(cache=True, error_model="numpy", nogil=True)


def firsts_of(config: PolicyConfig) -> np.ndarray:
    """Where compiled code finds each tensor; -1 for a head that there is not.

    Shapes:
        (encoder's, then 16 of the summaries, then 20 of the heads,)
    """
    firsts = {span.name: span.first for span in spans_of(config)}
    names = (*NAMES_OF_ENCODER[config.encoder], *NAMES_OF_SUMMARIES, *NAMES_OF_HEADS)
    return np.array([firsts.get(name, -1) for name in names], np.int64)


@_compiled
def _linear(x: Any, weights: Any, first: int, bias: int, out: Any) -> None:
    """Out = weights · x + bias; weights from ``first`` on, inputs × outputs."""
    width = len(out)
    for j in range(width):
        out[j] = weights[bias + j]
    for i in range(len(x)):
        value = x[i]
        if value != 0.0:
            row = first + i * width
            for j in range(width):
                out[j] += value * weights[row + j]


@_compiled
def _more(x: Any, weights: Any, first: int, out: Any) -> None:
    """Out += weights · x."""
    width = len(out)
    for i in range(len(x)):
        value = x[i]
        if value != 0.0:
            row = first + i * width
            for j in range(width):
                out[j] += value * weights[row + j]


@_compiled
def _leaky(x: Any) -> None:
    for j in range(len(x)):
        if x[j] < 0.0:
            x[j] *= np.float32(SLOPE)


@_compiled
def _two_layers(x: Any, weights: Any, at: Any, hidden: Any, out: Any) -> None:
    _linear(x, weights, at[0], at[1], hidden)
    _leaky(hidden)
    _linear(hidden, weights, at[2], at[3], out)


@_compiled
def _convolve(
    weights: Any, at: Any, nodes: Any, first: int, last: int, producer: Any, consumer: Any,
    breaking: Any, first_edge: int, last_edge: int,
) -> None:  # fmt: skip
    """One tree convolution of the operators of a simulation, in place."""
    count, width = last - first, nodes.shape[1]
    scores = np.empty((count, 6), np.float32)
    for v in range(count):
        _linear(nodes[first + v], weights, at[0], at[1], scores[v])
    sums = np.zeros((count, 2), np.float32)
    alphas = np.empty((last_edge - first_edge, 2), np.float32)
    window = np.zeros((count, 3 * width + 4), np.float32)
    for e in range(first_edge, last_edge):
        p, c, b = producer[e] - first, consumer[e] - first, int(breaking[e])
        for side in range(2):
            member, owner = (p, c) if side == 0 else (c, p)
            score = scores[member, side] + scores[owner, 2 + 2 * side + b]
            if score < 0.0:
                score *= np.float32(SLOPE)
            score = min(max(score, np.float32(-MAX_SCORE)), np.float32(MAX_SCORE))
            alpha = np.float32(np.exp(score))
            alphas[e - first_edge, side] = alpha
            sums[owner, side] += alpha
    for e in range(first_edge, last_edge):
        p, c, b = producer[e] - first, consumer[e] - first, int(breaking[e])
        for side in range(2):
            member, owner = (p, c) if side == 0 else (c, p)
            alpha = alphas[e - first_edge, side] / sums[owner, side]
            start = width * (1 + side)
            for j in range(width):
                window[owner, start + j] += alpha * nodes[first + member, j]
            window[owner, 3 * width + 2 * side + b] += alpha
    out = np.empty(width, np.float32)
    for v in range(count):
        for j in range(width):
            window[v, j] = nodes[first + v, j]
        _linear(window[v], weights, at[2], at[3], out)
        _leaky(out)
        for j in range(width):
            nodes[first + v, j] += out[j]


@_compiled
def _sweep(
    weights: Any, at: Any, nodes: Any, height: Any, first: int, last: int, producer: Any,
    consumer: Any, first_edge: int, last_edge: int,
) -> None:  # fmt: skip
    """Decima's sweep over the operators of a simulation, in place: ``nodes`` are prepared."""
    count, width = last - first, nodes.shape[1]
    sums = np.zeros((count, width), np.float32)
    message, out = np.empty(width, np.float32), np.empty(width, np.float32)
    first_of = np.full(count, -1, np.int64)
    num_of = np.zeros(count, np.int64)
    for e in range(first_edge, last_edge):
        c = consumer[e] - first
        if first_of[c] < 0:
            first_of[c] = e
        num_of[c] += 1
    for v in np.argsort(height[first:last], kind="mergesort"):
        _linear(sums[v], weights, at[2], at[3], out)
        _leaky(out)
        for j in range(width):
            nodes[first + v, j] += out[j]
        if num_of[v] == 0:
            continue
        _linear(nodes[first + v], weights, at[0], at[1], message)
        _leaky(message)
        for e in range(first_of[v], first_of[v] + num_of[v]):
            p = producer[e] - first
            for j in range(width):
                sums[p, j] += message[j]


@_compiled
def _forward(
    population: Any, member: Any, at: Any, is_tree: bool,
    operators: Any, queries: Any, simulations: Any, query_of: Any, simulation_of: Any, height: Any,
    producer: Any, consumer: Any, breaking: Any,
    candidates: Any, candidate_query: Any, query_rows: Any, shares: Any, hold_rows: Any,
    roots: Any, stop: Any, limits: Any, degrees: Any, holds: Any,
) -> None:  # fmt: skip
    """Add the network's corrections to the logits of all choices."""
    num_simulations, width = len(simulations), at[-1]
    nodes = np.empty((len(operators), width), np.float32)
    embedded = np.empty((len(queries), width), np.float32)
    hidden, out = np.empty(width, np.float32), np.empty(width, np.float32)
    whole = np.empty(width, np.float32)
    root_of = np.empty((len(queries), width), np.float32)
    degree_of = np.empty((len(queries), width), np.float32)
    one = np.empty(1, np.float32)
    some = np.empty(degrees.shape[1], np.float32)
    base = 12 if is_tree else 8
    summaries, heads = at[base : base + 16], at[base + 16 :]
    operator = query = edge = candidate = limit = hold = 0
    for s in range(num_simulations):
        weights = population[member[s]]
        first_query, first, first_edge = query, operator, edge
        while query < len(queries) and simulation_of[query] == s:
            query += 1
        while operator < len(operators) and query_of[operator] < query:
            operator += 1
        while edge < len(producer) and producer[edge] < operator:
            edge += 1
        for v in range(first, operator):
            _two_layers(operators[v], weights, at[0:4], hidden, nodes[v])
        if is_tree:
            for layer in range(2):
                own = at[4 + 4 * layer : 8 + 4 * layer]
                _convolve(weights, own, nodes, first, operator, producer, consumer, breaking,
                          first_edge, edge)  # fmt: skip
        else:
            _sweep(weights, at[4:8], nodes, height, first, operator, producer, consumer,
                   first_edge, edge)  # fmt: skip
        sums = np.zeros((query - first_query, width), np.float32)
        for v in range(first, operator):
            _linear(nodes[v], weights, summaries[0], summaries[1], out)
            _more(operators[v], weights, summaries[0] + width * width, out)
            _leaky(out)
            for j in range(width):
                sums[query_of[v] - first_query, j] += out[j]
        total = np.zeros(width, np.float32)
        for q in range(first_query, query):
            _two_layers(queries[q], weights, summaries[4:8], hidden, embedded[q])
            _linear(sums[q - first_query], weights, summaries[2], summaries[3], out)
            _leaky(out)
            for j in range(width):
                embedded[q, j] += out[j]
            _linear(embedded[q], weights, summaries[8], summaries[9], out)
            _leaky(out)
            for j in range(width):
                total[j] += out[j]
        _two_layers(simulations[s], weights, summaries[12:16], hidden, whole)
        _linear(total, weights, summaries[10], summaries[11], out)
        _leaky(out)
        for j in range(width):
            whole[j] += out[j]
        # Heads; what a query's candidates share is worked out once.
        for q in range(first_query, query):
            for place, result in ((0, root_of), (1, degree_of)):
                own = heads[4 * place : 4 * place + 4]
                if own[0] >= 0:
                    _linear(embedded[q], weights, own[0] + width * width, own[1], result[q])
                    _more(whole, weights, own[0] + 2 * width * width, result[q])
        while candidate < len(candidates) and candidate_query[candidate] < query:
            v, q = candidates[candidate], candidate_query[candidate]
            for j in range(width):
                hidden[j] = root_of[q, j]
            _more(nodes[v], weights, heads[0], hidden)
            _leaky(hidden)
            _linear(hidden, weights, heads[2], heads[3], one)
            roots[candidate] += one[0]
            if heads[4] >= 0:
                for j in range(width):
                    hidden[j] = degree_of[q, j]
                _more(nodes[v], weights, heads[4], hidden)
                _leaky(hidden)
                _linear(hidden, weights, heads[6], heads[7], some)
                for j in range(len(some)):
                    degrees[candidate, j] += some[j]
            candidate += 1
        if heads[8] >= 0:
            _two_layers(whole, weights, heads[8:12], hidden, one)
            stop[s] += one[0]
        while limit < len(query_rows) and query_rows[limit] < query:
            if heads[12] >= 0:
                q, more = query_rows[limit], heads[12] + 2 * width * width
                _linear(embedded[q], weights, heads[12], heads[13], out)
                _more(whole, weights, heads[12] + width * width, out)
                for f in range(limits.shape[1]):
                    share = shares[limit, f]
                    log_share = np.log(share + np.float32(0.01))
                    for j in range(width):
                        hidden[j] = (
                            out[j]
                            + share * weights[more + j]
                            + log_share * weights[more + width + j]
                        )
                    _leaky(hidden)
                    _linear(hidden, weights, heads[14], heads[15], one)
                    limits[limit, f] += one[0]
            limit += 1
        while hold < len(hold_rows) and hold_rows[hold] < query:
            if heads[16] >= 0:
                _linear(embedded[hold_rows[hold]], weights, heads[16], heads[17], hidden)
                _more(whole, weights, heads[16] + width * width, hidden)
                _leaky(hidden)
                _linear(hidden, weights, heads[18], heads[19], one)
                holds[hold, 1] += one[0]
            hold += 1


class Forward:
    """A population of networks of one shape, compiled.

    Args:
        config: of all.
    """

    def __init__(self, config: PolicyConfig) -> None:
        self._at = np.append(firsts_of(config), config.width)
        self._is_tree = config.encoder == "tree"
        assert DEGREES

    def __call__(
        self,
        population: np.ndarray,
        member: np.ndarray,
        observation: Observation,
        choices: Choices,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Logits of roots, stop, limits, degrees and holds, as in ``network.Logits``.

        Args:
            population: weights, see ``weights.flattened``, one row each.
            member: of each simulation, its row in ``population``.
            observation: what is seen.
            choices: what can be chosen.

        Shapes:
            population: (members, weights), float32; member: (simulations,), int64.
        """
        roots, stop = choices.prior.copy(), choices.stop_prior.copy()
        limits, degrees = choices.limit_prior.copy(), choices.degree_prior.copy()
        holds = choices.hold_prior.copy()
        _forward(
            population, member, self._at, self._is_tree,
            observation.operators, observation.queries, observation.simulations,
            observation.query_of, observation.simulation_of, observation.height,
            observation.producer, observation.consumer, observation.is_breaking,
            choices.candidates, choices.query, choices.query_rows, choices.limit_share,
            choices.hold_rows, roots, stop, limits, degrees, holds,
        )  # fmt: skip
        return roots, stop, limits, degrees, holds
