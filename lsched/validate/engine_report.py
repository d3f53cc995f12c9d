"""What a validation leaves for other tools: ``results.json`` and a plot."""

from __future__ import annotations

import dataclasses
import os
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import lsched
from lsched.report import write_json
from lsched.validate.prediction import Experiment, Prediction
from traces.capture.duckdb import processor

OWN_FILE = re.compile(r"results\.json|predictions\.png")
"""Files that a validation writes, to be removed by the next one."""
Part = tuple[str, Mapping[str, object], Sequence[Experiment]]
"""A part of a validation: its name, what else is known of it, and its experiments."""


def write_results(
    command: str,
    engine: str,
    settings: Mapping[str, object],
    parts: Sequence[Part],
    directory: Path,
) -> None:
    """Write ``results.json``.

    Args:
        command: such as ``validate spark``.
        engine: with its version.
        settings: of the command, all that can change a result.
        parts: what was found.
        directory: an existing one.
    """
    document = {
        "version": 1,
        "command": f"lsched {command}",
        "lsched_version": lsched.__version__,
        "engine": engine,
        "python_version": platform.python_version(),
        "processor": processor(),
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "date": datetime.now(UTC).date().isoformat(),
        "settings": dict(settings),
        "parts": [
            {"name": name, **facts, "experiments": [_experiment(item) for item in experiments]}
            for name, facts, experiments in parts
        ],
    }
    write_json(document, directory / "results.json")


def _experiment(experiment: Experiment) -> dict[str, object]:
    return {
        "runs": experiment.runs,
        "rule": experiment.rule,
        "model": experiment.model,
        "accuracy": dataclasses.asdict(experiment.accuracy()),
        "makespans_s": [
            {"measured_s": measured_s, "predicted_s": predicted_s}
            for measured_s, predicted_s in experiment.makespans_s
        ],
        "predictions": [_prediction(prediction) for prediction in experiment.predictions],
    }


def _prediction(prediction: Prediction) -> dict[str, object]:
    return {
        **dataclasses.asdict(prediction),
        "median_s": prediction.median_s,
        "error": prediction.error,
        "noise": prediction.noise,
    }
