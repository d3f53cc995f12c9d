"""``lsched suite tune``: the best rules for each case, on training seeds."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from lsched.commands.console import output_console
from lsched.commands.options import OutputPath, RayAddress, WorkersCount, chosen_workers
from lsched.commands.suite_options import (
    DEFAULT_CASES,
    DEFAULT_DATA,
    CasesText,
    DataPath,
    chosen_cases,
)
from lsched.config_file import write_config
from lsched.output import make_directory
from lsched.suite import tune_cases


@dataclass(frozen=True, kw_only=True)
class Options:
    """Tune every rule for each case on training seeds, and write what is best to tuned.json.

    That takes hours for all cases. A case that was interrupted goes on where it was.
    """

    out: OutputPath
    """Directory for tuned.json, the scores of all candidates, and config.json."""

    cases: CasesText = DEFAULT_CASES
    data: DataPath = DEFAULT_DATA

    workers: WorkersCount = None
    ray: RayAddress = None


def run(options: Options) -> None:
    """Do what the options say."""

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    cases = chosen_cases(options.cases, options.data)
    make_directory(options.out)
    write_config(options, options.out)  # now: what is interrupted can be run again
    with chosen_workers(options.workers, options.ray) as workers:
        tuned = tune_cases(cases, options.out, data=options.data, workers=workers, say=say)
    console = output_console()
    for case in cases:
        console.print(f"{case.name}: {tuned[case.name].best}", soft_wrap=True)
    console.print(f"\nwritten to {_shown(options.out)}", soft_wrap=True)


def _shown(out: Path) -> Path:
    return out / "tuned.json"
