"""Policies that the suite compares with rules: under a label, a scheduler's text for each case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from lsched.errors import OptionError
from traces import TraceError
from traces.text_files import read_text

Policies = Mapping[str, Mapping[str, str]]
"""By label, by pattern of cases' names: the text. Of several patterns the first that matches."""


def policies_for_all(schedulers: Sequence[str]) -> Policies:
    """Each text for every case, with itself as its label."""
    return {text: {"*": text} for text in schedulers}


def read_policies(path: Path) -> Policies:
    """Policies from a TOML file: a table for each label, ``"pattern" = "text"`` in it.

    Example::

        [learned]
        "tpch-*" = "lsched:path=out/tpch"
        "*" = "lsched"

    Raises:
        OptionError: the file is not like that.
    """
    try:
        return msgspec.toml.decode(
            read_text(path, "policies"), type=dict[str, dict[str, str]], strict=True
        )
    except TraceError as error:
        raise OptionError(str(error)) from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise OptionError(
            f'{path}: {error}; expected tables such as [learned], with lines "tpch-*" = "lsched"'
        ) from None


def policies_of(case: str, policies: Policies) -> dict[str, str]:
    """The text of each label that has one for a case."""
    found = {}
    for label, by_pattern in policies.items():
        for pattern, text in by_pattern.items():
            if fnmatchcase(case, pattern):
                found[label] = text
                break
    return found
