"""Where a lesson was measured."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version


def environment() -> dict[str, str]:
    """What the numbers may depend on; torch only where it was used.

    Returns:
        Names and versions.
    """
    used = ("etastar", "numpy", *(("torch",) if "torch" in sys.modules else ()))
    return {
        **{name: version(name) for name in used},
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
