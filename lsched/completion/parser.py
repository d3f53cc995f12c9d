"""All commands and their options as one argparse parser, from which scripts are made.

Commands parse themselves, each when it is called; nothing is ever parsed with this.
"""

from __future__ import annotations

import argparse
import importlib
import re
import warnings
from collections.abc import Mapping
from typing import Any

from lsched.cli import COMMANDS, GROUPS, PROGRAM
from lsched.parsing import extended_options

MAX_HELP = 70
"""Characters of an option's description beside it."""


def command_parser() -> argparse.ArgumentParser:
    """The parser of ``lsched``, with a subparser for each command."""
    parser = argparse.ArgumentParser(prog=PROGRAM)
    parser.add_argument("--version", action="version", help="show the version")
    commands = parser.add_subparsers()
    for name, summary in COMMANDS.items():
        if name not in GROUPS:
            _add(commands, name, summary, name)
            continue
        group = commands.add_parser(name, help=summary, description=summary)
        members = group.add_subparsers()
        for member, member_summary in GROUPS[name].items():
            _add(members, member, member_summary, f"{name}_{member}")
    return parser


def _add(commands: Any, name: str, summary: str, module_name: str) -> None:
    module = importlib.import_module(f"lsched.commands.{module_name}")
    options = _option_parser(module.Options)
    for action in options._actions:
        action.dest = action.dest.rpartition(".")[2]
        action.help = _short(action.help or "")
        if action.choices is not None and not isinstance(action.choices, Mapping):
            action.choices = sorted(action.choices)
    commands.add_parser(name, help=summary, description=summary, parents=[options], add_help=False)


def _option_parser(options: type[Any]) -> argparse.ArgumentParser:
    import tyro

    with warnings.catch_warnings():
        # For parsing there are better ways; for the structure alone this is the public one.
        warnings.simplefilter("ignore", DeprecationWarning)
        parser = tyro.extras.get_parser(
            extended_options(options), config=(tyro.conf.FlagCreatePairsOff,)
        )
    assert isinstance(parser, argparse.ArgumentParser)
    return parser


def _short(text: str) -> str:
    """The first sentence, without what is shown as it stands nowhere: colours and defaults."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = " ".join(re.sub(r"\((?:default|required|optional)[^)]*\)", "", text).split())
    first = re.split(r"(?<=[a-z)])[.;] ", text)[0].rstrip(".")
    if len(first) > MAX_HELP:
        first = f"{first[: MAX_HELP - 1].rsplit(' ', 1)[0]} …"
    return first.replace("%", "%%")
