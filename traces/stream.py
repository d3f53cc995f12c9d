"""Traces too large to be kept in memory: plans, and queries one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from traces.errors import TraceError
from traces.model import Plan, Query, QueryCheck, Trace


class TraceStream:
    """A trace whose queries are read once, in arrival order, as they are needed.

    Importers of large files return it. ``traces.write`` takes it; ``load`` makes a ``Trace`` of it.

    Attributes:
        name, plans, description, source: as in ``Trace``. ``source`` may be filled in until the
            stream is written or loaded, not while it is.
        num_queries: how many queries there will be.

    Args:
        is_checked: whether the queries need no further check, nor their number.
    """

    def __init__(
        self,
        name: str,
        plans: Iterable[Plan],
        num_queries: int,
        queries: Iterable[Query],
        description: str = "",
        source: dict[str, str] | None = None,
        *,
        is_checked: bool = False,
    ) -> None:
        self.name = name
        self.plans = tuple(plans)
        self.num_queries = num_queries
        self.description = description
        self.source = dict(source or {})
        self._queries = iter(queries)
        self._is_checked = is_checked
        if not self.plans or not num_queries:
            raise TraceError(f"{name}: an empty trace: no plan or no query")

    @property
    def queries(self) -> Iterator[Query]:
        """The queries, checked as they come, unless they come checked.

        Raises:
            TraceError: one does not fit those before it, or they are not as many as was said.
        """
        if self._is_checked:
            yield from self._queries
            return
        check = QueryCheck({plan.name for plan in self.plans})
        count = 0
        for query in self._queries:
            count += 1
            try:
                check.add(query)
            except ValueError as error:
                raise TraceError(f"{self.name}: query {query.query_id}: {error}") from None
            yield query
        if count != self.num_queries:
            raise TraceError(f"{self.name}: {count} queries came, {self.num_queries} were promised")

    def load(self) -> Trace:
        """All of it, in memory."""
        return Trace(
            name=self.name,
            plans=self.plans,
            queries=tuple(self.queries),
            description=self.description,
            source=self.source,
        )
