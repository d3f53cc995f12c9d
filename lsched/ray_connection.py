"""This process and a Ray cluster: is one there, how to connect, and is it still there."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from lsched.errors import OptionError, WorkerError
from lsched.runner import num_cores

LOCAL = "local"
CONNECT_S, CHECK_S, LEAVE_S = 10.0, 1.0, 10.0
LOST_S = 30.0
"""So long a head may be away. After a minute Ray ends this process, without a word to the user."""
EXIT_LOST = 2
HOW_TO_GET_RAY = "--ray needs Ray, which is missing: pip install 'lsched[ray]'"
KEPT = "what `suite run` has finished is kept, and what `train` has, for --resume"
PROBES = {
    False: "/ray.rpc.NodeInfoGcsService/CheckAlive",
    True: "/ray.rpc.RayletDriver/ClusterInfo",
}
"""What Ray's processes can be asked, by whether it is that for clients."""


class ClusterLost(WorkerError):
    """The cluster was there, and is not any more."""


def imported_ray() -> Any:
    """The package.

    Raises:
        OptionError: it is missing.
    """
    try:
        import ray
    except ImportError as error:
        if error.name != "ray":
            raise
        raise OptionError(HOW_TO_GET_RAY) from None
    return ray


def connect(ray: Any, address: str, num_workers: int | None) -> None:
    """Connect this process to a cluster.

    Raises:
        OptionError: that is not possible.
    """
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == LOCAL:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options |= {"num_cpus": num_workers or num_cores(), "include_dashboard": False}
    _check_port(address)
    _quieten(ray)
    try:
        with sigterm_kept():
            ray.init(address=address, **options)
    except Exception as error:  # Ray raises many kinds, also this one itself
        if "ersion mismatch" in str(error):
            raise OptionError(f"the Ray cluster at {address!r} is another: {error}") from None
        raise OptionError(
            f"no Ray cluster at {address!r} ({first_line(error)}); `ray start --head` begins one"
        ) from None


def disconnect(ray: Any, *, is_lost: bool) -> None:
    """Leave the cluster. Ray may wait for ever for one that is lost, and then is left behind.

    In that case Ray would crash the process as it ends, so it ends without it, with ``EXIT_LOST``.
    """
    with sigterm_kept():
        if not is_lost:
            ray.shutdown()
            return
        leaving = threading.Thread(target=ray.shutdown, daemon=True)
        leaving.start()
        leaving.join(LEAVE_S)
    if leaving.is_alive():
        atexit.register(_end)


class Head:
    """The machine without which there is no cluster.

    Args:
        place: its host and port; empty: unknown, and never missed.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._asked_s = time.monotonic()
        self._missed_since_s: float | None = None

    def check(self) -> None:
        """Ask it, if that is not long ago. Ray says nothing, and only waits.

        Raises:
            ClusterLost: it has not answered for ``LOST_S``.
        """
        if self._place and time.monotonic() - self._asked_s >= CHECK_S:
            self._ask()

    def wait(self) -> None:
        """Wait until it answers: before what Ray does not come back from otherwise.

        Raises:
            ClusterLost: it has not answered for ``LOST_S``.
        """
        if self._place:
            self._ask()
        while self._missed_since_s is not None:
            time.sleep(CHECK_S)
            self._ask()

    def _ask(self) -> None:
        self._asked_s = time.monotonic()
        try:
            _socket(self._place, CHECK_S).close()
        except OSError as error:
            if self._missed_since_s is None:
                self._missed_since_s = self._asked_s
            if time.monotonic() - self._missed_since_s > LOST_S:
                raise ClusterLost(
                    f"the head of the Ray cluster, {self._place}, is lost: {error}; {KEPT}"
                ) from None
        else:
            self._missed_since_s = None


@contextmanager
def loss_told(ray: Any) -> Iterator[None]:
    """What Ray raises where the cluster is lost becomes ``ClusterLost``."""
    try:
        if not ray.is_initialized():  # Ray would start another, on this machine
            raise ConnectionError("this process is not connected any more")
        yield
    except (ray.exceptions.RayError, ConnectionError) as error:
        reason = first_line(error).rstrip(".")
        raise ClusterLost(f"the Ray cluster is lost: {reason}; {KEPT}") from None


@contextmanager
def sigterm_kept() -> Iterator[None]:
    """Ray puts another handler in the place of the caller's."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with suppress(ValueError, TypeError):  # not the main thread; not set from Python
            signal.signal(signal.SIGTERM, before)


def first_line(error: BaseException) -> str:
    """What an error says, without what Ray adds to it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].endswith(":"):  # a traceback of another process
        return f"{lines[0]} {lines[-1]}"
    return lines[0] if lines else type(error).__name__


def _end() -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, AttributeError):  # nobody reads it; there is none
            stream.flush()
    os._exit(EXIT_LOST)


def _check_port(address: str) -> None:
    """Whether a cluster answers there; Ray itself takes minutes to say that none does, or why."""
    is_client, place = "://" in address, address.rpartition("://")[2]
    if not place.rpartition(":")[2].isdecimal():
        return
    try:
        _socket(place, CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise OptionError(f"no Ray cluster at {address!r}: {error}") from None
    import grpc  # Ray's own protocol

    with _channel(place) as channel:
        try:
            grpc.channel_ready_future(channel).result(CONNECT_S)
        except grpc.FutureTimeoutError:
            other = "without" if _has_tls() else "with"
            raise OptionError(
                f"no Ray cluster at {address!r}: something else is there, or one {other} TLS"
            ) from None
        try:
            channel.unary_unary(PROBES[is_client])(b"", CONNECT_S, _credentials())
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                raise OptionError(
                    f"the Ray cluster at {address!r} asks for a token: have that of its head in "
                    "~/.ray/auth_token, and set RAY_AUTH_MODE=token"
                ) from None
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                raise OptionError(
                    f"no Ray cluster at {address!r}: something else is there; give HOST:6379, or "
                    "ray://HOST:10001 (Ray's client), or the ports with which the head was started"
                ) from None


def _socket(place: str, timeout_s: float) -> socket.socket:
    host, _, port = place.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout_s)


def _has_tls() -> bool:
    return os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")


def _channel(place: str) -> Any:
    """A connection as Ray makes it."""
    import grpc

    options = [("grpc.enable_http_proxy", 0)]
    if not _has_tls():
        return grpc.insecure_channel(place, options)
    names = ("RAY_TLS_CA_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_SERVER_CERT")
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise OptionError(f"RAY_USE_TLS is set, and {' and '.join(missing)} not")
    files = [Path(os.environ[name]).read_bytes() for name in names]
    return grpc.secure_channel(place, grpc.ssl_channel_credentials(*files), options)


def _credentials() -> list[tuple[str, str]]:
    """The token that Ray sends along, if any."""
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        return []
    token = os.environ.get("RAY_AUTH_TOKEN", "")
    if not token:
        path = os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token"
        with suppress(OSError):
            token = Path(path).expanduser().read_text().strip()
    return [("authorization", f"Bearer {token}")]


def _quieten(ray: Any) -> None:
    """Ray prints what it thinks of machines that go away between the lines of a progress bar."""
    with suppress(AttributeError):
        ray._private.worker._worker_logs_enabled = False
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    logging.getLogger("ray.util.client.logsclient").disabled = True
