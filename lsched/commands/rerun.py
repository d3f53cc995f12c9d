"""``lsched rerun``: a command once more, as what lies with its results says."""

from __future__ import annotations

import importlib
import reprlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from lsched.commands.options import OptionalPath
from lsched.config_file import COMMAND, MADE_BY, read_config
from lsched.errors import OptionError
from lsched.output import CONFIG_FILE, make_directory
from lsched.parsing import config_option, parse_options
from lsched.report import versions
from traces.errors import did_you_mean

RERUN = (
    "compare",
    "train",
    "suite run",
    "suite tune",
    "describe",
    "validate bounds",
    "validate theory",
    "validate spark",
    "validate duckdb",
    "simulate",
    "tune",
    "generate",
    "observe",
)
"""Commands that leave their options. A file names one of these, never a module to import."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Run the command that made a directory or a file again, with the same options, elsewhere.

    Relative paths in the options are as they were: run it in the directory where the command was
    run. A line says where the version of lsched or numpy is another. Results are the same but for
    measured times, where versions and files that are read are the same.
    """

    results: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR|FILE")]
    """Output directory of a command, whose config.json says what to run; or an output file, or the
    FILE.config.json beside it."""

    out: OptionalPath = None
    """Directory for the new results; DIR-rerun (FILE-rerun) if not given. Files keep their names.
    """


def run(options: Options) -> None:
    """Do what the options say."""
    file = _config_of(options.results)
    if not file.exists():
        raise OptionError(
            f"{options.results} has no {file.name}, which {', '.join(RERUN)} leave with results"
        )
    document = read_config(file)
    command = document.get(COMMAND)
    if command not in RERUN:
        hint = did_you_mean(str(command), RERUN) or f"; there are {', '.join(RERUN)}"
        raise OptionError(f"{file}: no command to run again: {reprlib.repr(command)}{hint}")
    module = importlib.import_module(f"lsched.commands.{command.replace(' ', '_')}")
    out = options.out or Path(f"{_of(file).resolve()}-rerun")
    words = [f"--{config_option(module.Options)}={file}"]
    if files := getattr(module, "OUTPUT_FILES", ()):
        given = [(name, document.get(name)) for name in files]
        words += [f"--{name}={out / Path(path).name}" for name, path in given if path is not None]
    else:
        words.append(f"--out={out}")
    again = parse_options(module.Options, f"lsched {command}", words)
    if files:
        make_directory(out)
    _warn(document.get(MADE_BY))
    module.run(again)


def _config_of(results: Path) -> Path:
    """The file that says what to run."""
    if results.name == CONFIG_FILE or results.name.endswith(f".{CONFIG_FILE}"):
        return results
    if results.is_file():
        return results.with_name(f"{results.name}.{CONFIG_FILE}")
    return results / CONFIG_FILE


def _of(config: Path) -> Path:
    """The directory or file that a file of options lies in or beside."""
    if config.name == CONFIG_FILE:
        return config.parent
    return config.with_name(config.name.removesuffix(f".{CONFIG_FILE}"))


def _warn(made_by: object) -> None:
    """Say where what results depend on is another version than then."""
    then, now = made_by if isinstance(made_by, dict) else {}, versions()
    changed = [
        f"{name} {now[name]}, then {reprlib.repr(then.get(name))}"
        for name in ("lsched", "numpy")
        if then.get(name) != now[name]
    ]
    if changed:
        print(f"lsched: results may differ: {'; '.join(changed)}", file=sys.stderr)
