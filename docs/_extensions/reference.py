"""What Sphinx is told beyond its options: names in text become links, and what is no member.

``sim.simulate`` in double backticks of a docstring, or in backticks of a page, becomes a link to
its place in the reference. So pages stay plain Markdown, and docstrings need no markup.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments.lexers.data import JsonLexer
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode

NAME = re.compile(r"(?:(?:sim|traces|lsched)\.[\w.]+|[A-Z]\w*[a-z]\w*)(?=$|\()")
"""A dotted name of ours, or the name of a class; what follows in brackets is left alone."""
LINK = re.compile(r"\[[^\]]*\]\(((?:\.\./)+[^)#]+)\)")
SECTIONS = ("Args", "Attributes", "Example", "Raises", "Returns", "Shapes", "Source", "Units")
ITEMISED = ("Args", "Attributes", "Raises", "Shapes", "Units")
ITEM = re.compile(r"    ([\w.*]+(?:, [\w.*]+)*): (.+)")
UNREADABLE = re.compile(r"=\s*<[^>]*>")
OF_ITS_BASE = ("Alias for field number", "Struct(")
"""How docstrings begin that the class did not write."""


class NamesAsLinks(SphinxPostTransform):
    """Inline code that names something in the reference leads to it."""

    default_priority = 400

    def run(self, **kwargs: Any) -> None:
        """Replace literals by links."""
        domain = self.env.domains["py"]
        full = {name: entry for name, entry in domain.data["objects"].items() if not entry.aliased}
        short: dict[str, list[str]] = {}
        for name in full:
            short.setdefault(name.rpartition(".")[2], []).append(name)
        for literal in list(self.document.findall(nodes.literal)):
            if isinstance(literal.parent, nodes.reference) or _is_heading(literal):
                continue
            found = NAME.match(literal.astext())
            if found is None:
                continue
            names = [found[0]] if found[0] in full else short.get(found[0], [])
            if len(names) != 1:
                continue
            entry = full[names[0]]
            link = make_refnode(
                self.app.builder,
                self.env.docname,
                entry.docname,
                entry.node_id,
                literal.deepcopy(),
                names[0],
            )
            literal.replace_self(link)


def with_sections(
    app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]
) -> None:
    """Sections of Google style get small headings; items ``name, other: text`` become a list.

    Napoleon, which comes with Sphinx, knows one name per item and takes the others for its type,
    and a property's first line with a colon for a type.
    """
    written: list[str] = []
    section = ""
    for line in lines:
        if line and not line.startswith(" "):
            section = line[:-1] if line.endswith(":") and line[:-1] in SECTIONS else ""
            written += [f".. rubric:: {section}", ""] if section else [line]
            continue
        item = ITEM.match(line) if section in ITEMISED else None
        if item is not None:
            names = ", ".join(f"``{each}``" for each in item[1].split(", "))
            written += [names, f"    {item[2]}"]
        else:
            written.append(line[4:] if section else line)
    lines[:] = written


def readable_defaults(
    app: Sphinx, what: str, name: str, value: Any, options: Any, arguments: str | None, returns: str
) -> tuple[str, str] | None:
    """Defaults that are no Python, such as ``<factory>``, are shown as dots."""
    if arguments is None or "<" not in arguments:
        return None
    return UNREADABLE.sub("= ...", arguments), returns


def links_that_leave(app: Sphinx, docname: str, content: list[str]) -> None:
    """Links to files of the repository that are not pages become the names of these files."""
    docs = Path(app.srcdir).resolve()
    folder = (docs / docname).parent

    def named(link: re.Match[str]) -> str:
        file = (folder / link[1]).resolve()
        return link[0] if file.is_relative_to(docs) else f"`{file.relative_to(docs.parent)}`"

    content[0] = LINK.sub(named, content[0])


def _is_heading(node: nodes.Node) -> bool:
    while node is not None:
        if isinstance(node, nodes.title):
            return True
        node = node.parent
    return False


def is_left_out(app: Sphinx, what: str, name: str, value: Any, skip: bool, options: Any) -> Any:
    """Whether a member is no part of the reference: fields whose class describes them."""
    text = getattr(value, "__doc__", None) or ""
    return True if text.startswith(OF_ITS_BASE) else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx."""
    app.add_lexer("jsonl", JsonLexer)
    app.add_post_transform(NamesAsLinks)
    app.connect("autodoc-process-docstring", with_sections)
    app.connect("autodoc-process-signature", readable_defaults)
    app.connect("source-read", links_that_leave)
    app.connect("autodoc-skip-member", is_left_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
