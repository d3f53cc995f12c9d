"""The script of a shell: what shtab makes of the options, and the lists that it has no notion of.

All that is completed is written into the script, so that TAB starts no Python.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from importlib.resources import files
from typing import Literal, get_args

import shtab

from lsched.completion.known import KNOWN, Known, known_values
from lsched.completion.parser import command_parser

Shell = Literal["bash", "zsh", "fish"]
SHELLS: tuple[Shell, ...] = get_args(Shell)
FILES, DIRECTORIES = ("PATH", "FILE", "EVENTLOG"), ("DIR",)
"""In the placeholders of options whose values are files, or directories."""
OPTION = re.compile(r'(?m)^( *"--[a-z-]+)(\[(?:\\.|[^\\\]])*\]:)')
"""Of zsh, one that has a value; ``=`` behind its name allows ``--option=value`` too."""


def script(shell: Shell) -> str:
    """The completion script of a shell."""
    parser = command_parser()
    values = {known.name: known for known in known_values()}
    for command, action in _actions(parser, ()):
        _complete(action, KNOWN.get((*command, action.dest)) or KNOWN.get((action.dest,)))
    own = files("lsched.completion").joinpath(f"words.{shell}").read_text(encoding="utf-8")
    functions = "\n".join(_function(shell, known) for known in values.values())
    before, _, after = own.partition("# shtab\n")
    made = shtab.complete(parser, shell, root_prefix="lsched", preamble=f"{before}\n{functions}")
    if shell == "zsh":  # any number of words, where shtab has but one completed
        made = made.replace('"(*)::', '"*:')
        made = OPTION.sub(r"\1=\2", made)
    return f"{made.rstrip()}\n{after}"


def _actions(
    parser: argparse.ArgumentParser, command: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], argparse.Action]]:
    """Every option, with the words of its command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, subparser in action.choices.items():
                yield from _actions(subparser, (*command, name))
        else:
            yield command, action


def _complete(action: argparse.Action, name: str | None) -> None:
    """Say how the value of an option is completed."""
    placeholder = action.metavar if isinstance(action.metavar, str) else ""
    complete: object
    if name is not None:
        function = f"_lsched_{name}"
        complete = {"bash": function, "zsh": function, "fish": f"({function})"}
    elif any(word in placeholder for word in FILES):
        complete = shtab.FILE
    elif any(word in placeholder for word in DIRECTORIES):
        complete = shtab.DIRECTORY
    else:
        return
    action.complete = complete  # type: ignore[attr-defined]


def _function(shell: Shell, known: Known) -> str:
    """A function of the script for the values of one kind."""
    kind = "list" if known.is_list else "one"
    words = " ".join(map(shlex.quote, ("_lsched_words", kind, known.files, *known.words)))
    if shell == "fish":
        return f"function _lsched_{known.name}\n    {words}\nend"
    given = ' "$1"' if shell == "bash" else ""  # what is to be completed
    return f"_lsched_{known.name}() {{\n    {words}{given}\n}}"
