"""``lsched schedulers``: every scheduler there is, or all about some."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import tyro
from rich.console import Console

from lsched.commands.console import output_console
from lsched.tables import CLAIRVOYANT_MARK, CLAIRVOYANT_NOTE, plain_table
from sim import Scheduler, scheduler_names
from sim.registry import scheduler_class
from sim.schedulers.common import Listing
from sim.schedulers.priced import Priced
from sim.schedulers.srpt import QueryLimit
from sim.signatures import parameters_of, texts_of
from sim.values import expected


@dataclass(frozen=True, kw_only=True)
class Options:
    """List every scheduler with its parameters and their defaults, or say all about some."""

    names: Annotated[
        tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[NAME ...]")
    ] = ()
    """Schedulers to describe in full; without any, all of them in a table."""


def run(options: Options) -> None:
    """Do what the options say."""
    console = output_console()
    if options.names:
        _describe(options.names, console)
    else:
        _list(console)
    console.print("Parameters are given as name:key=value+key=value.")


def _describe(names: tuple[str, ...], console: Console) -> None:
    # The docstrings of rules refer to these classes for the parameters that many have.
    common = texts_of(Priced) | texts_of(QueryLimit) | texts_of(Listing)
    for name, factory in [(name, scheduler_class(name)) for name in names]:
        description, _, _ = (inspect.getdoc(factory) or "").partition("\n\nArgs:")
        types, texts = parameters_of(factory), common | texts_of(factory)
        lines = [f"{name}: {description or 'without a description'}", ""]
        for key, line in _parameters(factory).items():
            lines.append(f"{line}: {expected(types[key])}")
            lines += textwrap.wrap(
                texts.get(key, ""), 96, initial_indent="    ", subsequent_indent="    "
            )
        console.print("\n".join(lines).replace("``", ""), end="\n\n", markup=False, highlight=False)


def _list(console: Console) -> None:
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
        summary = (inspect.getdoc(factory) or "").partition("\n")[0].replace("``", "")
        mark = f" {CLAIRVOYANT_MARK}" if is_clairvoyant else ""
        table.add_row(name + mark, summary, "\n".join(_parameters(factory).values()))
    console.print(table)
    if has_clairvoyant:
        console.print(CLAIRVOYANT_NOTE)


def _parameters(factory: Callable[..., Scheduler]) -> dict[str, str]:
    """``key = default`` by key, for what can be given in text; the run's seed is not."""
    if inspect.isclass(factory) and factory.__init__ is object.__init__:
        return {}
    return {
        name: name
        if parameter.default is parameter.empty
        else f"{name} = {_shown(parameter.default)}"
        for name, parameter in inspect.signature(factory).parameters.items()
        if name != "seed"
    }


def _shown(value: object) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(value) or "''"
