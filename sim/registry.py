"""Schedulers by name: the decorator, the search, and parameters in text.

``make_scheduler`` looks a name up among the registered classes, then among the modules of
``sim.schedulers``, then among entry points in the group ``lsched.schedulers``. A text such as
``path/to/file.py:ClassName`` loads a class from a file.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from sim.errors import SchedulerError, UnknownScheduler
from sim.schedule import Allocation, Schedule
from sim.signatures import DECIDE, identity, missing_parameters, no_decide, parameters_of
from sim.values import parse_value
from sim.view import ClusterView
from traces.errors import did_you_mean

if TYPE_CHECKING:
    from sim.batch_schedule import BatchSchedule
    from sim.batch_view import BatchView

GROUP = "lsched.schedulers"


class Scheduler(Protocol):
    """Anything with ``decide``. Set ``is_clairvoyant = True`` to be given a ``ClairvoyantView``.

    One that knows plans before they run may have a method ``experience(trace, cluster)``, which
    gives the ``History`` that its runs start with.
    """

    def decide(self, view: ClusterView) -> Schedule | Iterable[Allocation]:
        """Answer a scheduling event."""
        ...


@runtime_checkable
class BatchScheduler(Protocol):
    """A scheduler that can be asked for many simulations at once."""

    def decide_many(self, view: BatchView) -> BatchSchedule:
        """Answer the scheduling events of all simulations of the view."""
        ...


_registered: dict[str, Callable[..., Scheduler]] = {}
SchedulerClass = TypeVar("SchedulerClass", bound=Callable[..., Any])


def register(name: str) -> Callable[[SchedulerClass], SchedulerClass]:
    """Class decorator: make a scheduler known under ``name``.

    Parameters of the class's ``__init__`` can be given in text, ``name:key=value+key=value``. One
    called ``seed`` gets the run's seed.

    Raises:
        ValueError: the name is taken by another class, or has a character that separates names.
        TypeError: the class has no ``decide``.
    """
    if not name or set(name) & set(",:+= \t\n"):
        raise ValueError(
            f"scheduler name {name!r}: it may not be empty or contain , : + = or space"
        )

    def decorate(scheduler: Any) -> Any:
        if inspect.isclass(scheduler) and not hasattr(scheduler, "decide"):
            raise TypeError(
                f"class {identity(scheduler)} is no scheduler: it has no method {DECIDE}"
            )
        known = _registered.get(name)
        if known is not None and identity(known) != identity(scheduler):
            raise ValueError(f"scheduler name {name!r} is taken by {identity(known)}")
        _registered[name] = scheduler
        return scheduler

    return decorate


def scheduler_names(*, plugins: bool = True) -> list[str]:
    """Every name that ``make_scheduler`` knows, sorted; ``plugins``: of entry points too."""
    _import_own()
    points = entry_points(group=GROUP) if plugins else ()
    return sorted({*_registered, *(point.name for point in points)})


def scheduler_class(name: str) -> Callable[..., Scheduler]:
    """The class behind a name.

    Raises:
        UnknownScheduler: there is none; the message has the closest match and all names.
        SchedulerError: it comes from a plug-in that fails to load.
    """
    if name in _registered:
        return _registered[name]
    _import_own()
    if name in _registered:
        return _registered[name]
    for point in entry_points(group=GROUP):
        if point.name == name:
            try:
                loaded: Callable[..., Scheduler] = point.load()
            except (Exception, SystemExit) as error:
                raise SchedulerError(
                    f"plug-in {name!r} ({point.value}) fails to load: {_named(error)}"
                ) from error
            return loaded
    known = scheduler_names()
    hint = did_you_mean(name, known)
    raise UnknownScheduler(f"no scheduler {name!r}, there are {', '.join(known)}{hint}")


def make_scheduler(text: str, *, seed: int = 0, **parameters: object) -> Scheduler:
    """Build a scheduler from ``name`` or ``name:key=value+key=value``.

    ``path/to/file.py:ClassName``, with parameters after another colon, loads from a file.

    Raises:
        UnknownScheduler: no such name, file, class or parameter, a value of the wrong type, or a
            parameter that it needs is missing.
        SchedulerError: its file or its ``__init__`` raises an exception of its own, or it has no
            ``decide(self, view)``.
    """
    name, given = split_text(text)
    is_file = ".py:" in name or name.endswith(".py")
    factory = _from_file(name) if is_file else scheduler_class(name)
    accepted = parameters_of(factory)
    arguments: dict[str, object] = dict(parameters)
    for key, value in given.items():
        if key not in accepted:
            listing = ", ".join(key for key in accepted if key != "seed") or "none"
            raise UnknownScheduler(
                f"scheduler {name!r} has no parameter {key!r}{did_you_mean(key, accepted)}; "
                f"it has: {listing}"
            )
        try:
            arguments[key] = parse_value(value, accepted[key])
        except ValueError as error:
            raise UnknownScheduler(
                f"scheduler {name!r}: {key} is {value!r}, expected {error}"
            ) from None
    if "seed" in accepted:
        arguments.setdefault("seed", seed)
    try:
        scheduler = factory(**arguments)
    except ValueError as error:
        raise UnknownScheduler(f"scheduler {text!r}: {error}") from error
    except (Exception, SystemExit) as error:
        missing = missing_parameters(factory, arguments)
        if missing and isinstance(error, TypeError):
            raise UnknownScheduler(_needs(text, missing, has_some=bool(given))) from None
        raise SchedulerError(f"scheduler {text!r} cannot be built: {_named(error)}") from error
    if complaint := no_decide(scheduler):
        raise SchedulerError(f"{text!r} is no scheduler: {complaint}")
    return scheduler


def scheduler_name(scheduler: str | Scheduler) -> str:
    """What tables call a scheduler."""
    if isinstance(scheduler, str):
        return scheduler
    return _name_of(type(scheduler)) or type(scheduler).__name__


def registered_name(scheduler: type[Scheduler]) -> str:
    """The name of a class; one that has none is registered under its own.

    Raises:
        ValueError: another class has that name.
        TypeError: the class has no ``decide``.
    """
    name = _name_of(scheduler)
    if name is None:
        name = scheduler.__name__
        register(name)(scheduler)
    return name


def _name_of(scheduler: type[Scheduler]) -> str | None:
    return next((name for name, known in _registered.items() if known is scheduler), None)


def _import_own() -> None:
    package = importlib.import_module("sim.schedulers")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"sim.schedulers.{module.name}")


def split_text(text: str) -> tuple[str, dict[str, str]]:
    """Name (or file and class) and parameters of a scheduler's text.

    Raises:
        UnknownScheduler: a parameter is not ``key=value``, or is there twice.
    """
    head, path_class = text, ""
    if ".py:" in text:
        path, _, rest = text.partition(".py:")
        class_name, _, tail = rest.partition(":")
        path_class, head = f"{path}.py:{class_name}", f"x:{tail}" if tail else "x"
    name, _, tail = head.partition(":")
    given: dict[str, str] = {}
    for part in filter(None, tail.split("+")):
        key, equals, value = part.partition("=")
        if not equals or not key or not value:
            raise UnknownScheduler(f"scheduler {text!r}: {part!r} is not key=value")
        if key.strip() in given:
            raise UnknownScheduler(f"scheduler {text!r}: {key.strip()} is given twice")
        given[key.strip()] = value.strip()
    return path_class or name, given


def _needs(text: str, missing: Mapping[str, str], has_some: bool) -> str:
    """What to do where parameters are missing; ``has_some``: others are given."""
    words = [f"{name} ({what})" if what else name for name, what in missing.items()]
    template = "+".join(f"{name}=VALUE" for name in missing)
    joint = "+" if has_some else ":"
    return f"scheduler {text!r} needs {' and '.join(words)}: {text}{joint}{template}"


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _from_file(text: str) -> Callable[..., Scheduler]:
    path, dot, class_name = text.rpartition(".py:")
    path = f"{path}.py" if dot else text
    class_name = class_name if dot else ""
    if not Path(path).is_file():
        raise UnknownScheduler(f"no file {path!r} for scheduler {text!r}")
    name = f"lsched_plugin_{Path(path).stem}_{zlib.crc32(str(Path(path).resolve()).encode()):08x}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise SchedulerError(f"{path} fails to import: {_named(error)}") from error
    classes = [
        key
        for key, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == name and hasattr(value, "decide")
    ]
    listing = f"classes with decide in it: {', '.join(classes) or 'none'}"
    if not class_name:
        raise UnknownScheduler(f"scheduler {text!r}: add :ClassName; {listing}")
    if not callable(getattr(module, class_name, None)):
        hint = did_you_mean(class_name, classes)
        raise UnknownScheduler(f"{path} has no class {class_name!r}{hint}; {listing}")
    factory: Callable[..., Scheduler] = getattr(module, class_name)
    return factory
