"""Ray itself: found, started, shared and stopped."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import socket
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

from etastar.errors import InputError, MissingDependencyError

_ANSWER = 10.0
"""Seconds that a cluster gets to answer."""

_SETTINGS = b"\4"
"""The type of the frame that HTTP/2 begins with, on both sides."""

_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0" + _SETTINGS + bytes(5)

_TRIES = 3
"""How often Ray is started before it is given up."""

_COMMAND = 'pip install "etastar[ray]"'


def load_ray() -> Any:
    """Ray's own module.

    Returns:
        The module `ray`.

    Raises:
        MissingDependencyError: it is not installed.
    """
    if importlib.util.find_spec("ray") is not None:
        return importlib.import_module("ray")
    raise MissingDependencyError(
        f"the Ray engine needs Ray, which is not installed. Run: {_COMMAND}", name="ray"
    )


class _Started:
    """The Ray that engines of this process have started, and how many of them use it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.session: str | None = None


_started = _Started()


class Cluster:
    """A connection to Ray, made when first needed.

    Whoever has called `ray.init` keeps their own: it is used and left running. Ray that is
    started here is stopped by the last engine that closes.

    Args:
        address: of a running cluster; None uses the one the process is connected to, else the
            one `RAY_ADDRESS` names, else starts Ray on this machine.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._holds = False

    def connect(self) -> Any:
        """Connect, unless the process is connected.

        Returns:
            The module `ray`.

        Raises:
            InputError: there is no cluster at the address, or the process is at another.
        """
        ray = load_ray()
        with _started.lock:
            if ray.is_initialized():
                self._check_same(ray)
                ours = _started.session is not None and _started.session == _session(ray)
            else:
                self._holds, _started.users = False, 0  # someone has shut Ray down
                start(ray, self._address or os.environ.get("RAY_ADDRESS") or "local")
                _started.session = _session(ray)
                ours = True
            if ours and not self._holds:
                _started.users += 1
                self._holds = True
        return ray

    def release(self) -> None:
        """Let go of Ray; the last one to let go stops what was started here."""
        with _started.lock:
            if not self._holds:
                return
            self._holds = False
            _started.users -= 1
            ray = load_ray()
            if _started.users == 0 and ray.is_initialized() and _session(ray) == _started.session:
                ray.shutdown()
                _set_reports(ray, shown=True)
                _started.session = None

    def _check_same(self, ray: Any) -> None:
        if _is_client(ray):
            raise InputError(
                "the process is connected to Ray by a client (ray://), which cannot follow "
                "trials: run it on a machine of the cluster, for instance by `ray job submit`."
            )
        here: str = ray.get_runtime_context().gcs_address
        if self._address not in (None, "auto", "local", here):
            raise InputError(
                f"address={self._address!r} was given but the process is connected to Ray at "
                f"{here!r}: leave address out, or call ray.shutdown() first."
            )


def start(ray: Any, address: str) -> None:
    """Connect the process to Ray.

    Raises:
        InputError: nobody answers at the address, or it is a client's.
    """
    if address.startswith("ray://"):
        raise InputError(
            f"address={address!r} is a client's address, which cannot follow trials: run on a "
            f"machine of the cluster, for instance by `ray job submit`, and give 'auto'."
        )
    host, separator, port = address.rpartition(":")
    if separator and port.isdigit():  # else Ray tries for minutes
        try:
            _call(host.strip("[]"), int(port))
        except (OSError, OverflowError) as error:
            raise InputError(_nobody(address, error)) from error
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    with _quiet():
        if address == "local":
            start_here(ray, **quiet)
        else:
            try:
                ray.init(address=address, **quiet)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise InputError(_nobody(address, error)) from error
    _set_reports(ray, shown=False)


def _call(host: str, port: int) -> None:
    """Hear whether someone answers who may be Ray: it speaks HTTP/2, its dashboard does not.

    Raises:
        ConnectionError: someone else answers.
        OSError: nobody does.
    """
    with socket.create_connection((host, port), timeout=_ANSWER) as line:
        if os.environ.get("RAY_USE_TLS", "0").lower() in {"1", "true"}:
            return  # what is said there is encrypted
        line.sendall(_HELLO)
        if line.recv(9)[3:4] != _SETTINGS:
            raise ConnectionError("what answers there is not Ray; its own port is 6379 by default")


def start_here(ray: Any, **options: Any) -> None:
    """Start Ray on this machine; where it is too busy for Ray's half a minute, try again.

    Raises:
        Exception: what Ray raises where it cannot start.
    """
    for left in reversed(range(_TRIES)):
        try:
            ray.init(address="local", include_dashboard=False, **options)
        except Exception as error:
            if left == 0 or "timed out during startup" not in str(error):
                raise
            ray.shutdown()
        else:
            return


def _nobody(address: str, error: Exception) -> str:
    return (
        f"no Ray cluster answers at address={address!r} ({str(error).splitlines()[0]}): start "
        f"one with `ray start --head`, or leave address out to run on this machine."
    )


def _set_reports(ray: Any, *, shown: bool) -> None:
    """Ray reports dead workers on stdout, where results are printed; there is no option for it."""
    with suppress(AttributeError):
        ray._private.worker._worker_logs_enabled = shown


@contextmanager
def _quiet() -> Generator[None]:
    """Start Ray without its usage report and its tips.

    Yields:
        Nothing.
    """
    before = os.environ.get("RAY_USAGE_STATS_ENABLED")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            os.environ.pop("RAY_USAGE_STATS_ENABLED", None)
        else:
            os.environ["RAY_USAGE_STATS_ENABLED"] = before


def _session(ray: Any) -> str:
    """What tells this Ray from one started later."""
    context = ray.get_runtime_context()
    return f"{context.gcs_address} {context.get_job_id()}"


def _is_client(ray: Any) -> bool:
    client: Any = getattr(getattr(ray, "util", None), "client", None)
    return client is not None and bool(client.ray.is_connected())


def slots(ray: Any, cpus: float, gpus: float) -> int:
    """How many trials of these resources the machines alive can run at once.

    Returns:
        0 where none has room for one.
    """
    total = 0
    for node in ray.nodes():
        if not node["Alive"]:
            continue
        has = node["Resources"]
        room = [has.get("CPU", 0.0) / cpus] if cpus else []
        room += [has.get("GPU", 0.0) / gpus] if gpus else []
        total += int(min(room) + 1e-9)
    return total


def check_room(ray: Any, cpus: float, gpus: float) -> int:
    """Refuse trials for which no machine has room.

    Returns:
        How many can run at once.

    Raises:
        InputError: none can.
    """
    found = slots(ray, cpus, gpus)
    if found == 0:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        most = {
            kind: max((has.get(kind, 0.0) for has in machines), default=0.0)
            for kind in ("CPU", "GPU")
        }
        raise InputError(
            f"a trial needs cpus={cpus:g} and gpus={gpus:g}, but the largest machine that Ray has "
            f"offers {most['CPU']:g} and {most['GPU']:g}: ask for less, or add a machine."
        )
    return found
