"""The options of a command, from the words of a command line and from a file."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import difflib
import inspect
import io
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from lsched.config_file import each_option, read_options
from lsched.errors import OptionError

CONFIG_HELP = (
    "File (.toml, or .json) with options by name, such as load = 0.8, or the config.json that a "
    "command has left; options on the command line win, and turn off with --no-OPTION what the "
    "file turns on."
)


def parse_options(options: type[Any], program: str, arguments: Sequence[str]) -> Any:
    """The options of a subcommand; None where only help was wanted.

    Raises:
        OptionError: an option is missing, unknown, or has a wrong value; also in the file that
            ``--config`` names.
    """
    import tyro

    name = config_option(options)
    extended = extended_options(options)
    file = _file_given(name, arguments)
    default = None if file is None else _from_file(file, options, extended)
    # Without a file, --no-OPTION would only say what is so anyway.
    markers = (tyro.conf.FlagCreatePairsOff,) if file is None else ()
    complaint, shown = io.StringIO(), _Shown()
    try:
        with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(shown):
            parsed = tyro.cli(
                extended, prog=program, args=arguments, default=default, config=markers
            )
    except SystemExit as stop:
        if not stop.code:
            sys.stdout.write(_with_line_breaks(shown.getvalue(), options))
            return None
        text = _unknown(extended, arguments) or _complaint(complaint.getvalue())
        raise OptionError(f"{text} (see {program} --help)") from None
    return _as(options, parsed)


class _Shown(io.StringIO):
    """Keeps what is printed, which looks as it would where it goes in the end."""

    def __init__(self) -> None:
        super().__init__()
        self._out = sys.stdout

    def isatty(self) -> bool:
        """Colours."""
        return self._out.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Frames."""
        return self._out.encoding


def _with_line_breaks(text: str, options: type[Any]) -> str:
    """A help text whose introduction is broken into lines, unless it is indented."""
    width = shutil.get_terminal_size().columns
    for paragraph in (inspect.getdoc(options) or "").split("\n\n"):
        if not paragraph.startswith(" "):
            line = " ".join(paragraph.split())
            text = text.replace(line, textwrap.fill(line, width), 1)
    return text.replace("\n\n\n", "\n\n")


def config_option(options: type[Any]) -> str:
    """``config``; but ``options`` where a command has an option of that name, as generate has."""
    names = {field.name for field in dataclasses.fields(options)}
    return "options" if "config" in names else "config"


def extended_options(options: type[Any]) -> type[Any]:
    """The same options and the one for a file, so that help and did-you-mean know of it."""
    import tyro

    from lsched.commands.options import OptionalPath

    argument = tyro.conf.arg(metavar="FILE", help=CONFIG_HELP)
    return _described(options, [(config_option(options), Annotated[OptionalPath, argument], None)])


def _described(options: type[Any], more: Sequence[tuple[str, Any, Any]] = ()) -> type[Any]:
    """The same options, whose texts flow; tyro keeps the line breaks of the source."""
    import docstring_parser
    import tyro

    texts = {
        text.arg_name: " ".join((text.description or "").split())
        for kind in reversed(options.__mro__[:-1])
        for text in docstring_parser.parse_from_object(kind).params
    }
    kinds, hints = get_type_hints(options), get_type_hints(options, include_extras=True)
    fields: list[tuple[str, Any, Any]] = []
    for field in dataclasses.fields(options):
        hint, default = hints[field.name], field.default
        if dataclasses.is_dataclass(kinds[field.name]):
            group = _described(kinds[field.name])
            hint, default = Annotated[group, *hint.__metadata__], _as(group, field.default)
        elif field.name in texts:
            shown = tyro.conf.arg(help=texts[field.name], help_behavior_hint=_hint(field, hint))
            hint = Annotated[hint, shown]
        new = dataclasses.field(default=default, default_factory=field.default_factory)
        fields.append((field.name, hint, new))
    return dataclasses.make_dataclass(
        options.__name__,
        [*fields, *more],
        bases=(options,),
        namespace={"__doc__": options.__doc__},
        frozen=True,
        kw_only=True,
    )


def _hint(field: dataclasses.Field[Any], hint: Any) -> str | None:
    """What is said of a default where that goes without saying, or is not it; else nothing."""
    if field.default is False or field.default == ():
        return ""
    if field.default is True:
        return "(yes, unless this is given)"
    is_list = str(hint).startswith("typing.Annotated[tuple")
    return "(required)" if is_list and field.default is dataclasses.MISSING else None


def _file_given(name: str, arguments: Sequence[str]) -> Path | None:
    """The file, looked up before all else: what it says are defaults of what is parsed."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(f"--{name}", nargs="?", dest="file")  # without a value tyro complains
    file = parser.parse_known_args(list(arguments))[0].file
    return Path(file) if file else None


def _from_file(file: Path, options: type[Any], extended: type[Any]) -> Any:
    import tyro

    return _as(extended, read_options(file, options, absent=tyro.MISSING))


def _as(kind: type[Any], values: Any) -> Any:
    """Values of options in another class for them, so far as it has the same."""
    kinds = get_type_hints(kind)
    given = {
        field.name: getattr(values, field.name)
        for field in dataclasses.fields(kind)
        if hasattr(values, field.name)
    }
    return kind(
        **{
            name: _as(kinds[name], value) if dataclasses.is_dataclass(kinds[name]) else value
            for name, value in given.items()
        }
    )


def _unknown(options: type[Any], arguments: Sequence[str]) -> str:
    """The first word that looks like an option and is none; nothing if there is no such word."""
    keys = [key for key, _, _ in each_option(options)]
    known = ["--help", *(f"--{start}{key}" for key in keys for start in ("", "no-"))]
    for word in arguments:
        name = word.partition("=")[0].replace("_", "-")
        if re.match("--?[A-Za-z]", name) and name not in (*known, "-h"):
            close = difflib.get_close_matches(name, known, n=1)
            return f"no option {name}" + (f"; did you mean {close[0]}?" if close else "")
    return ""


def _complaint(text: str) -> str:
    """The framed complaint of tyro in one line: its first section."""
    lines = text.splitlines()
    framed = [line[1:-1].rstrip() for line in lines if line.startswith("│")]
    # Where standard output is not UTF-8 there is no frame, but a title and a rule.
    inner = framed or [line[1:].rstrip() for line in lines[2:]]
    first: list[str] = []
    for line in inner:
        if line and not line.strip("─- "):
            break
        first.append(line)
    if first and first[0].startswith(" Missing from"):
        # Options are indented by four, what they are for by eight.
        names = [line.strip() for line in first[1:] if re.match(r" {5}\S", line)]
        return f"missing: {', '.join(names)}"
    message = " ".join(" ".join(first).split()).removeprefix("Error parsing ").rstrip(" .")
    extra = message.removeprefix("Unrecognized options: ")
    if extra != message:
        return f"too many words: {extra}; names in a list are separated by commas without spaces"
    message = message.replace("Expected 1 values", "expected one")
    chosen = re.fullmatch(
        r"invalid choice ('.*') for argument '(.*)'\. Expected one of \((.*)\)(.*)", message
    )
    if chosen:
        choices = ", ".join(choice.strip(" '") for choice in chosen[3].split(","))
        return f"{chosen[2]}: no {chosen[1]}; expected one of {choices}{chosen[4]}"
    return message
