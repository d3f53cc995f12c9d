"""What parts of a policy, and of its training, are worth: a table for each study.

Run with ``python benchmarks/studies.py [NAME …]``; a study takes up to an hour on two cores. What
has been trained is not trained again. All figures are of test seeds, but those of ``transfer`` by
generation, which are of validation seeds.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from lsched.arrivals import redrawn
from lsched.cli import main as command_line
from lsched.compare import compare
from lsched.learn.config import HEADS
from lsched.learn.directory import read_validations, resumed
from lsched.runner import num_cores
from lsched.specs import parse_cluster
from lsched.statistics import paired_ratio
from lsched.suite import CASES, SuiteCase, find_cases, read_tuned, run_case
from lsched.suite.run import BEST, FAIR, ON_ESTIMATES, Document, oracle_of
from lsched.suite.tables import markdown_table, ratio_of
from lsched.suite.tuned import Tuned
from lsched.tables import ratio_text
from sim import simulate_many
from traces import Trace, load, part_of, part_seeds, write

OUT = Path("out/studies")
DIFFERENT, SHORT = "different-0.7-inmemory", "ssb-0.7-warehouse-ample"
BASE = "srpt:size=history+cap=0.25+spare=share+operators=shortest"
"""Where policies begin that are compared on several workloads; else, the best rule of the case."""
GENERATIONS, DIRECT, VALIDATE_EVERY = 30, 15, 5
"""Of each training; of them, those that train only what leads straight to decisions."""


def without(head: str) -> list[str]:
    """Options of a policy that lacks a head."""
    return ["--heads", *(each for each in HEADS if each != head)]


PARTS: Mapping[str, Sequence[str]] = {
    "all, tree": [],
    "all, gcn": ["--encoder", "gcn"],
    "without the parallelism head": without("parallelism"),
    "without the pipeline head": without("degree"),
    "without the root head": without("root"),
    "without predicted costs": ["--costs", "0"],
    "without history": ["--observed", "no-history", "--costs", "0"],
    "without a rule to begin with": ["--rule", "none"],
}
WAYS: Mapping[str, Sequence[str]] = {
    "without training the encoder": ["--direct-generations", str(GENERATIONS)],
    "without the direct map": ["--no-direct", "--direct-generations", "0"],
    "all at once, not the direct map first": ["--direct-generations", "0"],
}
"""Options of ``lsched train`` by the name of a variant, later ones count; ways of learning are
compared on one workload only."""


def train(out: Path, *options: str) -> Path:
    """Train a policy, or go on where that stopped."""
    words = ["train", "--generations", str(GENERATIONS), "--direct-generations", str(DIRECT)]
    words += ["--validate-every", str(VALIDATE_EVERY), "--validation-seeds", "12", *options]
    words += ["--no-tensorboard", "--minutes", "600", "--out", str(out), *resumed(out)]
    if command_line(words) != 0:
        raise SystemExit(f"lsched {' '.join(words)} failed")
    return out


def case_of(name: str) -> SuiteCase:
    """A case of the suite."""
    (case,) = find_cases([name], CASES)
    return case


def compared(study: str, case: SuiteCase, policies: Mapping[str, Path], tuned: Tuned) -> Document:
    """Policies and rules on the test seeds of a case."""
    texts = {label: {"*": f"learned:path={path}"} for label, path in policies.items()}
    directory = OUT / study / "runs"
    directory.mkdir(parents=True, exist_ok=True)
    return run_case(case, tuned, texts, directory, workers=num_cores()).document


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as Markdown, and write it."""
    text = f"{markdown_table(header, rows)}\n"
    print(f"\n{title}\n\n{text}")
    (OUT / f"{title}.md").write_text(text)


def parts() -> None:
    """What heads, encoders, features, history and the rule are worth."""
    documents = {}
    for name in (DIFFERENT, SHORT):
        tuned, policies = read_tuned()[name], {}
        variants = {**PARTS, **WAYS} if name == DIFFERENT else PARTS
        for label, options in variants.items():
            rule = tuned.on_estimates if "no-history" in options else tuned.best
            words = ["--cases", name, "--rule", rule, *options]
            policies[label] = train(OUT / "parts" / name / label.replace(" ", "-"), *words)
        documents[name] = compared("parts", case_of(name), policies, tuned)
    rows = [
        [label, *(ratio_of(document, label, BEST) for document in documents.values())]
        for label in (*PARTS, *WAYS, FAIR)
    ]
    table("parts", ["÷ best rule", *(f"`{name}`" for name in documents)], rows)


