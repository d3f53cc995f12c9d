"""A function over many arguments in worker processes, with the results in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import TypeVar

from lsched.errors import WorkerError

Argument = TypeVar("Argument")
Value = TypeVar("Value")


def parallel_map(
    function: Callable[[Argument], Value], arguments: Sequence[Argument], workers: int
) -> Iterator[Value]:
    """``map``, in this process if there is one worker, else in as many clean ones.

    Raises:
        WorkerError: a worker process died.
    """
    if workers == 1:
        yield from map(function, arguments)
        return
    context = multiprocessing.get_context("spawn")
    # Nothing is ever sent: workers end when the other end closes, also because this process died.
    lifeline, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, _start_worker, (lifeline,))
    try:
        yield from pool.map(function, arguments)
    except BrokenProcessPool:
        raise WorkerError(
            "a worker process ended abruptly, perhaps because memory ran out; fewer workers need "
            "less of it"
        ) from None
    except BaseException:
        held.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        held.close()
        lifeline.close()


def _start_worker(lifeline: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it as well, and ends workers
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()


def _end_with_parent(lifeline: Connection) -> None:
    lifeline.poll(None)
    os._exit(1)
