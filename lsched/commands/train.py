"""``lsched train``: a policy for a workload."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro
from rich.console import Console

from lsched.arrivals import REAL, Arrivals
from lsched.commands.console import output_console
from lsched.commands.options import (
    NO_ARRIVAL_OPTIONS,
    ArrivalGroup,
    Count,
    Number,
    OptionalCount,
    OptionalPath,
    OptionalText,
    OutputPath,
    RayAddress,
    WholeNumber,
    WorkersCount,
    chosen_engine,
    chosen_workers,
)
from lsched.commands.suite_options import DEFAULT_DATA, DataPath, chosen_cases
from lsched.config_file import command_line, values_of, write_config
from lsched.errors import OptionError
from lsched.learn.base_rules import best_rule
from lsched.learn.checkpoint import Checkpoint
from lsched.learn.checkpoint import load as load_policy
from lsched.learn.config import HEADS, NO_RULE, Encoder, Head, Observed, PolicyConfig
from lsched.learn.costs.experience import Experience
from lsched.learn.directory import (
    STATE_FILE,
    Description,
    read_costs,
    read_description,
    read_state,
    write_policy,
    write_state,
)
from lsched.learn.evaluate import Evaluator, Setting
from lsched.learn.evolution import EvolutionConfig
from lsched.learn.inference.maps import flattened
from lsched.learn.rule import rule_numbers
from lsched.learn.scaling import moments_of, standardised
from lsched.learn.training import (
    TrainingConfig,
    TrainingState,
    begun,
    first_weights,
    is_over,
    train,
)
from lsched.learn.workload import Case
from lsched.output import make_directory
from lsched.specs import parse_cluster
from lsched.tables import duration
from sim.experience import StartHistory
from traces import Trace, load

DIRECT_GENERATIONS = 40
"""If not given."""
LIMITS = ("generations", "minutes", "patience")
"""What may differ when a training goes on."""
LEAST = {
    **dict.fromkeys(("costs", "direct_generations", "seed"), 0),
    **dict.fromkeys(("width", "generations", "patience", "validate_every", "validation_seeds"), 1),
    **dict.fromkeys(("pairs", "seeds", "cases_per_pair", "window", "workers"), 1),
}
"""The least that whole numbers can be."""
NO_MATTER = ("resume", "workers", "ray", "tensorboard")
"""What the policy does not depend on."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Train a policy: it corrects a rule, and so fits it to a workload.

    Writes the best policy so far, policy.safetensors and policy.json, which is a scheduler:
    learned:path=DIR. Needs the extras fast and learn.
    """

    traces: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="TRACE…")] = ()
    """Shipped traces or trace files; a policy of several is for all of them."""

    cases: OptionalText = None
    """Instead of traces: cases of the suite, as in tpch-*-scarce,spark-*. They say how queries
    arrive, and where."""

    data: DataPath = DEFAULT_DATA

    cluster: str = "inmemory-32"
    """Clusters as for compare, several separated by commas: each trace on each of them."""

    loads: OptionalText = None
    """Several offered loads, separated by commas, instead of one."""

    out: OutputPath
    """Directory for the policy and all that is needed to go on with the training."""

    resume: bool = False
    """Go on with the training in --out, with the same options; limits may differ."""

    rule: str = "auto"
    """The rule to correct: fifo, fair, srpt, hesrpt or priced with parameters, none, or auto: the
    best of many on training seeds."""

    encoder: Encoder = "tree"
    """tree: LSched's tree convolutions; gcn: Decima's sweep."""

    width: Count = 8
    """Of embeddings."""

    observed: Observed = "all"
    """What the policy sees: all, the five features of Decima, or all but completed runs."""

    heads: tuple[Head, ...] = HEADS
    """Decisions that it corrects."""

    costs: WholeNumber = 32
    """Width of the network that predicts what plans cost, before any has run; 0: none."""

    direct: bool = True
    """Whether features also lead straight to the decisions, past the encoder."""

    start: OptionalPath = None
    """A policy to begin from instead of the rule alone, a path or the name of one that comes with
    lsched; its parts are those of the new one."""

    freeze_encoder: bool = False
    """Train only the heads."""

    direct_generations: OptionalCount = None
    """In so many generations, at first, only what leads straight from features to decisions is
    trained; 40 if not given, 0 with --no-direct."""

    objective: Literal["mean", "tail", "slowdown"] = "mean"
    """What to make small: mean latency; the mean of mean, p95 and p99; or mean slowdown."""

    minutes: Number = 60.0
    """Time after which it ends."""

    generations: Count = 400
    """Generations after which it ends."""

    patience: Count = 12
    """Validations without a better one after which it ends."""

    validate_every: Count = 10
    """Generations from one validation to the next."""

    validation_seeds: Count = 24
    """Runs of a validation, of each case."""

    pairs: Count = 64
    """Policies of a generation, in pairs."""

    seeds: Count = 1
    """Runs of each policy and case in a generation."""

    cases_per_pair: OptionalCount = None
    """Of several cases, so many are drawn for each pair; all if not given."""

    sigma: Number = 0.2
    """Size of the noise in the weights."""

    seed: WholeNumber = 0
    """Of everything random."""

    window: Count = 400
    """Of a trace that is replayed, queries of a run."""

    workers: WorkersCount = None
    ray: RayAddress = None

    tensorboard: bool = True
    """Whether to write curves for TensorBoard to the directory."""

    arrivals: ArrivalGroup = NO_ARRIVAL_OPTIONS


def run(options: Options) -> None:
    """Do what the options say."""
    if bool(options.traces) == (options.cases is not None):
        raise OptionError("name traces to train on, shipped ones or files, or --cases; not both")
    _check_values(options)
    direct_generations = _direct_generations(options)
    _check_extra(options)
    chosen_engine("fast")
    if not options.resume:
        make_directory(options.out)
    has_state = (options.out / STATE_FILE).exists()
    if has_state and not options.resume:
        raise OptionError(f"{options.out} has a training; --resume to go on, or another --out")
    places = _places(options)
    cases = [place.case for place in places]
    start = None if options.start is None else load_policy(options.start)
    width = options.costs if start is None else start.card.policy.costs
    costs = _costs(options, cases, width)
    history = Experience(costs) if costs else True
    policy, weights = _first_policy(options, cases, start, history)
    config = TrainingConfig(
        evolution=EvolutionConfig(pairs=options.pairs, sigma=options.sigma),
        seeds=options.seeds,
        generations=options.generations,
        minutes=options.minutes,
        validate_every=options.validate_every,
        validation_seeds=options.validation_seeds,
        patience=options.patience,
        cases=options.cases_per_pair or 0,
        is_encoder_frozen=options.freeze_encoder,
        direct_generations=direct_generations,
        seed=options.seed,
    )
    description = _description(places, policy, config, options, start)
    if options.resume:
        first = read_state(options.out, description)
    else:
        if weights is None:
            weights = first_weights(policy, config.seed)
            weights = standardised(weights, moments_of(cases, policy, history))
        first = begun(policy, config.seed, weights, len(cases))
    # training.json says what must not change when a training goes on; this, how it was asked for.
    # A training that has gone on is run again from the beginning.
    write_config(replace(options, resume=False), options.out)
    state = first
    setting = Setting(tuple(cases), policy, options.objective, costs)
    command = command_line(Options, values_of(options), "traces", NO_MATTER)
    with (
        chosen_workers(options.workers, options.ray) as workers,
        Evaluator(setting, workers) as evaluator,
        _curves(options) as write,
    ):
        show = _Display(config, "fair" if policy.rule == NO_RULE else "rule")
        try:
            for state in train(evaluator, config, first):
                write_state(options.out, state, description, costs)
                is_validated = state.evolution.generation % config.validate_every == 0
                if is_validated:
                    write_policy(options.out, state, description, costs, command, _seeds_of(config))
                write(state)
                show(state)
        except KeyboardInterrupt:
            if (options.out / STATE_FILE).exists():
                generation = state.evolution.generation
                print(f"\nlsched: --resume goes on after generation {generation}", file=sys.stderr)
            raise
    write_policy(options.out, state, description, costs, command, _seeds_of(config))
    assert is_over(state, config)
    _report(state, policy.reference, options.out)


def _check_values(options: Options) -> None:
    """Mistakes that would else show when half an hour is spent."""
    for name, low in LEAST.items():
        value = getattr(options, name)
        if value is not None and value < low:
            raise OptionError(f"--{name.replace('_', '-')} is {value}, expected at least {low}")
    for name in ("minutes", "sigma"):
        value = getattr(options, name)
        if not value > 0 or (name == "sigma" and math.isinf(value)):
            raise OptionError(f"--{name} is {value:g}, expected a number above 0")
    if options.rule != "auto":
        try:
            rule_numbers(options.rule)
        except ValueError as error:
            raise OptionError(f"--rule: {error}") from None


def _check_extra(options: Options) -> None:
    """What is missing would else show when the engine is compiled."""
    learns_costs = bool(options.costs) and not options.resume
    names = ["torch"] if learns_costs or options.tensorboard else []
    names += ["tensorboard"] if options.tensorboard else []
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise OptionError(
                "training needs the learn extra: pip install 'lsched[learn]' "
                f"(No module named {name!r})"
            )


def _direct_generations(options: Options) -> int:
    if options.direct_generations is None:
        return DIRECT_GENERATIONS if options.direct else 0
    if options.direct_generations and not options.direct:
        raise OptionError("--direct-generations: with --no-direct there is nothing that it trains")
    return options.direct_generations


def _costs(options: Options, cases: list[Case], width: int) -> dict[str, np.ndarray]:
    """Weights of a cost network, fitted to runs of the cases, or those of the training so far."""
    if options.resume:
        return read_costs(options.out, read_description(options.out).policy)
    if width == 0:
        return {}
    print("lsched: learning what plans cost", file=sys.stderr)
    from lsched.learn.costs.fit import examples_of, fitted

    return fitted(examples_of(cases), width, options.seed)


def _first_policy(
    options: Options, cases: list[Case], start: Checkpoint | None, history: StartHistory
) -> tuple[PolicyConfig, np.ndarray | None]:
    """Parts of the policy, and weights to begin with; none: new ones."""
    if start is not None:
        return start.card.policy, flattened(start.card.policy, start.weights)
    rule = options.rule
    if rule == "auto":
        if options.resume:
            rule = read_description(options.out).policy.rule
        else:
            rule = _chosen(cases, options, history)
    parts = PolicyConfig(
        rule,
        options.encoder,
        options.width,
        options.observed,
        options.heads,
        options.direct,
        options.costs,
    )
    return parts, None


@dataclass(frozen=True)
class _Place:
    """A case, and what it is called."""

    case: Case
    trace: str
    cluster: str

    @property
    def arrivals(self) -> str:
        """How queries arrive."""
        return _text_of(self.case.arrivals)


def _places(options: Options) -> list[_Place]:
    if options.cases is not None:
        return _places_of_suite(options)
    loaded: list[Trace] = [load(name) for name in options.traces]
    ways = options.arrivals.all_arrivals(options.loads, replayed_part="training")
    clusters = [text.strip() for text in options.cluster.split(",")]
    return [
        _Place(Case(trace, parse_cluster(text), arrivals, options.window), trace.name, text)
        for trace in loaded
        for text in clusters
        for arrivals in ways
    ]


def _places_of_suite(options: Options) -> list[_Place]:
    given = options.arrivals
    if replace(given, queries=None, estimates=REAL) != NO_ARRIVAL_OPTIONS or options.loads:
        raise OptionError(
            "cases of the suite say how queries arrive, but for --queries, --estimates"
        )
    assert options.cases is not None
    return [
        _Place(
            Case(
                case.trace(options.data),
                parse_cluster(case.cluster),
                case.arrivals
                if given.estimates == REAL
                else replace(case.arrivals, estimates=given.estimates),
                options.window,
            ),
            case.workload,
            case.cluster,
        )
        for case in chosen_cases(options.cases, options.data, queries=given.queries)
    ]


def _description(
    places: list[_Place],
    policy: PolicyConfig,
    config: TrainingConfig,
    options: Options,
    start: Checkpoint | None,
) -> Description:
    settings: dict[str, Any] = dataclasses.asdict(config)
    for name in LIMITS:
        del settings[name]
    settings |= {"objective": options.objective, "window": options.window}
    if start is not None:
        settings["start"] = start.card.weights_sha256
    return Description(
        policy,
        [place.trace for place in places],
        [place.cluster for place in places],
        [place.arrivals for place in places],
        settings,
    )


def _text_of(arrivals: Arrivals) -> str:
    if arrivals.has_own_times:
        scale = f", scale {arrivals.scale:g}" if arrivals.is_redrawn else ""
        return arrivals.label + scale
    return f"{arrivals.label}, scale {arrivals.scale:g}, {arrivals.num_queries} queries"


def _seeds_of(config: TrainingConfig) -> str:
    return f"drawn from the training seeds by seed {config.seed}"


def _chosen(cases: list[Case], options: Options, history: StartHistory) -> str:
    print("lsched: choosing the rule to correct", file=sys.stderr)
    rule, ratios = best_rule(cases, options.objective, history)
    print(f"lsched: {rule}, {ratios[rule]:.3f} × fair on training seeds", file=sys.stderr)
    return rule


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

    def __init__(self, config: TrainingConfig, what: str) -> None:
        self._config, self._what = config, what
        self._console = Console(stderr=True, highlight=False)
        self._num_shown = -1

    def __call__(self, state: TrainingState) -> None:
        """Show a state."""
        is_new = len(state.validations) > max(self._num_shown, 0)
        self._num_shown = len(state.validations)
        line = self._line(state)
        if is_new:
            self._console.print(line, soft_wrap=True)
        elif self._console.is_terminal:  # a line that wraps cannot be written over
            self._console.print(line, end="\r", no_wrap=True, overflow="ellipsis")

    def _line(self, state: TrainingState) -> str:
        generation = state.evolution.generation
        speed = state.num_decisions / max(state.elapsed_s, 1e-9)
        last = state.validations[-1].ratio if state.validations else state.first_ratio
        by_time_s = 60.0 * self._config.minutes - state.elapsed_s
        by_count_s = (self._config.generations - generation) * state.elapsed_s / generation
        left_s = max(min(by_time_s, by_count_s), 0.0)
        return (
            f"generation {generation}  × {self._what} {last:.4f} (best {state.best_ratio:.4f})  "
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