def estimates() -> None:
    """What the optimizer's estimates are worth to a policy, and to rules."""
    rows = []
    for kind in ("exact", "real", "none"):
        case = case_of(SHORT)
        arrivals = dataclasses.replace(case.arrivals, estimates=kind)
        case = dataclasses.replace(case, name=f"{case.name}-{kind}", arrivals=arrivals)
        options = ["--cases", SHORT, "--estimates", kind, "--rule", read_tuned()[SHORT].best]
        policy = train(OUT / "estimates" / kind, *options)
        document = compared("estimates", case, {"policy": policy}, read_tuned()[SHORT])
        rows.append([kind, *(ratio_of(document, each, FAIR) for each in (ON_ESTIMATES, BEST))])
        rows[-1] += [ratio_of(document, "policy", each) for each in (FAIR, BEST)]
    header = ["estimates", f"{ON_ESTIMATES} ÷ fair", "best rule ÷ fair"]
    table("estimates", [*header, "policy ÷ fair", "policy ÷ best rule"], rows)


WORKLOADS = {
    "tpch": "tpch-0.7-warehouse-ample",
    "tpcds": "tpcds-0.7-warehouse-ample",
    "ssb": SHORT,
    "different": DIFFERENT,
}
TUNED_ON = (5, 10, 20)
"""Generations of fine-tuning that are shown."""


def transfer() -> None:
    """Policies trained on one workload, on the others, and with a little training there."""
    rule = ("--rule", BASE, "--queries", "100")
    policies = {
        name: train(OUT / "transfer" / name, "--cases", case, *rule)
        for name, case in WORKLOADS.items()
    }
    documents = {
        name: compared("transfer", case_of(case), policies, read_tuned()[case])
        for name, case in WORKLOADS.items()
    }
    rows = [
        [name, *(ratio_of(document, name, BEST) for document in documents.values())]
        for name in policies
    ]
    table("transfer", ["trained on", *(f"on {name}" for name in documents)], rows)
    rows = []
    for name, case in WORKLOADS.items():
        origin = "tpch" if name != "tpch" else "tpcds"
        start = ["--cases", case, "--queries", "100", "--start", str(policies[origin])]
        start += ["--generations", str(max(TUNED_ON))]
        ways = {
            "from the rule": policies[name],
            f"from {origin}'s policy": train(OUT / "transfer" / f"{name}-from-{origin}", *start),
            f"from {origin}'s, encoder frozen": train(
                OUT / "transfer" / f"{name}-from-{origin}-frozen", *start, "--freeze-encoder"
            ),
        }
        for way, directory in ways.items():
            found = {each.generation: each.ratio for each in read_validations(directory)}
            rows.append([name, way, *(f"{found[generation]:.3f}" for generation in TUNED_ON)])
    header = [f"÷ rule after {generation} generations" for generation in TUNED_ON]
    table("fine-tuning", ["on", "begun", *header], rows)


def shuffled(day: Trace, seed: int) -> Trace:
    """The same queries in random order at random times."""
    generator = np.random.default_rng([seed, 77])
    times = np.sort(generator.integers(0, day.queries[-1].arrival_us + 1, len(day.queries)))
    order = generator.permutation(len(day.queries))
    queries = tuple(
        msgspec.structs.replace(day.queries[at], query_id=place, arrival_us=int(time_us))
        for place, (at, time_us) in enumerate(zip(order, times, strict=True))
    )
    return msgspec.structs.replace(day, queries=queries)


