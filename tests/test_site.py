"""The site builds without a warning, loads nothing from elsewhere, and has all that is public."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lsched
import lsched.check
import lsched.gym
import lsched.plots
import sim
import traces

ROOT = Path(__file__).parent.parent
CONSTANTS = {"lsched.gym.ENVIRONMENT_ID"}
INSIDE = {
    "lsched.plots.check_format",
    "lsched.plots.put",
    "traces.PARTS",
    "traces.Part",
    "traces.SplitBy",
    "lsched.check.Status",
}
"""Exported for other parts of lsched, or words for types."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` does."""
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", out],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out


def test_every_page_is_there(site: Path) -> None:
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "api").glob("*.md")]
    for page in pages:
        assert (site / page.relative_to(ROOT / "docs").with_suffix(".html")).exists()


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r"""(?:\bsrc=|<link[^>]*href=|@import\s*|url\()["']?(?:https?:)?//""")
    for file in [*site.rglob("*.html"), *site.rglob("*.css")]:
        assert not loaded.search(file.read_text()), file.name


def test_the_reference_has_all_that_is_exported(site: Path) -> None:
    text = "".join(file.read_text() for file in (site / "api").glob("*.html"))
    exported = {
        f"{module.__name__}.{name}"
        for module in (sim, traces, lsched, lsched.gym, lsched.check, lsched.plots)
        for name in module.__all__
    }
    missing = {name for name in exported if f'id="{name}"' not in text}
    assert missing == CONSTANTS | INSIDE


def test_names_in_pages_lead_to_the_reference(site: Path) -> None:
    page = (site / "batches.html").read_text()
    assert 'href="api/batches.html#sim.Simulations"' in page
