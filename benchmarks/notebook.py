"""Execute a notebook in a fresh kernel and write it back, outputs and all.

python benchmarks/notebook.py examples/notebook.ipynb
"""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

COLOURS = 48


def executed(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs that its cells have now, and nothing that differs by machine.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raised an error.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {}
        cell.outputs = [tidy(output) for output in cell.get("outputs", ()) if is_kept(output)]
        if cell.cell_type != "code":
            del cell["outputs"]
    return notebook


def is_kept(output: nbformat.NotebookNode) -> bool:
    """Not what is said once for an installation, such as that something is compiled."""
    return output.get("name") != "stderr"


def tidy(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """With pictures of few colours, which are a third as large."""
    png = output.get("data", {}).get("image/png")
    if png is not None:
        picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB").quantize(COLOURS)
        picture.save(small := io.BytesIO(), "png", optimize=True)
        output.data["image/png"] = base64.b64encode(small.getvalue()).decode()
    return output


if __name__ == "__main__":
    for name in sys.argv[1:]:
        nbformat.write(executed(Path(name)), name)
