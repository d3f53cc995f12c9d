"""Clusters from TOML files: a preset, changes to it, and when executors are not there."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from sim import Cluster, ClusterError, Outage, preset
from traces import TraceError
from traces.errors import did_you_mean, in_words
from traces.text_files import read_text

CLUSTER_KEYS = tuple(field.name for field in dataclasses.fields(Cluster))
OUTAGE_KEYS = tuple(field.name for field in dataclasses.fields(Outage))


def read_cluster(path: Path) -> Cluster:
    """A cluster from a file: ``preset`` (optional), then attributes of ``Cluster`` as keys.

    ``"none"`` stands for an absent value. Each ``[[outages]]`` table has the attributes of
    ``Outage``.

    Raises:
        ClusterError: naming file and key of the first thing that is wrong.
    """
    try:
        raw = msgspec.toml.decode(read_text(path, "a cluster's description"))
    except TraceError as error:
        raise ClusterError(str(error)) from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ClusterError(f"{path}: not TOML: {error}") from None
    try:
        return _cluster(raw)
    except msgspec.ValidationError as error:
        raise ClusterError(f"{path}: {_explained(str(error))}") from None
    except (ValueError, OverflowError, RecursionError) as error:
        raise ClusterError(f"{path}: {error}") from None


def _cluster(raw: dict[str, Any]) -> Cluster:
    name = raw.pop("preset", None)
    if name is not None and not isinstance(name, str):
        raise ValueError(f"preset is {name!r}, expected a name")
    base = Cluster() if name is None else preset(name)
    _check_keys(raw, ("preset", *CLUSTER_KEYS), "")
    outages = raw.get("outages", [])
    if isinstance(outages, list):
        for at, outage in enumerate(outages):
            _check_keys(outage if isinstance(outage, dict) else {}, OUTAGE_KEYS, f"outages[{at}].")
    given = {key: None if value == "none" else value for key, value in raw.items()}
    unchanged = {key: getattr(base, key) for key in CLUSTER_KEYS if key not in given}
    return msgspec.convert({**unchanged, **given}, Cluster)


def _check_keys(given: Iterable[str], known: tuple[str, ...], place: str) -> None:
    for key in given:
        if key not in known:
            raise ValueError(
                f"no key {place}{key}{did_you_mean(key, known)}; there are {', '.join(known)}"
            )


def _explained(message: str) -> str:
    """What msgspec says, with the key first."""
    text, _, place = message.partition(" - at `$.")
    place = re.sub(r"`$", "", place)
    return f"{place}: {in_words(text)}" if place else in_words(text)
