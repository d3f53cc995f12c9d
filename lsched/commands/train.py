"""``lsched train``: a policy for a workload."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from lsched.arrivals import Arrivals
from lsched.commands.console import output_console
from lsched.commands.options import (
    NO_ARRIVAL_OPTIONS,
    ArrivalGroup,
    Count,
    Number,
    OptionalText,
    OutputPath,
    WholeNumber,
    chosen_engine,
)
from lsched.errors import OptionError
from lsched.learn.base_rules import best_rule
from lsched.learn.config import Encoder, PolicyConfig
from lsched.learn.directory import (
    STATE_FILE,
    Description,
    read_state,
    write_policy,
    write_state,
)
from lsched.learn.evaluate import Evaluator, Setting
from lsched.learn.evolution import EvolutionConfig
from lsched.learn.training import TrainingConfig, TrainingState, begun, is_over, train
from lsched.learn.workload import Case
from lsched.runner import num_cores
from lsched.specs import parse_cluster
from lsched.tables import duration
from traces import Trace, load

LIMITS = ("generations", "minutes", "patience")
"""What may differ when a training goes on."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Train a policy: it corrects a rule, and so fits it to a workload.

    Writes the best policy so far, policy.safetensors and policy.json, which is a scheduler:
    learned:path=DIR. Needs the extras fast and learn.
    """

    traces: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="TRACE…")]
    """Shipped traces or trace files; a policy of several is for all of them."""

    cluster: str = "inmemory-32"
    """Clusters as for compare, several separated by commas: each trace on each of them."""

    loads: OptionalText = None
    """Several offered loads, separated by commas, instead of one."""

    out: OutputPath
    """Directory for the policy and all that is needed to go on with the training."""

    resume: bool = False
    """Go on with the training in --out, with the same options; limits may differ."""

    rule: str = "auto"
    """The rule to correct: fifo, fair, srpt or priced with parameters, none, or auto: the best of
    many on training seeds."""

    encoder: Encoder = "tree"
    """tree: LSched's tree convolutions; gcn: Decima's sweep."""

    objective: Literal["mean", "tail", "slowdown"] = "mean"
    """What to make small: mean latency; the mean of mean, p95 and p99; or mean slowdown."""

    minutes: Number = 60.0
    """Time after which it ends."""

    generations: Count = 400
    """Generations after which it ends."""

    patience: Count = 12
    """Validations without a better one after which it ends."""

    pairs: Count = 16
    """Policies of a generation, in pairs."""

    seeds: Count = 4
    """Runs of each policy and case in a generation."""

    sigma: Number = 0.015
    """Size of the noise in the weights."""

    seed: WholeNumber = 0
    """Of everything random."""

    window: Count = 400
    """Of a trace that is replayed, queries of a run."""

    workers: WholeNumber = field(default_factory=num_cores)
    """Processes to run in; the result does not depend on it."""

    tensorboard: bool = True
    """Whether to write curves for TensorBoard to the directory."""

    arrivals: ArrivalGroup = NO_ARRIVAL_OPTIONS


def run(options: Options) -> None:
    """Do what the options say."""
    if not options.traces:
        raise OptionError("no trace to train on; name a shipped one or a file")
    chosen_engine("fast")
    options.out.mkdir(parents=True, exist_ok=True)
    has_state = (options.out / STATE_FILE).exists()
    if has_state and not options.resume:
        raise OptionError(f"{options.out} has a training; --resume to go on, or another --out")
    cases = _cases(options)
    rule = options.rule
    if rule == "auto":
        rule = _remembered_rule(options) if options.resume else _chosen_rule(cases, options)
    policy = PolicyConfig(rule=rule, encoder=options.encoder)
    config = TrainingConfig(
        evolution=EvolutionConfig(pairs=options.pairs, sigma=options.sigma),
        seeds=options.seeds,
        generations=options.generations,
        minutes=options.minutes,
        patience=options.patience,
        seed=options.seed,
    )
    description = _description(cases, policy, config, options)
    first = read_state(options.out, description) if options.resume else begun(policy, config.seed)
    state = first
    setting = Setting(tuple(cases), policy, options.objective)
    command = "lsched " + shlex.join(sys.argv[1:])
    with Evaluator(setting, options.workers) as evaluator, _curves(options) as write:
        show = _Display(config)
        for state in train(evaluator, config, first):
            write_state(options.out, state, description)
            is_validated = state.evolution.generation % config.validate_every == 0
            if is_validated:
                write_policy(options.out, state, description, command, _seeds_of(config))
            write(state)
            show(state)
    write_policy(options.out, state, description, command, _seeds_of(config))
    assert is_over(state, config)
    _report(state, rule, options.out)


def _cases(options: Options) -> list[Case]:
    loaded: list[Trace] = [load(name) for name in options.traces]
    ways = options.arrivals.all_arrivals(options.loads, replayed_part="training")
    clusters = [parse_cluster(text.strip()) for text in options.cluster.split(",")]
    return [
        Case(trace, cluster, arrivals, options.window)
        for trace in loaded
        for cluster in clusters
        for arrivals in ways
    ]


def _description(
    cases: list[Case], policy: PolicyConfig, config: TrainingConfig, options: Options
) -> Description:
    settings: dict[str, Any] = dataclasses.asdict(config)
    for name in LIMITS:
        del settings[name]
    settings |= {"objective": options.objective, "window": options.window}
    clusters = [text.strip() for text in options.cluster.split(",")]
    num_ways = len(cases) // (len(options.traces) * len(clusters))
    return Description(
        policy,
        [case.trace.name for case in cases],
        [text for _ in options.traces for text in clusters for _ in range(num_ways)],
        [_text_of(case.arrivals) for case in cases],
        settings,
    )


def _text_of(arrivals: Arrivals) -> str:
    if not arrivals.is_drawn:
        return arrivals.label
    return f"{arrivals.label}, scale {arrivals.scale:g}, {arrivals.num_queries} queries"


def _seeds_of(config: TrainingConfig) -> str:
    return f"drawn from the training seeds by seed {config.seed}"


def _chosen_rule(cases: list[Case], options: Options) -> str:
    print("lsched: choosing the rule to correct", file=sys.stderr)
    rule, ratios = best_rule(cases, options.objective)
    print(f"lsched: {rule}, {ratios[rule]:.3f} × fair on training seeds", file=sys.stderr)
    return rule


def _remembered_rule(options: Options) -> str:
    """The rule of the training in the directory."""
    import msgspec

    from lsched.learn.directory import CONFIG_FILE

    try:
        found = msgspec.json.decode((options.out / CONFIG_FILE).read_bytes(), type=Description)
    except (OSError, msgspec.MsgspecError) as error:
        raise OptionError(f"{options.out}: no training to go on with: {error}") from None
    return found.policy.rule


@contextmanager
def _curves(options: Options) -> Iterator[Any]:
    """A function that writes a state's figures for TensorBoard."""
    if not options.tensorboard:
        yield lambda state: None
        return
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(options.out / "tensorboard"))

    def write(state: TrainingState) -> None:
        generation = state.evolution.generation
        writer.add_scalar("decisions", state.num_decisions, generation)
        if state.validations and state.validations[-1].generation == generation:
            last = state.validations[-1]
            writer.add_scalar("validation/ratio to the rule", last.ratio, generation)
            for at, ratio in enumerate(last.ratios):
                writer.add_scalar(f"validation/case {at}", ratio, generation)
            writer.flush()

    try:
        yield write
    finally:
        writer.close()


