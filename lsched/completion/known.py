"""Values that are known beforehand: traces, schedulers with parameters, clusters, cases."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from lsched.arrivals import REAL
from lsched.learn import checkpoint
from lsched.learn.rule import KINDS
from lsched.suite import CASES
from lsched.tune import OBJECTIVES
from sim import PRESETS, Cluster, scheduler_names
from sim.registry import scheduler_class
from traces import shipped_names
from traces.generate import shipped_configs

KNOWN: dict[tuple[str, ...], str] = {
    ("trace",): "traces",
    ("traces",): "traces",
    ("validate", "bounds", "traces"): "trace_list",
    ("plans",): "traces",
    ("scheduler",): "scheduler",
    ("schedulers",): "scheduler_list",
    ("reference",): "scheduler",
    ("rule",): "rule",
    ("cluster",): "cluster",
    ("train", "cluster"): "cluster_list",
    ("cases",): "case_list",
    ("generate", "config"): "config",
    ("show",): "shipped_config",
    ("benchmark",): "benchmark",
    ("tune", "objective"): "figure",
    ("estimates",): "estimates",
    ("start",): "policy",
}
"""Kind of values by option, where need be with its command before it; the name of a ``Known``."""


@dataclass(frozen=True)
class Known:
    """Values of a kind.

    Attributes:
        name: in names of functions of scripts.
        words: the values; a parameter of one stands beside it, as in ``name:key=`` or
            ``name:key=value``.
        is_list: several may be given, separated by commas.
        files: pattern of files that may be given too; empty: none.
    """

    name: str
    words: tuple[str, ...]
    is_list: bool = False
    files: str = ""


def known_values() -> tuple[Known, ...]:
    """All kinds of values."""
    from traces.capture.duckdb_benchmarks import BENCHMARKS

    traces, configs = tuple(shipped_names()), tuple(shipped_configs())
    schedulers, clusters = tuple(_schedulers()), tuple(_clusters())
    rules = tuple(word for word in schedulers if word.partition(":")[0] in KINDS)
    cases = tuple(case.name for case in CASES)
    return (
        Known("traces", traces, files="*"),
        Known("trace_list", traces, is_list=True, files="*"),
        Known("scheduler", schedulers, files="*.py"),
        Known("scheduler_list", schedulers, is_list=True, files="*.py"),
        Known("rule", ("auto", "none", *rules)),
        Known("cluster", clusters, files="*.toml"),
        Known("cluster_list", clusters, is_list=True, files="*.toml"),
        Known("case_list", cases, is_list=True),
        Known("config", configs, files="*.toml"),
        Known("shipped_config", configs),
        Known("benchmark", tuple(BENCHMARKS)),
        Known("figure", OBJECTIVES),
        Known("estimates", (REAL, "exact", "none")),
        Known("policy", tuple(checkpoint.shipped_names()), files="*"),
    )


def _schedulers() -> Iterator[str]:
    for name in scheduler_names():
        yield name
        try:
            parameters = _parameters(scheduler_class(name))
        except Exception:  # a plug-in's own failure: its name can still be completed
            continue
        for key, annotation in parameters.items():
            yield from _texts(f"{name}:{key}=", annotation)


def _parameters(factory: Callable[..., object]) -> dict[str, Any]:
    """Parameters that can be given in text, and their types."""
    if inspect.isclass(factory) and factory.__init__ is object.__init__:
        return {}
    hints = get_type_hints(factory.__init__ if inspect.isclass(factory) else factory)
    names = inspect.signature(factory).parameters
    return {name: hints.get(name, str) for name in names if name != "seed"}


def _clusters() -> Iterator[str]:
    hints = get_type_hints(Cluster)
    for name in PRESETS:
        yield name
        for key, annotation in hints.items():
            if key != "outages":  # are given in a file
                yield from _texts(f"{name}:{key}=", annotation)


def _texts(start: str, annotation: Any) -> list[str]:
    """``start`` with each value that a type has, or alone where there is no end of values."""
    is_union = get_origin(annotation) in (Union, types.UnionType)
    values: list[str] = []
    for option in get_args(annotation) if is_union else (annotation,):
        if get_origin(option) is Literal:
            values += map(str, get_args(option))
        elif option is bool:
            values += ["true", "false"]
        elif option is type(None):
            values.append("none")
        else:
            return [start]
    return [start + value for value in values]
