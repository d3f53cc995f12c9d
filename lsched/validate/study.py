"""Queueing theory against simulation: which queues, how long, and what comes of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from lsched.crew import Crew, JobError, executor_of
from lsched.errors import OptionError, WorkerError
from lsched.executor import Death, Executor
from lsched.runner import Progress
from lsched.validate.queues import SIZE_BINS, Sample, run
from lsched.validate.services import CONSTANT, EXPONENTIAL, VARIABLE
from lsched.validate.system import System
from lsched.validate.theory import (
    erlang_c,
    erlang_c_wait,
    pollaczek_khinchine_wait,
    round_robin_sojourns,
    srpt_sojourn,
)

CONFIDENCE = 0.99
LOADS = (0.5, 0.7, 0.9)
NUM_EXECUTORS = (1, 2, 8, 32)
SHARED_LOADS = (0.5, 0.7)
"""Of processor sharing, where each slice is a scheduling event and so costs most."""
PREEMPTION = 1 / 40
"""Slice where shortest remaining time goes first."""
SLICE = 1 / 10
"""Slice of processor sharing, except where slices are varied."""
SLICES = (1.0, 1 / 4, 1 / 20)
NUM_QUERIES = {0.5: 1_000, 0.7: 1_000, 0.9: 3_000}
"""Queries of a replication at each load that count."""
NUM_RELAXATIONS = 4
LEAST_WARM_UP = 200
NUM_REPLICATIONS = 20
MIN_REPLICATIONS = 12
QUICK_FACTOR = 0.2


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and half the width of its confidence interval."""

    mean: float
    half_width: float


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one queue, by theory and by simulation, in mean sizes.

    Attributes:
        system: the queue.
        figure: a key of ``Sample.figures``.
        theory: what the formula says.
        simulated: the mean over replications and its interval.
    """

    system: System
    figure: str
    theory: float
    simulated: Interval

    @property
    def difference(self) -> float:
        """Simulated ÷ theory − 1."""
        return self.simulated.mean / self.theory - 1

    @property
    def is_inside(self) -> bool:
        """Whether the interval contains what theory says."""
        return abs(self.simulated.mean - self.theory) <= self.simulated.half_width


@dataclass(frozen=True, slots=True)
class Study:
    """All rows, and what held in all runs.

    Attributes:
        rows: figures with formulas.
        utilizations: of each queue; theory says its load.
        num_runs: replications of all queues.
        num_little: those that obey Little's law to the microsecond.
        num_exact, num_first_come: runs first in first out where each query waits as long as the
            recursion over its arrivals says, and all runs first in first out.
    """

    rows: tuple[Row, ...]
    utilizations: dict[System, Interval]
    num_runs: int
    num_little: int
    num_exact: int
    num_first_come: int


def erlang_systems() -> list[System]:
    """M/M/c, where at least a tenth of the queries wait; means of rarer waits vary too much."""
    return [
        System("fifo", EXPONENTIAL, load, num_executors)
        for num_executors in NUM_EXECUTORS
        for load in LOADS
        if erlang_c(num_executors, load) > 0.1
    ]


def first_in_first_out_systems() -> list[System]:
    """M/G/1; exponential services are in ``erlang_systems``."""
    return [System("fifo", service, load) for service in (CONSTANT, VARIABLE) for load in LOADS]


def shortest_remaining_systems() -> list[System]:
    """M/G/1 with preemption, shortest remaining time first."""
    return [
        System("srpt", service, load, slice_size=PREEMPTION)
        for service in (EXPONENTIAL, VARIABLE)
        for load in LOADS
    ]


def sharing_systems() -> list[System]:
    """M/G/1 processor sharing by time slices."""
    return [
        System("slices", service, load, slice_size=SLICE)
        for service in (CONSTANT, EXPONENTIAL, VARIABLE)
        for load in SHARED_LOADS
    ]


def slice_systems() -> list[System]:
    """The same at one load with ever smaller slices."""
    return [
        System("slices", service, SHARED_LOADS[-1], slice_size=slice_size)
        for service in (CONSTANT, VARIABLE)
        for slice_size in SLICES
    ]


def all_systems() -> list[System]:
    """Every queue of the study."""
    return [
        *erlang_systems(),
        *first_in_first_out_systems(),
        *shortest_remaining_systems(),
        *sharing_systems(),
        *slice_systems(),
    ]


def num_warm_up(system: System) -> int:
    """Queries in four relaxation times, after which 2 % of an empty start is left; at least 200.

    Source: of M/M/1 it is 1 / (1 − √ρ)² mean sizes (Cohen, "The single server queue", 1982). With
    other sizes a queue forgets more slowly by (1 + c²) / 2, as its diffusion limit does; with more
    executors as many queries pass in less time.
    """
    relaxation = (1 + system.service.squared_variation) / (2 * (1 - math.sqrt(system.load)) ** 2)
    return max(LEAST_WARM_UP, math.ceil(NUM_RELAXATIONS * system.load * relaxation))


def expectations(system: System) -> dict[str, float]:
    """What theory says of each figure of a queue."""
    if system.rule == "srpt":
        return {"sojourn": srpt_sojourn(system.service, system.load)}
    if system.rule == "slices":
        return _round_robin(system)
    if system.num_executors == 1:
        return {"wait": pollaczek_khinchine_wait(system.service, system.load)}
    return {"wait": erlang_c_wait(system.num_executors, system.load)}


def _round_robin(system: System) -> dict[str, float]:
    """Mean sojourn, and where sizes differ the mean slowdown by range of size."""
    more = system.more_slices()
    sojourns = round_robin_sojourns(more, system.load)
    shares = -np.diff(np.append(more, 0.0))
    sizes = np.arange(1, len(more) + 1) / more.sum()
    expected = {"sojourn": float(shares @ sojourns / more.sum())}
    if system.service.phases and system.slice_size == SLICE:
        places = np.digitize(sizes, SIZE_BINS) - 1
        for place in range(len(SIZE_BINS) - 1):
            is_in = places == place
            slowdowns = sojourns[is_in] / np.arange(1, len(more) + 1)[is_in]
            expected[f"slowdown {place}"] = float(np.average(slowdowns, weights=shares[is_in]))
    return expected


def study(
    systems: Sequence[System],
    *,
    replications: int = NUM_REPLICATIONS,
    seed: int = 0,
    length: float = 1.0,
    workers: int | Executor = 1,
    progress: Progress | None = None,
) -> Study:
    """Simulate each queue several times; the result does not depend on ``workers``.

    Args:
        systems: the queues.
        replications: independent runs of each, each with its own random numbers.
        seed: of all random numbers.
        length: multiplies the number of queries of each run.
        workers: processes, or an executor.
        progress: called after each run.

    Raises:
        OptionError: there are too few replications for an interval, or no workers.
        WorkerError: a worker process died.
    """
    if replications < MIN_REPLICATIONS:
        raise OptionError(
            f"replications is {replications}, expected at least {MIN_REPLICATIONS} for intervals"
        )
    jobs = [(system, seed, number, length) for system in systems for number in range(replications)]
    samples = _results(jobs, executor_of(workers), progress)
    by_system = {
        system: samples[at * replications : (at + 1) * replications]
        for at, system in enumerate(systems)
    }
    return Study(
        rows=tuple(row for system in systems for row in _rows(system, by_system[system])),
        utilizations={
            system: _estimate(samples, [sample.utilization for sample in samples])
            for system, samples in by_system.items()
        },
        num_runs=len(samples),
        num_little=sum(sample.obeys_little for sample in samples),
        num_exact=sum(sample.is_exact is True for sample in samples),
        num_first_come=sum(sample.is_exact is not None for sample in samples),
    )


def controlled_mean(values: Sequence[float], controls: np.ndarray) -> Interval:
    """The mean of independent values, less what their controls explain, and its interval.

    Controls (shape (values, number of controls)) have expectation 0; those that never change are
    left out. What they explain is found by linear regression, for each value on all the others, so
    that the mean stays unbiased also where the relation is not linear.

    Source: Nelson, "Control variate remedies", Operations Research 38(6), 1990 (splitting).
    """
    sample = np.asarray(values, float)
    controls = controls[:, np.ptp(controls, axis=0) > 1e-12]
    design = np.column_stack([np.ones(len(sample)), controls])
    cleaned = np.empty_like(sample)
    for index in range(len(sample)):
        others = np.arange(len(sample)) != index
        fitted, *_ = np.linalg.lstsq(design[others], sample[others], rcond=None)
        cleaned[index] = sample[index] - controls[index] @ fitted[1:]
    freedom = len(sample) - design.shape[1]
    error = cleaned.std(ddof=1) / math.sqrt(len(sample))
    quantile = student.ppf((1 + CONFIDENCE) / 2, freedom)
    return Interval(float(cleaned.mean()), float(quantile * error))


def _estimate(samples: Sequence[Sample], values: Sequence[float]) -> Interval:
    return controlled_mean(values, np.array([sample.controls for sample in samples]))


def _rows(system: System, samples: Sequence[Sample]) -> Iterator[Row]:
    for figure, theory in expectations(system).items():
        values = [sample.figures[figure] for sample in samples]
        yield Row(system, figure, theory, _estimate(samples, values))


Job = tuple[System, int, int, float]


def _results(
    jobs: Sequence[Job], executor: Executor | None, progress: Progress | None
) -> list[Sample]:
    try:
        with Crew(executor, _run, None, lambda job: job[0]) as crew:
            results = crew.do_all(jobs, progress)
    except JobError as failure:
        raise failure.error from None
    for (system, _, number, _), result in zip(jobs, results, strict=True):
        if isinstance(result, Death):
            raise WorkerError(f"{system}, replication {number}: {result.reason}")
    return [result for result in results if not isinstance(result, Death)]


def _run(_: None, job: Job) -> Sample:
    system, seed, number, length = job
    return run(
        system,
        num_queries=max(100, round(length * NUM_QUERIES[system.load])),
        num_warm_up=num_warm_up(system),
        seed=seed,
        number=number,
    )
