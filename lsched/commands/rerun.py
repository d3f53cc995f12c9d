"""``lsched rerun``: a command once more, as the directory of its results says."""

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
from lsched.output import CONFIG_FILE
from lsched.parsing import parse_options
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
)
"""Commands that leave a config.json. A file names one of these, never a module to import."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Run the command that made a directory again, with the same options, into another one.

    Relative paths in the options are as they were: run it in the directory where the command was
    run. A line says where the version of lsched or numpy is another. Results are the same but for
    measured times, where versions and files that are read are the same.
    """

    directory: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR")]
    """Output directory of a command; its config.json says what to run."""

    out: OptionalPath = None
    """Directory for the new results; DIR-rerun if not given."""


def run(options: Options) -> None:
    """Do what the options say."""
    file = options.directory / CONFIG_FILE
    if not file.exists():
        raise OptionError(
            f"{options.directory} has no {CONFIG_FILE}, which {', '.join(RERUN)} leave with results"
        )
    document = read_config(file)
    command = document.get(COMMAND)
    if command not in RERUN:
        hint = did_you_mean(str(command), RERUN) or f"; there are {', '.join(RERUN)}"
        raise OptionError(f"{file}: no command to run again: {reprlib.repr(command)}{hint}")
    module = importlib.import_module(f"lsched.commands.{command.replace(' ', '_')}")
    out = options.out or Path(f"{options.directory.resolve()}-rerun")
    words = [f"--config={file}", f"--out={out}"]
    again = parse_options(module.Options, f"lsched {command}", words)
    _warn(document.get(MADE_BY))
    module.run(again)


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
