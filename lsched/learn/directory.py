"""The directory of a training: the policy so far, the state to go on from, and what it was for.

Every file is complete or not there, whenever the process is killed. Nothing read is executed.
"""

from __future__ import annotations

import dataclasses
import datetime
import io
import math
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lsched.errors import CheckpointError
from lsched.learn.card import Training
from lsched.learn.checkpoint import save
from lsched.learn.config import NO_RULE, PolicyConfig
from lsched.learn.costs.network import Weights, cost_shapes
from lsched.learn.evolution import EvolutionState
from lsched.learn.shapes import named, network_shapes
from lsched.learn.training import TrainingState, Validation, first_ratio
from traces.output import atomic_file

STATE_FILE, CONFIG_FILE = "state.npz", "training.json"
MAX_BYTES = 1 << 28


class Description(msgspec.Struct, frozen=True):
    """What a training is for; it is gone on with only if this is the same.

    Attributes:
        policy: parts of the policy.
        traces, clusters, arrivals: what it is on, as text.
        config: of the training, but for its limits.
    """

    policy: PolicyConfig
    traces: list[str]
    clusters: list[str]
    arrivals: list[str]
    config: dict[str, Any]


def resumed(directory: Path) -> list[str]:
    """The option of ``lsched train`` that goes on where a training in a directory is, if one is."""
    return ["--resume"] if (directory / STATE_FILE).exists() else []


def write_state(
    directory: Path, state: TrainingState, description: Description, costs: Weights
) -> None:
    """Write what is needed to go on; ``costs``: weights of the cost network, if there is one."""
    with atomic_file(directory / CONFIG_FILE) as out:
        out.write(msgspec.json.format(msgspec.json.encode(description), indent=2) + b"\n")
    buffer = io.BytesIO()
    validations = msgspec.json.encode([dataclasses.asdict(each) for each in state.validations])
    np.savez(
        buffer,
        mean=state.evolution.mean,
        average=state.evolution.average,
        momentum=state.evolution.momentum,
        seen=state.evolution.seen,
        best=state.best,
        numbers=np.array(
            [
                state.evolution.squares,
                state.evolution.generation,
                state.num_decisions,
                state.elapsed_s,
            ]
        ),
        validations=np.frombuffer(validations, np.uint8),
        **costs,  # type: ignore[arg-type]
    )
    with atomic_file(directory / STATE_FILE) as out:
        out.write(buffer.getvalue())


def read_state(directory: Path, description: Description) -> TrainingState:
    """The state to go on from.

    Raises:
        CheckpointError: there is none, it is damaged, or it is of another training.
    """
    found = read_description(directory)
    for name in Description.__struct_fields__:
        was, now = getattr(found, name), getattr(description, name)
        if msgspec.json.encode(was) != msgspec.json.encode(now):
            raise CheckpointError(
                f"{directory} is of a training with {name} {was}, not {now}; give the same options "
                "to go on with it, or another --out"
            )
    arrays = _arrays_in(directory)
    try:
        return _state_in(arrays, description)
    except (ValueError, KeyError, msgspec.MsgspecError) as error:
        raise _damaged(directory / STATE_FILE, error) from None


def read_costs(directory: Path, policy: PolicyConfig) -> dict[str, np.ndarray]:
    """Weights of the cost network of a training, if it has one.

    Raises:
        CheckpointError: there is no training, or its state is damaged.
    """
    arrays = _arrays_in(directory)
    found = {}
    for name, shape in cost_shapes(policy.costs).items():
        array = arrays.get(name)
        if array is None or array.shape != shape or not np.all(np.isfinite(array)):
            raise _damaged(directory / STATE_FILE, ValueError(f"{name} is not {shape} numbers"))
        found[name] = array.astype(np.float32)
    return found


def read_description(directory: Path) -> Description:
    """What the training in a directory is for.

    Raises:
        CheckpointError: there is none, or its description is damaged.
    """
    try:
        return msgspec.json.decode(_read(directory / CONFIG_FILE), type=Description)
    except msgspec.MsgspecError as error:
        raise CheckpointError(f"{directory / CONFIG_FILE}: {error}") from None


def read_validations(directory: Path) -> tuple[Validation, ...]:
    """All validations of a training so far.

    Raises:
        CheckpointError: there is no training, or its state is damaged.
    """
    try:
        return _validations_in(_arrays_in(directory))
    except (ValueError, KeyError, msgspec.MsgspecError) as error:
        raise _damaged(directory / STATE_FILE, error) from None


def _arrays_in(directory: Path) -> dict[str, np.ndarray]:
    file = directory / STATE_FILE
    try:
        with np.load(io.BytesIO(_read(file)), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise _damaged(file, error) from None


def _damaged(file: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"{file}: not the state of a training: {error}")


def _validations_in(arrays: dict[str, np.ndarray]) -> tuple[Validation, ...]:
    encoded = arrays["validations"].astype(np.uint8).tobytes()
    return tuple(msgspec.json.decode(encoded, type=list[Validation]))


def _state_in(arrays: dict[str, np.ndarray], description: Description) -> TrainingState:
    size = sum(math.prod(shape) for shape in network_shapes(description.policy).values())
    for name in ("mean", "average", "momentum", "best"):
        if arrays[name].shape != (size,) or not np.all(np.isfinite(arrays[name])):
            raise ValueError(f"{name} is not {size} finite numbers")
    seen = arrays["seen"]
    if seen.shape != (2, len(description.traces)) or not np.all(np.isfinite(seen)):
        raise ValueError("seen is not two finite numbers for each case")
    squares, generation, num_decisions, elapsed_s = arrays["numbers"].tolist()
    return TrainingState(
        EvolutionState(
            arrays["mean"].astype(np.float64),
            arrays["average"].astype(np.float64),
            arrays["momentum"].astype(np.float64),
            seen.astype(np.float64),
            float(squares),
            int(generation),
        ),
        arrays["best"].astype(np.float32),
        first_ratio(description.policy),
        _validations_in(arrays),
        int(num_decisions),
        float(elapsed_s),
    )


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as source:
            data = source.read(MAX_BYTES + 1)
    except OSError as error:
        raise CheckpointError(
            f"{file}: {error.strerror or error}; there is no training to go on with"
        ) from None
    if len(data) > MAX_BYTES:
        raise CheckpointError(f"{file}: larger than {MAX_BYTES:,} bytes")
    return data


def write_policy(
    directory: Path,
    state: TrainingState,
    description: Description,
    costs: Weights,
    command: str,
    seeds: str,
) -> None:
    """Write the best policy so far."""
    best = min(state.validations, key=lambda each: each.ratio, default=None)
    ratios = (state.first_ratio,) * len(description.traces)
    if best is not None and best.ratio < state.first_ratio:
        ratios = best.ratios
    reference = "fair share" if description.policy.rule == NO_RULE else "the rule"
    names = [
        f"{trace}, {cluster}, {arrivals}"
        for trace, cluster, arrivals in zip(
            description.traces, description.clusters, description.arrivals, strict=True
        )
    ]
    training = Training(
        trace="; ".join(dict.fromkeys(description.traces)),
        cluster="; ".join(dict.fromkeys(description.clusters)),
        arrivals="; ".join(dict.fromkeys(description.arrivals)),
        seeds=seeds,
        command=command,
        training_s=round(state.elapsed_s, 1),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        validation={
            f"ratio to {reference}: {name}": ratio
            for name, ratio in zip(names, ratios, strict=True)
            if math.isfinite(ratio)
        },
    )
    weights = {**named(description.policy, state.best), **costs}
    save(directory, description.policy, weights, training)
