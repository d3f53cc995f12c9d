"""Policies in files: weights as safetensors, and a card in JSON beside them.

``NAME.safetensors`` and ``NAME.json``, which name each other by a digest. Nothing in them is ever
executed, and no more memory is taken than a policy of the card's size needs.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lsched.errors import CheckpointError
from lsched.learn.card import Card, Training, decoded, encoded
from lsched.learn.config import PolicyConfig
from lsched.learn.shapes import weight_shapes
from traces.errors import did_you_mean
from traces.output import atomic_file

MAX_CARD_BYTES = 1 << 20
MAX_HEADER_BYTES = 1 << 20
"""Of a file of weights, beside the weights themselves."""
DEFAULT_NAME = "policy"
"""In a directory."""
SHIPPED = Path(__file__).parents[1] / "policies"
"""Where the policies are that come with lsched."""


@dataclass(frozen=True)
class Checkpoint:
    """A policy as it was saved.

    Attributes:
        card: what it is.
        weights: float32 arrays by name in ``network.Network``; see ``shapes.weight_shapes``.
    """

    card: Card
    weights: Mapping[str, np.ndarray]


def files_of(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Files of the weights and of the card of a policy.

    Args:
        path: without a suffix, or either file; a directory means ``policy`` in it.
    """
    base, is_directory = Path(path), False
    with suppress(OSError, ValueError):  # a name that no file can have
        is_directory = base.is_dir()
    if is_directory:
        base = base / DEFAULT_NAME
    elif base.suffix in (".safetensors", ".json"):
        base = base.with_suffix("")
    return base.with_name(f"{base.name}.safetensors"), base.with_name(f"{base.name}.json")


def shipped_names() -> list[str]:
    """Names of the policies that come with lsched."""
    return sorted(file.stem for file in SHIPPED.glob("*.safetensors"))


def shipped(name: str) -> str:
    """Where a policy is that comes with lsched.

    Raises:
        CheckpointError: this installation does not have it.
    """
    path = SHIPPED / name
    for file in files_of(path):
        if not file.is_file():
            raise CheckpointError(
                f"policy {name!r} is not part of this installation ({file} is not there); train "
                "one with `lsched train` and use learned:path=…"
            )
    return str(path)


def find(path: str | os.PathLike[str]) -> str:
    """Where a policy is: the path, or if nothing is there, the policy of that name with lsched."""
    name = os.fspath(path)
    if name not in shipped_names() or any(file.exists() for file in files_of(path)):
        return name
    return shipped(name)


def save(
    path: str | os.PathLike[str],
    config: PolicyConfig,
    weights: Mapping[str, np.ndarray],
    training: Training,
) -> Card:
    """Write a policy. Each file is complete or not there; a card fits one file of weights only.

    Args:
        path: see ``files_of``.
        config: its parts.
        weights: ``network.weights_of`` has them.
        training: how it came about.

    Returns:
        Its card.

    Raises:
        ValueError: weights are not those of such a policy, or a number is not finite.
        OSError: a file cannot be written.
    """
    from safetensors.numpy import save as as_safetensors  # of the extra ``fast``

    _check_weights(config, weights)
    weights_file, card_file = files_of(path)
    data = as_safetensors({name: np.ascontiguousarray(weights[name]) for name in sorted(weights)})
    card = Card(config, training, hashlib.sha256(data).hexdigest())
    text = encoded(card)
    with atomic_file(weights_file) as out:
        out.write(data)
    with atomic_file(card_file) as out:
        out.write(text)
    return card


def load(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a policy.

    Args:
        path: see ``files_of``; or the name of a policy that comes with lsched.

    Raises:
        CheckpointError: a file is missing or is not what it must be, or this version of lsched
            cannot use it; names the file.
        ValueError: safetensors is not installed.
    """
    weights_file, card_file = files_of(find(path))
    text = _read(card_file, MAX_CARD_BYTES)
    try:
        card = decoded(text)
    except CheckpointError as error:
        raise CheckpointError(f"{card_file}: {error}") from None
    num_bytes = sum(4 * int(np.prod(shape)) for shape in weight_shapes(card.policy).values())
    data = _read(weights_file, MAX_HEADER_BYTES + num_bytes)
    try:
        weights = _parsed(data)
        _check_weights(card.policy, weights)
    except CheckpointError as error:
        raise CheckpointError(f"{weights_file}: {error}") from None
    if hashlib.sha256(data).hexdigest() != card.weights_sha256:
        raise CheckpointError(f"{weights_file}: not the weights that {card_file} is of")
    return Checkpoint(card, weights)


def _read(file: Path, max_bytes: int) -> bytes:
    try:
        if file.exists() and not file.is_file():
            raise CheckpointError(f"{file}: not a regular file")
        with file.open("rb") as source:
            data = source.read(max_bytes + 1)
    except FileNotFoundError:
        names = shipped_names()
        raise CheckpointError(
            f"{file}: no such file; a policy is NAME.safetensors and NAME.json, as `lsched train` "
            f"writes them; with lsched come {', '.join(names)}{did_you_mean(file.stem, names)}"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise CheckpointError(f"{file}: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > max_bytes:
        raise CheckpointError(f"{file}: larger than {max_bytes:,} bytes, which none needs")
    return data


def _parsed(data: bytes) -> dict[str, np.ndarray]:
    """The arrays in a file of weights."""
    if importlib.util.find_spec("safetensors") is None:
        raise ValueError("policies need safetensors, which is missing: pip install 'lsched[fast]'")
    from safetensors import SafetensorError, deserialize

    try:
        tensors = deserialize(data)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise CheckpointError(f"not a complete safetensors file: {error}") from None
    weights = {}
    for name, tensor in tensors:
        if tensor["dtype"] != "F32":
            raise CheckpointError(f"{name} is of {tensor['dtype']}, expected F32")
        weights[name] = np.frombuffer(tensor["data"], "<f4").reshape(tensor["shape"])
    return weights


def _check_weights(config: PolicyConfig, weights: Mapping[str, np.ndarray]) -> None:
    """Whether they are a policy's.

    Raises:
        CheckpointError: names or shapes are others, or a number is not finite.
    """
    shapes = weight_shapes(config)
    for name in sorted(shapes.keys() | weights.keys()):
        if name not in weights:
            raise CheckpointError(f"{name} is missing, which a policy as in its card has")
        if name not in shapes:
            raise CheckpointError(f"{name} is there, which a policy as in its card has not")
        array = weights[name]
        if array.dtype != np.float32:
            raise CheckpointError(f"{name} is of {array.dtype}, expected float32")
        if array.shape != shapes[name]:
            raise CheckpointError(f"{name} has shape {array.shape}, expected {shapes[name]}")
        if not np.isfinite(array).all():
            raise CheckpointError(f"{name} has a number that is not finite")
