"""``lsched suite run``: policies and the best rules on every case."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from lsched.commands.console import output_console, progress_bar
from lsched.commands.options import (
    OptionalCount,
    OptionalPath,
    OptionalText,
    OutputPath,
    RayAddress,
    WorkersCount,
    chosen_workers,
)
from lsched.commands.suite_options import (
    DEFAULT_CASES,
    DEFAULT_DATA,
    CasesText,
    DataPath,
    chosen_cases,
)
from lsched.config_file import write_config
from lsched.errors import IncompleteError, missing_runs
from lsched.output import make_directory
from lsched.specs import parse_schedulers
from lsched.suite import CASES, Policies, read_policies, read_tuned, run_case
from lsched.suite.included import with_tables
from lsched.suite.policies import policies_for_all
from lsched.suite.run import Document, read_documents, roles_of
from lsched.suite.tables import against_rules, case_table, overview
from lsched.suite.tuned import TUNED, Tuned, tuned_of
from lsched.tables import counted
from traces.output import atomic_file


@dataclass(frozen=True, kw_only=True)
class Options:
    """Compare policies with the best rules on every case, on seeds that nothing was tuned on.

    Without policies, only rules. What has been run and has not changed is not run again.
    """

    out: OutputPath
    """Directory for a JSON file per case, the tables overview.md and cases.md, overview.png, and
    config.json."""

    cases: CasesText = DEFAULT_CASES

    schedulers: OptionalText = None
    """Policies to compare on every case, separated by commas, as for lsched compare."""

    policies: OptionalPath = None
    """TOML file of policies by case: [label], and in it "tpch-*" = "scheduler"."""

    tuned: OptionalPath = None
    """The tuned.json of lsched suite tune; if not given, the one that comes with the package."""

    update: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="PATH [PATH ...]")] = ()
    """Documents whose tables, between <!-- suite: … --> markers, are replaced."""

    data: DataPath = DEFAULT_DATA

    seeds: OptionalCount = None
    """Number of seeds of each case, instead of its own."""

    queries: OptionalCount = None
    """Number of queries to draw, instead of the case's own."""

    workers: WorkersCount = None
    ray: RayAddress = None


def run(options: Options) -> None:
    """Do what the options say."""
    cases = chosen_cases(options.cases, options.data, options.seeds, options.queries)
    policies = _policies(options)
    tuned = read_tuned(options.tuned or TUNED)
    if options.cases == DEFAULT_CASES and any(case.name in tuned for case in cases):
        missing = [case.name for case in cases if case.name not in tuned]
        cases = [case for case in cases if case.name in tuned]
        if missing:
            print(f"lsched: not tuned yet, left out: {', '.join(missing)}", file=sys.stderr)
    for case in cases:  # all mistakes at once, before hours are spent
        roles_of(case, tuned_of(case, tuned), policies)
    make_directory(options.out)
    write_config(options, options.out)  # now: what is interrupted can be run again
    console = output_console()
    incomplete = []
    with chosen_workers(options.workers, options.ray) as workers:
        for case in cases:
            with progress_bar(case.name) as progress:
                finished = run_case(
                    case,
                    tuned_of(case, tuned),
                    policies,
                    options.out,
                    data=options.data,
                    workers=workers,
                    progress=progress,
                )
            incomplete += finished.incomplete
            how = (
                f"{counted(finished.num_run, 'scheduler')} run" if finished.num_run else "unchanged"
            )
            console.print(f"{case.name}: {how}", soft_wrap=True)
    _write_tables(options, read_documents(options.out, CASES), tuned)
    console.print(f"\nwritten to {options.out}", soft_wrap=True)
    if incomplete:
        raise IncompleteError(f"incomplete: {missing_runs(incomplete)}")


def _policies(options: Options) -> Policies:
    given = policies_for_all(parse_schedulers(options.schedulers)) if options.schedulers else {}
    return {**given, **(read_policies(options.policies) if options.policies else {})}


def _write_tables(
    options: Options, documents: Sequence[Document], tuned: Mapping[str, Tuned]
) -> None:
    """Tables and a plot of all cases in the directory, also of earlier calls."""
    from lsched.plots.files import save
    from lsched.plots.suite import suite_ratios

    tables = "\n".join(f"## {each['case']}\n\n{case_table(each)}\n" for each in documents)
    _write(options.out / "overview.md", f"{overview(documents)}\n\n{against_rules(documents)}\n")
    _write(options.out / "cases.md", tables)
    save(suite_ratios(documents), options.out / "overview.png")
    for path in options.update:
        text = path.read_text(encoding="utf-8")
        _write(path, with_tables(text, documents, tuned, str(path)))


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as out:
        out.write(text.encode())
