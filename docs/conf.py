"""The site: ``make docs`` builds it from docs/*.md and the docstrings, into out/docs."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

import sim
import sim.schedule
from lsched import __version__

# What annotations name that only type checkers import.
vars(sim.schedule).update(OperatorView=sim.OperatorView, QueryView=sim.QueryView)

project = "lsched"
author = "the authors of lsched"
version = release = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "reference",
]
exclude_patterns = ["_extensions", "_static"]

# Pages are plain Markdown that also reads well where code is hosted.
myst_heading_anchors = 4

# Docstrings: their sections are read by _extensions/reference.py.
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
autodoc_type_aliases = {"StartHistory": "sim.experience.StartHistory"}
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"lsched {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {
    # No icons and links of a code-hosting site: everything here works without a network.
    "footer_icons": [],
    "top_of_page_buttons": [],
}
