"""The command ``lsched``: finds the subcommand, and turns every mistake into one line."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

import lsched
from lsched.errors import OptionError, WorkerError
from lsched.runner import RUN_ERRORS
from lsched.specs import did_you_mean

PROGRAM = "lsched"
COMMANDS = {
    "compare": "compare schedulers on traces: table, results, plots",
    "simulate": "run one scheduler once; Gantt chart and event log",
    "tune": "find the best parameters of a scheduler",
    "generate": "draw arrivals over a trace's plans and write a trace",
    "capture": "record a trace from a database engine",
    "describe": "say what is in a trace",
    "schedulers": "list every scheduler with its parameters",
}
"""Subcommands, each a module of ``lsched.commands`` with ``Options`` and ``run``."""
USER_ERRORS = (*RUN_ERRORS, OptionError, WorkerError, OSError)
EXIT_USAGE, EXIT_INTERRUPTED, EXIT_PIPE = 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    0: done; 2: a mistake in what was given, told in one line on standard error; 130: interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks × or †
    try:
        _dispatch(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has gone; keep the interpreter from complaining when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    except USER_ERRORS as error:
        print(f"{PROGRAM}: error: {_one_line(error)}", file=sys.stderr)
        return EXIT_USAGE
    return 0


def _dispatch(arguments: list[str]) -> None:
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help"):
        print(_help())
    elif name == "--version":
        print(f"{PROGRAM} {lsched.__version__}")
    elif name in COMMANDS:
        module = importlib.import_module(f"lsched.commands.{name}")
        options = parse_options(module.Options, f"{PROGRAM} {name}", arguments[1:])
        if options is not None:
            module.run(options)
    else:
        raise OptionError(
            f"no command {name!r}, there are {', '.join(COMMANDS)}{did_you_mean(name, COMMANDS)}"
        )


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        (
            f"usage: {PROGRAM} [-h] [--version] COMMAND …",
            "",
            "Simulate and learn query scheduling: replay traces of real queries on a simulated",
            "cluster and compare schedulers.",
            "",
            "commands:",
            *lines,
            "",
            f"`{PROGRAM} COMMAND --help` shows the options of a command.",
        )
    )


def parse_options(options: type[Any], program: str, arguments: Sequence[str]) -> Any:
    """The options of a subcommand; None where only help was wanted.

    Raises:
        OptionError: an option is missing, unknown, or has a wrong value.
    """
    import tyro

    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                options,
                prog=program,
                args=arguments,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as stop:
        if not stop.code:
            return None
        raise OptionError(_complaint(complaint.getvalue(), program)) from None


def _complaint(text: str, program: str) -> str:
    """The framed complaint of tyro in one line: its first section, and the first similar option."""
    lines = text.splitlines()
    framed = [line[1:-1].rstrip() for line in lines if line.startswith("│")]
    # Where standard output is not UTF-8 there is no frame, but a title and a rule.
    inner = framed or [line[1:].rstrip() for line in lines[2:]]
    sections: list[list[str]] = [[]]
    for line in inner:
        if line and not line.strip("─- "):
            sections.append([])
        else:
            sections[-1].append(line)
    first = sections[0]
    if first and first[0].startswith(" Missing from"):
        # Options are indented by four, what they are for by eight.
        names = [line.strip() for line in first[1:] if re.match(r" {5}\S", line)]
        return f"missing: {', '.join(names)} (see {program} --help)"
    message = " ".join(" ".join(first).split()).removeprefix("Error parsing ").rstrip(" .")
    hints = (part for part in sections[1:] if part and re.search("Perhaps|similar", part[0]))
    similar = re.search("--[a-z-]+", " ".join(next(hints, [""])[1:]))
    hint = f"; did you mean {similar[0]}?" if similar else ""
    return f"{message}{hint} (see {program} --help)"


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
