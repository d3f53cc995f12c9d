"""``lsched curves``: learning curves of trainings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from lsched.commands.console import output_console
from lsched.commands.options import OutputPath
from lsched.errors import OptionError
from lsched.learn.directory import STATE_FILE, read_validations
from lsched.plots.files import check_format, save
from lsched.plots.learning import learning_curves


@dataclass(frozen=True, kw_only=True)
class Options:
    """Plot how policies compare with their rules while they are trained."""

    trainings: Annotated[
        tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="DIR [DIR ...]")
    ]
    """Directories of lsched train."""

    out: OutputPath
    """Image to write, PNG, SVG or PDF by its suffix."""


def run(options: Options) -> None:
    """Do what the options say."""
    check_format(options.out)
    if len(set(options.trainings)) < len(options.trainings) or not options.trainings:
        raise OptionError("name directories of trainings, each once")
    for each in options.trainings:
        if not (each / STATE_FILE).exists():
            raise OptionError(
                f"{each}: no training there (no {STATE_FILE}), expected directories that "
                "`lsched train` has written to"
            )
    found = {str(path): read_validations(path) for path in options.trainings}
    for path, validations in found.items():
        if not validations:
            raise OptionError(f"{path}: no validation yet")
    labels = [Path(path).name for path in found]
    names = labels if len(set(labels)) == len(labels) else list(found)
    save(learning_curves(dict(zip(names, found.values(), strict=True))), options.out)
    output_console().print(f"written to {options.out}", soft_wrap=True)
