"""Packages of optional extras: present, or one sentence with the command that adds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from etastar.errors import MissingDependencyError

if TYPE_CHECKING:
    from types import TracebackType


class _Package(NamedTuple):
    module: str
    command: str


_PACKAGES = {
    "torch": _Package("torch", "pip install torch"),
    "scikit-learn": _Package("sklearn", 'pip install "etastar[data]"'),
    "pooch": _Package("pooch", 'pip install "etastar[data]"'),
    "pillow": _Package("PIL", 'pip install "etastar[data]"'),
}


class needs:  # noqa: N801 - read as a statement: with needs("torch"): import torch
    """Names the command that installs `package` where importing it inside the block fails.

    Any other import error passes unchanged: a package that is present and broken needs its own
    message, not ours.

    Raises:
        MissingDependencyError: On leaving the block, when the package is not installed.

    >>> with needs("torch"):
    ...     import torch
    """

    def __init__(self, package: str) -> None:
        self._name = package
        self._package = _PACKAGES[package]

    def __enter__(self) -> None:
        return

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if not isinstance(error, ModuleNotFoundError) or error.name is None:
            return
        if error.name.partition(".")[0] == self._package.module:
            raise MissingDependencyError(
                f"This task needs {self._name}, which is not installed. "
                f"Run: {self._package.command}",
                name=error.name,
            ) from error