def patterns() -> None:
    """Bursts and repetition against the same queries at random times."""
    name = "fleet-day-inmemory-ample"
    case, tuned, base = case_of(name), read_tuned()[name], load("fleet-day")
    file = OUT / "patterns" / "random-times.jsonl.gz"
    file.parent.mkdir(parents=True, exist_ok=True)
    (seed,) = part_seeds("training", 1)
    write(shuffled(redrawn(base, seed), seed), file)
    rule = ("--rule", tuned.best, "--window", "200")
    policies = {
        False: train(OUT / "patterns" / "as-they-arrive", "--cases", name, *rule),
        True: train(file.parent / "random", str(file), "--cluster", case.cluster, *rule),
    }
    rows = []
    for is_shuffled, policy in policies.items():
        runs = [redrawn(base, seed) for seed in case.test_seeds]
        if is_shuffled:
            runs = list(map(shuffled, runs, case.test_seeds))
        means = {
            text: [
                result.summary()["mean_latency_s"]
                for result in simulate_many(
                    runs,
                    text,
                    cluster=parse_cluster(case.cluster),
                    seeds=case.test_seeds,
                    keep_records=False,
                )
            ]
            for text in (f"learned:path={policy}", tuned.best, tuned.fair)
        }
        learned, best, fair = means.values()
        pairs = ((learned, fair), (best, fair), (learned, best))
        label = "at random times" if is_shuffled else "as they arrive"
        rows.append([label, *(ratio_text(paired_ratio(*pair)) for pair in pairs)])
    table("patterns", ["queries", "policy ÷ fair", "best rule ÷ fair", "policy ÷ best rule"], rows)


COSTS = ("tpch-0.7-inmemory-scarce", "tpcds-0.7-inmemory-ample", "tpcds-0.9-inmemory-ample")


def costs() -> None:
    """What it is worth to know what plans cost: of plans seen in training, and of others."""
    rows = []
    for name in COSTS:
        case, tuned = case_of(name), read_tuned()[name]
        whole = case.trace()
        parts = {
            "seen in training": (whole, whole),
            "of other templates": (
                part_of(whole, "training", "template"),
                part_of(whole, "test", "template"),
            ),
        }
        for label, (seen, tested) in parts.items():
            out = OUT / "costs" / f"{name}-{label.replace(' ', '-')}"
            out.mkdir(parents=True, exist_ok=True)
            write(seen, out / "seen.jsonl.gz")
            arrivals = case.arrivals
            options = [str(out / "seen.jsonl.gz"), "--cluster", case.cluster, "--rule", tuned.best]
            options += ["--load", str(arrivals.load), "--scale", str(arrivals.scale)]
            policy = f"learned:path={train(out, *options, '--generations', '1')}+corrections=off"
            (found,) = compare(
                tested,
                [policy, tuned.best, oracle_of(tuned)],
                cluster=case.cluster,
                arrivals=arrivals,
                seeds=case.test_seeds,
                reference=tuned.best,
                workers=num_cores(),
            ).cases
            ratios = [found.outcomes[text].ratios for text in (policy, oracle_of(tuned))]
            rows.append(
                [f"`{name}`", label, *(ratio_text(each["mean_latency_s"]) for each in ratios)]
            )
    header = ["÷ best rule", "plans", "the same rule, costs predicted", "clairvoyant"]
    table("costs", header, rows)


SEEDED = "tpcds-*-inmemory-scarce"


def seeds() -> None:
    """Whether training gets there from any seed, and how soon."""
    cases = find_cases([SEEDED], CASES)
    options = ["--cases", SEEDED, "--cases-per-pair", "1", "--direct-generations", "30"]
    options += ["--generations", "16", "--validate-every", "2"]
    policies = {
        f"seed {seed}": train(OUT / "seeds" / f"seed-{seed}", *options, "--seed", str(seed))
        for seed in range(3)
    }
    documents = [compared("seeds", case, policies, read_tuned()[case.name]) for case in cases]
    rows = [
        [
            label,
            f"{max(each.elapsed_s for each in read_validations(directory)) / 60:.1f}",
            *(ratio_of(document, label, BEST) for document in documents),
        ]
        for label, directory in policies.items()
    ]
    header = ["÷ best rule", "minutes of training", *(f"`{case.name}`" for case in cases)]
    table("seeds", header, rows)
    plot = ["--out", "docs/images/learning.png"]
    if command_line(["curves", *map(str, policies.values()), *plot]) != 0:
        raise SystemExit("the curves could not be drawn")


STUDIES: Mapping[str, Callable[[], None]] = {
    study.__name__: study for study in (seeds, parts, costs, estimates, transfer, patterns)
}


def main() -> None:
    """Do the studies that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"of {', '.join(STUDIES)}")
    names = parser.parse_args().names or list(STUDIES)
    if unknown := set(names) - set(STUDIES):
        parser.error(f"no study {', '.join(unknown)}; there are {', '.join(STUDIES)}")
    OUT.mkdir(parents=True, exist_ok=True)
    for name in names:
        STUDIES[name]()


if __name__ == "__main__":
    main()
