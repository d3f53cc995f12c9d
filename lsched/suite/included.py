"""Tables in documents, between markers that say which: they are replaced when results change.

``<!-- suite: overview tpch-* -->`` begins a table of all cases that match, ÷ fair share, ``<!--
suite: against tpch-* -->`` one of policies against the best rules, ``<!-- suite: policy NAME
tpch-* -->`` one of one policy (its label, without spaces) against them, ``<!-- suite: cases tpch-*
-->`` the tables of each, ``<!-- suite: rules tpch-* -->`` one of what tuning found; ``<!-- suite
end -->`` ends each. Without a pattern all cases that have been run are meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from lsched.errors import OptionError
from lsched.suite.run import Document
from lsched.suite.tables import against_rules, case_table, overview, policy_table, rules_table
from lsched.suite.tuned import Tuned

BLOCK = re.compile(r"(<!-- suite: ([^\n]*?) -->\n)(.*?)(<!-- suite end -->)", re.DOTALL)
BEGIN = "<!-- suite:"


def with_tables(
    text: str, documents: Sequence[Document], tuned: Mapping[str, Tuned], name: str
) -> str:
    """A document's text with its tables as the results have them.

    Args:
        text: the document.
        documents: results of cases.
        tuned: the best rules by case.
        name: of the document, for errors.

    Raises:
        OptionError: it has no marker, one that says something else, or one without an end.
    """
    if not BLOCK.search(text) or text.count(BEGIN) != len(BLOCK.findall(text)):
        raise OptionError(
            f"{name}: expected tables between '{BEGIN} overview -->' or '{BEGIN} cases PATTERN "
            "-->' and '<!-- suite end -->', each marker on a line of its own"
        )

    def replaced(match: re.Match[str]) -> str:
        begin, what, _, end = match.groups()
        return f"{begin}\n{_tables(what, documents, tuned, name)}\n\n{end}"

    return BLOCK.sub(replaced, text)


def _tables(what: str, documents: Sequence[Document], tuned: Mapping[str, Tuned], name: str) -> str:
    kind, *patterns = what.split()
    label = patterns.pop(0) if kind == "policy" and patterns else ""
    chosen = [
        document
        for document in documents
        if any(fnmatchcase(document["case"], pattern) for pattern in patterns or ["*"])
        and (kind != "policy" or label in document["roles"])
    ]
    kinds = ("overview", "against", "policy", "cases", "rules")
    if kind not in kinds:
        raise OptionError(f"{name}: '{BEGIN} {what} -->' says none of {', '.join(kinds)}")
    if not chosen:
        raise OptionError(f"{name}: '{BEGIN} {what} -->' matches no case that has been run")
    if kind == "overview":
        return overview(chosen)
    if kind == "against":
        return against_rules(chosen)
    if kind == "policy":
        return policy_table(chosen, label)
    if kind == "rules":
        names = [document["case"] for document in chosen]
        return rules_table({name: tuned[name] for name in names if name in tuned})
    return "\n\n".join(f"**{document['case']}**: {case_table(document)}" for document in chosen)
