"""What `find`, `range-test` and `sweep` share: the task, who watches, and where the answer goes."""

from __future__ import annotations

import sys
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

from etastar.cli.files import draw
from etastar.cli.show import show_record, show_record_briefly
from etastar.errors import InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from etastar.engine import Observer
    from etastar.records import Finding, RangeTest, Sweep


@contextmanager
def running(
    progress: bool | None,
    *,
    as_json: bool,
    display: Callable[[bool | None], Observer] | None = None,
) -> Generator[Observer]:
    """Run a task's code: watched, its prints on stderr, and not silent when interrupted.

    Args:
        progress: see `default_observer`.
        as_json: how to print what is known so far.
        display: chooses who watches; the board of rates by default.

    Yields:
        Who watches.

    Raises:
        InterruptedRunError: on Ctrl-C, after what is known so far was printed.
    """
    from etastar.engine.display import default_observer

    observer = (display or default_observer)(progress)
    try:
        with redirect_stdout(sys.stderr):
            yield observer
    except InterruptedRunError as stop:
        observer.finished()
        if stop.known is not None:
            tell(stop.known, as_json=as_json)
        raise
    finally:
        observer.finished()


def tell(
    record: Finding | RangeTest | Sweep,
    *,
    as_json: bool,
    plot: Path | None = None,
    written: tuple[Path, ...] = (),
    code: tuple[str, ...] | None = None,
) -> None:
    """Print the answer on stdout, in words or as JSON, and draw it where asked.

    Args:
        record: the answer.
        as_json: JSON instead of words; a brief word goes to stderr.
        plot: where to draw.
        written: files that hold the answer already.
        code: how to use a finding, where it is not the schedule's own line.
    """
    if plot is not None:
        draw(record, plot)
        written = (*written, plot)
    if as_json:
        print(record.to_json())
        show_record_briefly(record)
    else:
        show_record(record, code)
    if written:
        names = ", ".join(map(str, written))
        print(f"\nWritten: {names}", file=sys.stderr if as_json else sys.stdout)
