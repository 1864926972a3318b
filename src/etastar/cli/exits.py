"""Exit codes, and the one sentence that goes with each."""

from __future__ import annotations

import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from etastar.errors import EtastarError, InterruptedRunError, TaskFailedError

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

ANSWERED = 0
UNUSABLE = 2
NOT_CONFIDENT = 3
TASK_FAILED = 4
INTERRUPTED = 130

IN_WORDS = (
    "Exit codes: 0 answered; 2 bad usage or input; 3 no confident answer; "
    "4 the task's own code failed; 130 interrupted (what is known so far is printed)."
)

_LEADING = (str(Path(__file__).resolve().parents[1]), "<frozen importlib")
"""What calls the user's code: etastar, and Python itself."""

_VMAP = str(Path("torch", "_functorch"))
"""And torch, where trials are batched."""


@contextmanager
def exit_codes() -> Generator[None]:
    """Turn what etastar raises on purpose into a sentence on stderr and an exit code.

    Raises:
        typer.Exit: with the code.
    """
    try:
        yield
    except InterruptedRunError as error:  # also a KeyboardInterrupt: first
        _say(str(error))
        raise typer.Exit(INTERRUPTED) from error
    except KeyboardInterrupt as error:
        _say("interrupted before there was anything to tell.")
        raise typer.Exit(INTERRUPTED) from error
    except TaskFailedError as error:
        if error.__cause__ is not None:
            sys.stderr.write(their_traceback(error.__cause__))
        _say(str(error))
        raise typer.Exit(TASK_FAILED) from error
    except EtastarError as error:
        _say(str(error))
        raise typer.Exit(UNUSABLE) from error
    except SystemExit as error:  # we leave by typer.Exit alone
        _say(
            f"the task's own code ended the process by sys.exit({error.code!r}): keep what runs it "
            f"as a program under `if __name__ == '__main__':`."
        )
        raise typer.Exit(TASK_FAILED) from error


def leave(*, confident: bool) -> None:
    """End a command whose answer is out: with 3 where it is not confident.

    Raises:
        typer.Exit: with the code.
    """
    raise typer.Exit(ANSWERED if confident else NOT_CONFIDENT)


def _say(sentence: str) -> None:
    sys.stderr.write(f"etastar: {sentence}\n")


def their_traceback(error: BaseException) -> str:
    """The traceback of an error in the user's code, from the user's first line on.

    Returns:
        As Python prints it, without the calls of ours that led there.
    """
    begin = _first(error.__traceback__, (*_LEADING, _VMAP)) or _first(error.__traceback__, _LEADING)
    return "".join(traceback.format_exception(type(error), error, begin))


def _first(step: TracebackType | None, leading: tuple[str, ...]) -> TracebackType | None:
    """The first step that none of these files leads to."""
    while step is not None and any(name in step.tb_frame.f_code.co_filename for name in leading):
        step = step.tb_next
    return step
