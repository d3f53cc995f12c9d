"""``lsched schedulers``: every scheduler there is."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from lsched.commands.console import output_console
from lsched.tables import CLAIRVOYANT_MARK, CLAIRVOYANT_NOTE, plain_table
from sim import Scheduler, scheduler_names
from sim.registry import scheduler_class


@dataclass(frozen=True, kw_only=True)
class Options:
    """List every scheduler with its parameters and their defaults."""


def run(options: Options) -> None:
    """Do what the options say."""
    table = plain_table()
    table.add_column("scheduler", no_wrap=True)
    table.add_column("what it does")
    table.add_column("parameters = default", overflow="fold", max_width=34)
    has_clairvoyant = False
    for name in scheduler_names():
        try:
            factory = scheduler_class(name)
        except Exception as error:  # a plug-in's own failure, shown beside the others
            table.add_row(name, f"cannot be loaded: {type(error).__name__}: {error}", "")
            continue
        is_clairvoyant = bool(getattr(factory, "is_clairvoyant", False))
        has_clairvoyant |= is_clairvoyant
        summary = (inspect.getdoc(factory) or "").partition("\n")[0]
        mark = f" {CLAIRVOYANT_MARK}" if is_clairvoyant else ""
        table.add_row(name + mark, summary, "\n".join(_parameters(factory)))
    console = output_console()
    console.print(table)
    if has_clairvoyant:
        console.print(CLAIRVOYANT_NOTE)
    console.print("Parameters are given as name:key=value+key=value.")


def _parameters(factory: Callable[..., Scheduler]) -> list[str]:
    """``key = default`` for what can be given in text; the run's seed is not."""
    if inspect.isclass(factory) and factory.__init__ is object.__init__:
        return []
    return [
        name if parameter.default is parameter.empty else f"{name} = {_shown(parameter.default)}"
        for name, parameter in inspect.signature(factory).parameters.items()
        if name != "seed"
    ]


def _shown(value: object) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
