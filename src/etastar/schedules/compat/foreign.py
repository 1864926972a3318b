"""What every library's schedule has in common here: its own names, and its own clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etastar.schedules.base import FloatArray, Schedule


@dataclass(frozen=True, kw_only=True)
class Foreign(Schedule):
    """A schedule as another library defines it: its parameters, its steps, its end.

    The value at t is the rate that update t (from 0) is made with when the library's scheduler
    is advanced after every update. Past the horizon it goes on as the library does, which may
    be up again. `steps` is the library's own length where it has one.
    """

    library: ClassVar[str]

    steps: int = 0

    def _horizon(self) -> int:
        return self.steps or self._length()

    def _check(self) -> None:
        if self.steps == 0:
            raise self.error(
                "no steps", f"{self.library} gives it no length of its own; add steps=…"
            )
        super()._check()

    def _length(self) -> int:
        """The length the library's own parameters imply; 0 if none."""
        return 0

    def at(self, t: FloatArray) -> FloatArray:
        """The library's values, past the end as well."""
        return self._formula(t)

    @property
    def ceiling(self) -> float:
        """The highest value over the horizon."""
        return self.maximum

    @property
    def tail_start(self) -> int:
        """The end: the library's curve does not follow from the horizon we give it."""
        return self.steps