class _Display:
    """Lines on standard error: one for each validation; on a terminal, one that changes."""

    def __init__(self, config: TrainingConfig) -> None:
        self._config = config
        self._console = Console(stderr=True, highlight=False)
        self._num_shown = -1

    def __call__(self, state: TrainingState) -> None:
        """Show a state."""
        is_new = len(state.validations) > max(self._num_shown, 0)
        self._num_shown = len(state.validations)
        line = self._line(state)
        if is_new:
            self._console.print(line)
        elif self._console.is_terminal:
            self._console.print(line, end="\r")

    def _line(self, state: TrainingState) -> str:
        generation = state.evolution.generation
        speed = state.num_decisions / max(state.elapsed_s, 1e-9)
        last = state.validations[-1].ratio if state.validations else 1.0
        by_time_s = 60.0 * self._config.minutes - state.elapsed_s
        by_count_s = (self._config.generations - generation) * state.elapsed_s / generation
        left_s = max(min(by_time_s, by_count_s), 0.0)
        return (
            f"generation {generation}  × rule {last:.4f} (best {state.best_ratio:.4f})  "
            f"{speed:,.0f} decisions/s  at most {duration(left_s)} left"
        )


def _report(state: TrainingState, rule: str, out: Path) -> None:
    """What came of it."""
    lines = [
        f"{state.evolution.generation} generations, {state.num_decisions:,} decisions in "
        f"{duration(state.elapsed_s)}",
        f"validation: {state.best_ratio:.4f} × {rule}",
        f"scheduler: learned:path={out}",
    ]
    for line in lines:
        output_console().print(line)
