"""Imports go one way, and heavy or optional packages stay where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("traces", "sim", "lsched")
OPTIONAL = {
    "duckdb",
    "duckdb_extension_tpch",
    "duckdb_extension_tpcds",
    "pandas",
    "pyarrow",
    "pyspark",
}
RAY = {"grpc", "ray"}
WITH_RAY = ("lsched/ray_connection.py", "lsched/ray_executor.py")
COMPILER = {"numba", "llvmlite"}
LEARNING = {"torch", "torch_geometric", "gymnasium", "tensorboard", "safetensors"}
FILES = [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]
NAMES = [str(path.relative_to(ROOT)) for path in FILES]


def imported(tree: ast.AST) -> set[str]:
    """Top-level names of everything a file imports, at any depth."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            names.add((node.module or "").split(".")[0])
    return names


def outside_functions(node: ast.AST) -> Iterator[ast.stmt]:
    """Statements that run when the file is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        else:
            yield from outside_functions(child)


def imported_at_once(tree: ast.AST) -> set[str]:
    return {name for statement in outside_functions(tree) for name in imported(statement)}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_keeps_to_its_layer(name: str) -> None:
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    layer, names = name.split("/")[0], imported(tree)
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    assert not names & above, "imports go traces → sim → lsched, never back"
    if layer != "lsched":
        assert not names & LEARNING
    if layer != "sim":
        assert "simpy" not in names
    assert "tests" not in names
    assert name in WITH_RAY or not names & RAY
    optional = OPTIONAL | RAY if name.startswith("sim/fast_engine/") else OPTIONAL | RAY | COMPILER
    assert not imported_at_once(tree) & optional, "optional: import inside the function"


def test_the_check_itself_notices_imports() -> None:
    tree = ast.parse(
        "import a.b\nif x:\n from c import d\ndef f():\n import e\nclass G:\n import h\n"
    )
    assert imported(tree) == {"a", "c", "e", "h"}
    assert imported_at_once(tree) == {"a", "c", "h"}


def test_importing_the_lower_layers_loads_nothing_optional_or_for_learning() -> None:
    program = "import sys, traces, sim; print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not (OPTIONAL | RAY | COMPILER | LEARNING | {"matplotlib", "lsched"}) & set(loaded)
    assert "simpy" in loaded
