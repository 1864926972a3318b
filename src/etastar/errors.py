"""Every error etastar raises on purpose.

EtastarError
├── InputError (ValueError)            what was given cannot be used; nothing has run yet
│   ├── TaskError                      the task's parts do not fit together
│   │   └── UnknownTaskError           no task of that name; the nearest one is named
│   ├── ScheduleError                  the schedule's numbers contradict each other
│   ├── RecordError                    a file is not the record it should be
│   └── StoreError                     a store cannot be opened, read or written as it stands
├── MissingDependencyError (ImportError)   a package of an extra is absent; the command to run
├── MissingDataError (FileNotFoundError)   a data set is absent; how to get it
├── TaskFailedError (RuntimeError)     the task's own code raised; its exception is the cause
├── WorkerLostError (RuntimeError)     processes or machines died, more often than was allowed
└── InterruptedRunError (KeyboardInterrupt)   stopped by the user; carries what is known so far

A message is one sentence or two: what was given, what is needed, what to do. Divergence is a
result, recorded in the trial, and never one of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etastar.records import Finding, RangeTest, Sweep


class EtastarError(Exception):
    """The root of every error etastar raises on purpose."""


class InputError(EtastarError, ValueError):
    """What was given cannot be used; raised before the first step."""


class TaskError(InputError):
    """The parts of a task do not fit together."""


class UnknownTaskError(TaskError):
    """No task of that name exists."""


class ScheduleError(InputError):
    """The numbers of a schedule contradict each other."""


class RecordError(InputError):
    """A text or file is not the record it should be."""


class StoreError(InputError):
    """A store of studies cannot be opened, read or written as it stands."""


class MissingDependencyError(EtastarError, ImportError):
    """A package of an optional extra is absent; the message holds the command that adds it."""


class MissingDataError(EtastarError, FileNotFoundError):
    """A data set is absent; the message says how to get it."""


class TaskFailedError(EtastarError, RuntimeError):
    """The task's own code raised; the original exception is `__cause__`."""


class WorkerLostError(EtastarError, RuntimeError):
    """Processes or machines that trained a trial died, more often than was allowed."""


class InterruptedRunError(EtastarError, KeyboardInterrupt):
    """The user stopped the run; training is restored and `known` holds the answer so far."""

    def __init__(self, message: str, known: Finding | RangeTest | Sweep | None = None) -> None:
        super().__init__(message)
        self.known = known
