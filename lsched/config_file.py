"""Options in a file: what ``--config`` reads, and what commands leave with their results.

The file has options by their names on the command line, without the dashes, and all on one level,
as they are there. Nothing in it is executed. What commands write is JSON and not TOML, for two
reasons: the standard library reads both but writes only JSON, and only JSON has a null for an
option that is not given. People may write either.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import reprlib
import shlex
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from lsched.errors import OptionError
from lsched.output import CONFIG_FILE
from lsched.report import versions
from traces import TraceError
from traces.errors import did_you_mean, in_words
from traces.output import atomic_file, is_special
from traces.text_files import read_text

COMMAND, MADE_BY = "command", "made_by"
"""Keys that are no options: whose options these are, and what wrote them down."""
OptionsType = TypeVar("OptionsType")


def command_of(options: type[Any]) -> str:
    """``suite run`` for the options of ``lsched.commands.suite_run``."""
    return options.__module__.rpartition(".")[2].replace("_", " ")


def read_config(path: Path) -> dict[str, Any]:
    """Everything in a file, JSON where its name ends in ``.json``, else TOML.

    Raises:
        OptionError: it cannot be read, or is not what its name says.
    """
    kind, decode = ("JSON", json.loads) if path.suffix == ".json" else ("TOML", tomllib.loads)
    try:
        document = decode(read_text(path, "options"))
    except TraceError as error:
        raise OptionError(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise OptionError(f"{path}: not {kind}: {error}") from None
    if not isinstance(document, dict):
        raise OptionError(f"{path}: {_shown(document)}, expected options by name")
    return document


def read_options(path: Path, options: type[OptionsType], absent: object) -> OptionsType:
    """The options of a command from a file; others are as they are by default.

    Args:
        path: the file, see ``read_config``.
        options: a command's options.
        absent: stands for those that have to be given, and are not.

    Raises:
        OptionError: naming file and key of the first thing that is wrong.
    """
    document = read_config(path)
    command = document.pop(COMMAND, command_of(options))
    if command != command_of(options):
        raise OptionError(
            f"{path}: options of lsched {_shown(command)}, expected {command_of(options)!r}"
        )
    document.pop(MADE_BY, None)
    hints = {key: hint for key, _, hint in each_option(options)}
    values = {}
    for key, value in document.items():
        if key not in hints:
            hint = did_you_mean(key, hints) or f"; there are {', '.join(hints)}"
            raise OptionError(f"{path}: no option {_shown(key)}{hint}")
        try:
            values[key] = _converted(value, hints[key])
        except ValueError as error:
            raise OptionError(f"{path}: {key} is {_shown(value)}: {error}") from None
    return _built(options, values, absent)


def write_config(options: Any, path: Path) -> None:
    """Write all options of a command into its directory, or to a file; complete or not at all."""
    with atomic_file(path / CONFIG_FILE if path.is_dir() else path) as out:
        put_config(options, out)


def config_beside(*files: Path | None) -> Path | None:
    """Where a command whose output is files leaves its options: ``FILE.config.json``.

    ``FILE`` is the first of the files that is given and no device or pipe.
    """
    for file in files:
        if file is not None and not is_special(file):
            return file.with_name(f"{file.name}.{CONFIG_FILE}")
    return None


def put_config(options: Any, out: IO[bytes]) -> None:
    """Write all options of a command.

    Text is escaped to ASCII, so that names of files that are not Unicode come back as they were;
    numbers that are not finite are written as Python reads them.
    """
    document = {
        COMMAND: command_of(type(options)),
        MADE_BY: {**versions(), "date": datetime.datetime.now(datetime.UTC).date().isoformat()},
        **values_of(options),
    }
    out.write(json.dumps(document, indent=2).encode() + b"\n")


def command_line(
    options: type[Any], values: Mapping[str, Any], positional: str, left_out: Collection[str] = ()
) -> str:
    """The shortest command line with these options: without what is its default.

    Args:
        options: a command's options.
        values: by name on the command line, see ``values_of``.
        positional: the one that stands first, without its name; several values.
        left_out: options that do not matter.
    """
    words = ["lsched", *command_of(options).split(), *map(str, values[positional])]
    for key, field, _ in each_option(options):
        value = values.get(key, _default(field))
        if key == positional or key in left_out or value == _default(field):
            continue
        if isinstance(value, bool):
            words.append(f"--{key}" if value else f"--no-{key}")
        else:
            several = value if isinstance(value, list | tuple) else [value]
            words += [f"--{key}", *map(str, several)]
    return shlex.join(words)


def values_of(options: Any) -> dict[str, object]:
    """All options of a command by name on the command line, as plain values."""
    return dict(_values(options))


def _default(field: dataclasses.Field[Any]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return _plain(field.default_factory())
    return _plain(field.default)


def each_option(options: type[Any]) -> Iterator[tuple[str, dataclasses.Field[Any], Any]]:
    """Key, field and type of each option; those of a group stand among the others."""
    for field, hint in _fields(options):
        if dataclasses.is_dataclass(hint):
            assert isinstance(hint, type)
            yield from each_option(hint)
        else:
            yield _key(field), field, hint


def _fields(options: type[Any]) -> Iterator[tuple[dataclasses.Field[Any], Any]]:
    hints = get_type_hints(options)
    for field in dataclasses.fields(options):
        yield field, hints[field.name]


def _key(field: dataclasses.Field[Any]) -> str:
    return field.name.replace("_", "-")


def _values(options: Any) -> Iterator[tuple[str, object]]:
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if dataclasses.is_dataclass(value):
            yield from _values(value)
        else:
            yield _key(field), _plain(value)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _built(options: type[OptionsType], values: dict[str, Any], absent: object) -> OptionsType:
    given: dict[str, Any] = {}
    for field, hint in _fields(options):
        if dataclasses.is_dataclass(hint):
            assert isinstance(hint, type)
            given[field.name] = _built(hint, values, absent)
        elif _key(field) in values:
            given[field.name] = values[_key(field)]
        elif field.default is field.default_factory is dataclasses.MISSING:
            given[field.name] = absent
    return options(**given)


def _converted(value: object, hint: Any) -> Any:
    """The value as the option has it.

    Raises:
        ValueError: it is of another type, or no text that a command line can have.
    """
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str):
            _check_text(text)
    try:
        return msgspec.convert(value, hint, dec_hook=_path)
    except msgspec.ValidationError as error:
        choices = list(_choices(hint))
        expected = f"expected one of {', '.join(choices)}" if choices else in_words(str(error))
        raise ValueError(expected + did_you_mean(str(value), choices)) from None


def _check_text(text: str) -> None:
    try:
        is_possible = b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        is_possible = False
    if not is_possible:
        raise ValueError("not a text that a command line can have")


def _path(kind: type[Any], value: object) -> Path:
    """For msgspec, which does not know paths."""
    if kind is not Path or not isinstance(value, str) or not value:
        raise ValueError("expected a path")
    return Path(value)


def _choices(hint: Any) -> Iterable[str]:
    if get_origin(hint) is Literal:
        yield from (str(choice) for choice in get_args(hint))
    else:
        for part in get_args(hint):
            yield from _choices(part)


def _shown(value: object) -> str:
    return reprlib.repr(value)
