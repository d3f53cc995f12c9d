"""How large a query may be: far more than any real one, and so little that sums have 64 bits."""

from __future__ import annotations

from collections.abc import Sequence

from traces import Plan, Query, TraceError
from traces.model import MAX_WORK_ORDERS, Operator

MAX_WORK_US = 10**15
"""Work of a query if all its work orders took the longest recorded time (32 years)."""
MAX_QUERY_BYTES = 10**15
"""True bytes that a query's operators make and that each of their consumers reads (1 PB)."""


class Most:
    """Upper limits of queries of a plan: work orders, work, and bytes.

    Both engines let no query in that is larger. So no time or size of one overflows 64 bits: not
    in batches, not in pipelines, and not in those of thousands of queries at once.
    """

    def __init__(self, plan: Plan) -> None:
        self._counts = [operator.num_work_orders for operator in plan.operators]
        self._longest_us = [_longest_us(operator) for operator in plan.operators]
        self._bytes = [
            (operator.output_bytes + operator.state_bytes) * (1 + len(edges))
            for operator, edges in zip(plan.operators, plan.outputs, strict=True)
        ]
        self._total_count = sum(self._counts)
        self._total_us = self._work_us(self._counts)
        self._total_bytes = sum(self._bytes)

    def is_surely_small(self, query: Query) -> bool:
        """Whether a query is within all limits even if all counts are rounded up."""
        most = 2.0 * max(query.size_factor, 1.0)
        return (
            self._total_count * most <= MAX_WORK_ORDERS
            and self._total_us * most * query.time_factor <= MAX_WORK_US
            and self._total_bytes * most <= MAX_QUERY_BYTES
        )

    def check(self, query: Query, num_recorded: Sequence[int]) -> None:
        """Compare a query with the limits.

        Args:
            query: of the plan.
            num_recorded: work orders of each operator at the query's size, before batching.

        Raises:
            TraceError: it is above one; the message says which, and what it has.
        """
        scaled = zip(self._bytes, num_recorded, self._counts, strict=True)
        num_bytes = sum(size * now // count for size, now, count in scaled)
        for what, given, limit in (
            ("work orders", sum(num_recorded), MAX_WORK_ORDERS),
            ("µs of work", int(self._work_us(num_recorded) * query.time_factor), MAX_WORK_US),
            ("bytes", num_bytes, MAX_QUERY_BYTES),
        ):
            if given > limit:
                factor = "time" if what == "µs of work" else "size"
                raise TraceError(
                    f"query {query.query_id} ({query.plan}) has {given:,} {what} at {factor} "
                    f"factor {getattr(query, f'{factor}_factor')}, expected at most {limit:,}"
                )

    def _work_us(self, counts: Sequence[int]) -> int:
        return sum(count * longest for count, longest in zip(counts, self._longest_us, strict=True))


def _longest_us(operator: Operator) -> int:
    lists = [operator.work_order_us]
    for wave in operator.waves:
        lists += [wave.fresh, wave.first, wave.rest]
    return max(max(times) for times in lists if times)
