"""Linear maps over features × rows."""

from __future__ import annotations

import numpy as np

from lsched.learn.inference.maps import FIRST_BIAS, FIRST_WEIGHT, NUM_OUTPUTS
from lsched.learn.inference.tables import Table
from sim.fast_engine.compile import compiled, compiled_allocating

SLOPE = np.float32(0.2)
"""Of LeakyReLU below zero, as in ``encoders.nets``."""


@compiled
def set_biases(policy: Table, which: int, out: np.ndarray, begin: int, end: int) -> None:
    """Set rows of the outputs to a map's biases.

    Shapes:
        out: (outputs, rows)
    """
    bias = policy.spans[which, FIRST_BIAS]
    for at in range(policy.spans[which, NUM_OUTPUTS]):
        out[at, begin:end] = policy.weights[bias + at]


@compiled
def add_product(
    policy: Table,
    which: int,
    first_input: int,
    x: np.ndarray,
    out: np.ndarray,
    begin: int,
    end: int,
) -> None:
    """Add what some of a map's inputs give, from ``first_input`` on, for some of the rows.

    Four inputs at a time: each output is read and written a quarter as often. The loops over rows
    begin at 0, so that no index can be negative: only such loops become vector instructions.

    Shapes:
        x: (inputs, rows); out: (outputs, rows)
    """
    weights, outputs = policy.weights, policy.spans[which, NUM_OUTPUTS]
    first = policy.spans[which, FIRST_WEIGHT] + first_input * outputs
    for at in range(outputs):
        y, one, place = out[at, begin:end], 0, first + at
        while one + 4 <= len(x):
            a, b = weights[place], weights[place + outputs]
            c, d = weights[place + 2 * outputs], weights[place + 3 * outputs]
            x0, x1 = x[one, begin:end], x[one + 1, begin:end]
            x2, x3 = x[one + 2, begin:end], x[one + 3, begin:end]
            for row in range(len(y)):
                y[row] += a * x0[row] + b * x1[row] + c * x2[row] + d * x3[row]
            one += 4
            place += 4 * outputs
        while one < len(x):
            a, x0 = weights[place], x[one, begin:end]
            for row in range(len(y)):
                y[row] += a * x0[row]
            one += 1
            place += outputs


@compiled
def make_leaky(x: np.ndarray, begin: int, end: int) -> None:
    """LeakyReLU of some of the rows, in place."""
    for at in range(len(x)):
        y = x[at, begin:end]
        for row in range(len(y)):
            y[row] = max(y[row], SLOPE * y[row])


@compiled
def make_bounded(x: np.ndarray, end: int) -> None:
    """LeakyReLU and a bound, see ``network.BoundedLeakyReLU``, of rows up to an end, in place."""
    make_leaky(x, 0, end)
    one, size = np.float32(1.0), np.float32(len(x))
    for row in range(end):
        square = np.float32(0.0)
        for at in range(len(x)):
            square += x[at, row] * x[at, row]
        scale = one / np.sqrt(one + square / size)
        for at in range(len(x)):
            x[at, row] *= scale


@compiled_allocating
def linear(policy: Table, which: int, x: np.ndarray) -> np.ndarray:
    """A map of all rows.

    Shapes:
        x: (inputs, rows); returns (outputs, rows)
    """
    num_rows = x.shape[1]
    out = np.empty((policy.spans[which, NUM_OUTPUTS], num_rows), np.float32)
    set_biases(policy, which, out, 0, num_rows)
    add_product(policy, which, 0, x, out, 0, num_rows)
    return out


@compiled_allocating
def two_layers(policy: Table, which: int, x: np.ndarray) -> np.ndarray:
    """A map, a LeakyReLU and the next map."""
    hidden = linear(policy, which, x)
    make_leaky(hidden, 0, x.shape[1])
    return linear(policy, which + 1, hidden)
