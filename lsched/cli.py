"""The command ``lsched``: finds the subcommand, and turns every mistake into one line."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import NoReturn

import lsched
from lsched.errors import CheckError, CheckpointError, IncompleteError, OptionError, WorkerError
from lsched.parsing import parse_options
from lsched.runner import RUN_ERRORS
from traces.errors import did_you_mean

PROGRAM = "lsched"
COMMANDS = {
    "compare": "compare schedulers on traces: table, results, plots",
    "explain": "say where two schedulers part, and what that costs",
    "report": "make one HTML page of what compare wrote",
    "simulate": "run one scheduler once; Gantt chart and event log",
    "tune": "find the best parameters of a scheduler",
    "train": "train a policy on a workload",
    "curves": "plot learning curves of trainings",
    "suite": "compare policies with the best rules on a fixed list of cases",
    "rerun": "run a command again, with the options that its results came from",
    "generate": "make a trace: of tenants as described, of a fleet, or of drawn arrivals",
    "observe": "record what work orders take, from the logs of runs",
    "capture": "record a trace from a database engine",
    "import": "make a trace of another system's log or data set",
    "describe": "say what is in a trace",
    "validate": "check the simulator against what is known from elsewhere",
    "check": "check a scheduler of your own, and say in words what is wrong",
    "schedulers": "list every scheduler with its parameters",
    "completion": "print the script that completes command lines in bash, zsh or fish",
}
"""Subcommands, each a module of ``lsched.commands`` with ``Options`` and ``run``."""
GROUPS = {
    "capture": {
        "duckdb": "run a benchmark or queries of your own on DuckDB",
        "spark": "run queries of your own on PySpark",
    },
    "import": {
        "spark": "Spark event logs",
        "decima": "Decima's stage profiles of TPC-H on Spark",
        "cab": "Cloud Analytics Benchmark: query streams and measured runs",
        "redset": "Redset: Amazon Redshift's fleet",
        "snowset": "Snowset: Snowflake's fleet",
        "alibaba": "Alibaba cluster trace v2018: batch_task",
    },
    "suite": {
        "list": "the cases, and the best rules that are known for them",
        "run": "run the cases on test seeds; results and tables",
        "tune": "find the best rules for each case, on training seeds",
    },
    "validate": {
        "bounds": "lower bounds against exact optima and the best rules",
        "theory": "closed formulas of queueing theory",
        "decima": "published simulators of Decima, on its stage profiles of TPC-H",
        "spark": "concurrent queries on Spark, simulated against measured",
        "duckdb": "concurrent queries on DuckDB, simulated against measured",
    },
}
"""Subcommands of subcommands, each a module named ``GROUP_NAME``."""
USER_ERRORS = (
    *RUN_ERRORS,
    CheckpointError,
    OptionError,
    WorkerError,
    FloatingPointError,
    OSError,
    MemoryError,
)
EXIT_FAILED, EXIT_USAGE, EXIT_INCOMPLETE = 1, 2, 3
EXIT_INTERRUPTED, EXIT_PIPE, EXIT_SIGNAL = 130, 141, 128


class Terminated(KeyboardInterrupt):
    """A signal asks the program to end; whatever cleans up after Ctrl-C cleans up after it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    0: done; 1: done, but a scheduler failed its checks; 2: a mistake in what was given, told in
    one line on standard error; 3: done and written as far as possible, but a worker process died
    and its run is missing; 130: interrupted; 141: nobody reads the output; 143 (129): ended by
    SIGTERM (SIGHUP).
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _prepare_streams()
    try:
        with _signals_raise():
            _dispatch(arguments)
            sys.stdout.flush()
    except Terminated as stop:
        return _fail("terminated", EXIT_SIGNAL + stop.number)
    except KeyboardInterrupt:
        return _fail("interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:
        _abandon_output()
        return EXIT_PIPE
    except CheckError as error:
        return _fail(f"{PROGRAM}: {error}", EXIT_FAILED)
    except IncompleteError as error:
        return _fail(f"{PROGRAM}: {_one_line(error)}", EXIT_INCOMPLETE)
    except USER_ERRORS as error:
        return _fail(f"{PROGRAM}: error: {_one_line(error)}", EXIT_USAGE)
    return 0


def _prepare_streams() -> None:
    if sys.stdout is None:  # closed by the shell, as in lsched … >&-
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks × or †


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """SIGTERM and SIGHUP raise ``Terminated``, except where they are ignored (nohup)."""
    stops: list[Terminated] = []

    def stop(number: int, _: FrameType | None) -> NoReturn:
        stops.append(Terminated(number))
        raise stops[-1]

    before = {}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            with contextlib.suppress(ValueError):  # not the main thread
                before[number] = signal.signal(number, stop)
    try:
        yield
    except KeyboardInterrupt:
        if stops:  # Ray raises a KeyboardInterrupt of its own in the place of what a handler raised
            raise stops[0] from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fail(message: str, code: int) -> int:
    with contextlib.suppress(OSError):
        print(message, file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:
        _abandon_output()
    return code


def _abandon_output() -> None:
    """Keep the interpreter from complaining that it cannot flush standard output."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _dispatch(arguments: list[str]) -> None:
    name = arguments[0] if arguments else "--help"
    if name == "help" and len(arguments) > 1:
        _dispatch([*arguments[1:], "--help"])
    elif name in ("-h", "--help", "help"):
        print(_help())
    elif name == "--version":
        print(f"{PROGRAM} {lsched.__version__}")
    elif name in GROUPS:
        _dispatch_group(name, arguments[1:])
    elif name in COMMANDS:
        _run(name, f"{PROGRAM} {name}", arguments[1:])
    else:
        raise _unknown("command", name, COMMANDS)


def _dispatch_group(group: str, arguments: list[str]) -> None:
    members = GROUPS[group]
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help", "help"):
        print(f"usage: {PROGRAM} {group} [-h] WHAT …\n\n{COMMANDS[group]}:\n")
        print("\n".join(_listed(members)))
        print(f"\n`{PROGRAM} {group} WHAT --help` shows the options of each.")
    elif name in members:
        _run(f"{group}_{name}", f"{PROGRAM} {group} {name}", arguments[1:])
    else:
        what = f"{group} from" if group in ("capture", "import") else group
        raise _unknown(what, name, members)


def _run(module_name: str, program: str, arguments: Sequence[str]) -> None:
    module = importlib.import_module(f"lsched.commands.{module_name}")
    options = parse_options(module.Options, program, arguments)
    if options is not None:
        module.run(options)


def _unknown(what: str, name: str, known: Mapping[str, str]) -> OptionError:
    return OptionError(
        f"no {what} {name!r}, there are {', '.join(known)}{did_you_mean(name, known)}"
    )


def _listed(members: Mapping[str, str]) -> list[str]:
    width = max(map(len, members))
    return [f"  {name:<{width}}  {summary}" for name, summary in members.items()]


def _help() -> str:
    lines = _listed(COMMANDS)
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


def _one_line(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "memory ran out; fewer queries, seeds or workers need less of it"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__
