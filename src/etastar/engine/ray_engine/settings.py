"""What of torch's and the process' own settings a result depends on, and how it travels."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch


class _Setting(NamedTuple):
    read: Callable[[], Any]
    write: Callable[[Any], object]


def _flag(holder: Any, name: str) -> _Setting:
    return _Setting(lambda: getattr(holder, name), lambda value: setattr(holder, name, value))


def _determinism() -> tuple[bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


def _set_determinism(value: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(value[0], warn_only=value[1])


_SETTINGS = {
    # A sum is split between threads, so their number decides its last bits.
    "threads": _Setting(torch.get_num_threads, torch.set_num_threads),
    "default dtype": _Setting(torch.get_default_dtype, torch.set_default_dtype),
    "deterministic algorithms": _Setting(_determinism, _set_determinism),
    "matmul precision": _Setting(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    ),
    "mkldnn": _Setting(lambda: torch.backends.mkldnn.enabled, torch.backends.mkldnn.set_flags),
    "cudnn": _flag(torch.backends.cudnn, "enabled"),
    "cudnn benchmark": _flag(torch.backends.cudnn, "benchmark"),
    "cudnn deterministic": _flag(torch.backends.cudnn, "deterministic"),
    "cudnn tf32": _flag(torch.backends.cudnn, "allow_tf32"),
    "flash attention": _Setting(
        torch.backends.cuda.flash_sdp_enabled, torch.backends.cuda.enable_flash_sdp
    ),
    "memory-efficient attention": _Setting(
        torch.backends.cuda.mem_efficient_sdp_enabled, torch.backends.cuda.enable_mem_efficient_sdp
    ),
    "plain attention": _Setting(
        torch.backends.cuda.math_sdp_enabled, torch.backends.cuda.enable_math_sdp
    ),
}


class Surroundings(NamedTuple):
    """What the process of a trial must have in common with the driver's."""

    torch: dict[str, Any]
    folder: str  # where relative paths begin
    path: list[str]  # where modules are imported from

    @classmethod
    def here(cls) -> Surroundings:
        """Those of this process."""
        own = {name: setting.read() for name, setting in _SETTINGS.items()}
        return cls(own, str(Path.cwd()), [place or str(Path.cwd()) for place in sys.path])

    @contextmanager
    def applied(self) -> Generator[None]:
        """Have them in this process for a block.

        The folders of modules stay known after it: what was imported may import more later.

        Yields:
            Nothing.
        """
        sys.path += [place for place in self.path if place not in sys.path]
        with ExitStack() as undo:
            for name, value in self.torch.items():
                setting = _SETTINGS[name]
                before = setting.read()
                if value != before:
                    undo.callback(setting.write, before)
                    setting.write(value)
            if Path(self.folder).is_dir():  # not on every machine of a cluster
                undo.callback(os.chdir, Path.cwd())
                os.chdir(self.folder)
            yield
