"""A rule's parameters as a record of the arrays."""

from __future__ import annotations

from typing import get_args

import numpy as np

from sim.fast_engine.layout import RULE
from sim.schedulers.compiled_rule import CompiledRule, Kind
from sim.schedulers.pipelining import WHOLE
from sim.view import Size

FIFO, FAIR, SRPT, PRICED, RESERVE, HESRPT, ORACLE_SRPT = range(7)
"""``kind``, in the order of ``compiled_rule.Kind``."""
BY_ALL, BY_CAP, BY_SHARE = range(3)
"""``limit_by``: all executors, a fixed part of them, a share that follows the load."""
BEST = 0
"""``degree`` where a cost model chooses it for each pipeline."""

DEGREES = {"always": WHOLE, "never": 1, "best": BEST}


def set_rule(records: np.ndarray, rule: CompiledRule) -> None:
    """Write a rule into the first of ``records``.

    Shapes:
        records: (1 or more,) of ``RULE``.
    """
    record = np.zeros(1, RULE)
    record["kind"] = get_args(Kind).index(rule.kind)
    record["size"] = get_args(Size).index(rule.size)
    record["sees_future"] = rule.kind == "oracle-srpt"
    record["memory_gate"] = rule.memory == "gate"
    record["degree"] = DEGREES[rule.pipeline]
    record["is_spare_shared"] = rule.spare == "share"
    record["is_shortest_first"] = rule.operators == "shortest"
    if rule.cap is not None:
        record["limit_by"], record["limit"] = BY_CAP, rule.cap
    elif rule.share is not None:
        record["limit_by"], record["limit"] = BY_SHARE, rule.share
    for name in ("weight", "offset", "slowdown", "hold_moves", "reserve", "short", "keeps", "p"):
        record[name] = getattr(rule, name)
    records[:1] = record
