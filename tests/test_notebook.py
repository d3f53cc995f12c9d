"""The notebook runs in a fresh kernel, and shows what is stored in it."""

from __future__ import annotations

import sys

import pandas
import polars
import pytest
from builders import op, plan, trace
from test_docs import ROOT

import sim.registry

nbformat = pytest.importorskip("nbformat")
sys.path.append(str(ROOT / "benchmarks"))

NOTEBOOK = ROOT / "examples" / "notebook.ipynb"


def shown(notebook: object) -> list[str]:
    """What cells print and evaluate to; pictures only by their kind."""
    texts = []
    for cell in notebook.cells:  # type: ignore[attr-defined]
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            texts.append(output.get("text") or data.get("text/plain") or "")
            texts += sorted(data)
    return texts


def test_the_notebook_runs_and_shows_what_is_stored_in_it() -> None:
    pytest.importorskip("numba")
    from notebook import executed

    stored = nbformat.read(NOTEBOOK, as_version=4)
    assert shown(executed(NOTEBOOK)) == shown(stored)
    assert "image/png" in shown(stored)
    assert NOTEBOOK.stat().st_size < 100_000


def test_records_go_into_data_frames_as_they_are() -> None:
    result = sim.simulate(trace(plan(op(1000, 3000), name="p"), plan(op(500), name="q")), "fifo")
    for frame in (pandas.DataFrame(result.queries), polars.DataFrame(result.queries)):
        assert frame.shape[0] == len(result.queries) == 2
        assert list(frame["plan"]) == [query.plan for query in result.queries]
        assert list(frame["latency_s"]) == [query.latency_s for query in result.queries]
        assert float(frame["latency_s"].mean()) == result.summary()["mean_latency_s"]


def test_a_cell_that_is_run_again_replaces_its_scheduler() -> None:
    def cell(limit: int) -> None:
        namespace = {"sim": sim, "__name__": "__main__"}
        exec(
            "@sim.register('of-a-cell')\n"
            "class OfACell:\n"
            "    def decide(self, view):\n"
            "        found = [o for query in view.queries for o in query.schedulable]\n"
            f"        return [sim.Allocation(o, {limit}) for o in found]",
            namespace,
        )

    one = trace(plan(op(*[1000] * 8)))
    spans = []
    try:
        for limit in (1, 8):
            cell(limit)
            spans.append(sim.simulate(one, "of-a-cell").queries[0].latency_s)
        with pytest.raises(ValueError, match=r"'of-a-cell' is taken by __main__\.OfACell"):
            sim.register("of-a-cell")(type("Other", (), {"decide": None}))
    finally:
        sim.registry._registered.pop("of-a-cell", None)
    assert spans == [0.008, 0.001]
