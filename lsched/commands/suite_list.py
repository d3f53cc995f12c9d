"""``lsched suite list``: the cases and the best rules that are known for them."""

from __future__ import annotations

from dataclasses import dataclass

from lsched.commands.console import output_console
from lsched.commands.suite_options import DEFAULT_CASES, CasesText
from lsched.suite import CASES, find_cases, read_tuned
from lsched.tables import plain_table


@dataclass(frozen=True, kw_only=True)
class Options:
    """List the cases of the suite, each with the rule that was best for it in training."""

    cases: CasesText = DEFAULT_CASES


def run(options: Options) -> None:
    """Do what the options say."""
    tuned = read_tuned()
    table = plain_table()
    for name in ("case", "cluster", "seeds", "best rule in training"):
        table.add_column(name, overflow="fold")
    for case in find_cases(options.cases.split(","), CASES):
        best = tuned[case.name].best if case.name in tuned else "–"
        table.add_row(case.name, case.cluster, str(case.num_seeds), best)
    output_console().print(table)
