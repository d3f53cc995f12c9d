"""A Spark session in local mode, with an event log, that leaves nothing behind."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from traces.errors import TraceError

STOP_S = 30
"""How long Spark may take to end by itself."""


def check_spark() -> None:
    """Fail early where PySpark or its Java is missing.

    Raises:
        TraceError: PySpark is not installed, or Java is missing or too old for it.
    """
    version = str(_pyspark().__version__)
    needed = 17 if int(version.split(".")[0]) >= 4 else 8
    what = f"capturing from Spark {version} needs Java {needed} or newer"
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None:
        raise TraceError(f"{what}: no java in PATH and JAVA_HOME is not set")
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TraceError(f"{what}: {java} cannot be run ({error})") from None
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    if found is None:
        raise TraceError(f"{what}: `{java} -version` does not say which it is")
    if int(found[1]) < needed:
        raise TraceError(f"{what}: {java} is Java {found[1]}; set JAVA_HOME to a newer one")


@contextmanager
def spark_session(
    folder: Path, cores: int | None, memory_gb: int, settings: Mapping[str, str] | None = None
) -> Iterator[Any]:
    """A session whose event log is the only file of ``folder / "events"`` once it has ended.

    Args:
        folder: an empty directory for all that Spark writes.
        cores: tasks that run at once; None: one for each core.
        memory_gb: largest heap of its Java machine.
        settings: more of Spark's own settings, by name.

    Raises:
        TraceError: Spark cannot be started, or one runs in this process already.
    """
    pyspark = _pyspark()
    events = folder / "events"
    events.mkdir()
    options = {
        "spark.master": f"local[{cores or '*'}]",
        "spark.app.name": "lsched",
        "spark.driver.host": "localhost",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": f"{memory_gb}g",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": events.as_uri(),
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
        "spark.local.dir": str(folder / "local"),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": (folder / "warehouse").as_uri(),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    context = pyspark.SparkContext
    if context._active_spark_context is not None:
        raise TraceError("a Spark session is active in this process; stop it first")
    before = context._gateway, context._jvm  # of a session that has ended: its options are fixed
    context._gateway = context._jvm = None
    disabled = logging.root.manager.disable
    logging.disable()  # PySpark logs errors with Java's stack, and raises them as well
    try:
        conf = pyspark.SparkConf().setAll({**options, **(settings or {})}.items())
        gateway = _launch(conf, folder / "spark.log")
        try:
            with _session(pyspark, conf, gateway) as session:
                yield session
        finally:
            _end(gateway)
    finally:
        context._gateway, context._jvm = before
        logging.disable(disabled)


@contextmanager
def _session(pyspark: Any, conf: Any, gateway: Any) -> Iterator[Any]:
    context = None
    try:
        try:
            context = pyspark.SparkContext(conf=conf, gateway=gateway)
            session = pyspark.sql.SparkSession(context)
        except Exception as error:
            raise TraceError(f"Spark does not start: {first_line(error)}") from None
        yield session
    finally:
        if context is not None:
            with contextlib.suppress(Exception):  # Java may have gone, out of memory
                context.stop()
            pyspark.SparkContext._active_spark_context = None


def first_line(error: BaseException) -> str:
    """What an exception of PySpark says, without Java's stack."""
    java = getattr(error, "java_exception", None)
    text = str(java.toString() if java is not None else error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _pyspark() -> Any:
    try:
        pyspark = importlib.import_module("pyspark")
        importlib.import_module("pyspark.sql")
    except ImportError as error:
        raise TraceError(
            f"capturing from Spark needs the spark extra: pip install 'lsched[spark]' ({error})"
        ) from None
    return pyspark


def _launch(conf: Any, log: Path) -> Any:
    """Start Java; what it prints goes to a file, as its log would be in the way of ours."""
    gateway = importlib.import_module("pyspark.java_gateway")
    try:
        with log.open("wb") as out:
            return gateway.launch_gateway(conf, {"stdout": out, "stderr": out})
    except Exception as error:
        lines = log.read_text("utf-8", "replace").split("\n") if log.exists() else []
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        raise TraceError(f"Spark does not start: {last or first_line(error)}") from None


def _end(gateway: Any) -> None:
    with contextlib.suppress(Exception):  # as above
        gateway.shutdown()
    process = gateway.proc
    if process is None:
        return
    process.stdin.close()  # which tells Java to end
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
