"""Train the policies that come with lsched again, each by the command in its card.

Run with ``python benchmarks/policies.py [NAME …]``; half an hour to an hour for each, longer for
those of two commands, of which the second goes on from what the first has found. The files replace
those in ``lsched/policies``.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
from pathlib import Path

from lsched.cli import main as command_line
from lsched.learn.checkpoint import SHIPPED
from lsched.learn.directory import resumed


def main() -> None:
    """Train those that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*")
    shipped = sorted(path.stem for path in SHIPPED.glob("*.json"))
    names = parser.parse_args().names or shipped
    if unknown := set(names) - set(shipped):
        parser.error(f"no policy {', '.join(unknown)}; there are {', '.join(shipped)}")
    for name in names:
        # The card alone: an older version's policy cannot be read, and is to be trained again.
        commands = json.loads((SHIPPED / f"{name}.json").read_text())["training"]["command"]
        for command in commands.split(" && "):
            program, *words = shlex.split(command)
            assert program == "lsched"
            out = Path(words[words.index("--out") + 1])
            if command_line([*words, *resumed(out)]) != 0:
                raise SystemExit(f"{command} failed")
        for suffix in ("json", "safetensors"):
            shutil.copyfile(out / f"policy.{suffix}", SHIPPED / f"{name}.{suffix}")


if __name__ == "__main__":
    main()
