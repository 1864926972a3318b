"""Law 1 for Ctrl-C: at no instruction does it leave a training half restored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.training.bitwise import bits, random_bits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from etastar.training import preserved as package
from etastar.training.preserved import Snapshot, preserved

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

PACKAGE = str(Path(package.__file__).parent)


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Python's own handler, also where the tests run in the background and ignore SIGINT."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


class Interrupter:
    """Raises SIGINT at the nth place in the package where Python may notice one.

    Each instruction of the files that guard, every seventh line of the others. Not in `use`
    itself: Python does not look for signals between the end of a block and the first
    instruction of `__exit__`, while tracing does.
    """

    def __init__(self, at: int) -> None:
        self.left, self.lines, self.done = at, 0, False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        path = frame.f_code.co_filename
        if not path.startswith(PACKAGE):
            return None
        if not path.endswith(("interrupts.py", "snapshot.py")):
            return self.at_line
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self.at_instruction

    def at_line(self, frame: FrameType, event: str, argument: Any) -> Any:
        self.lines += 1
        if self.lines % 7 == 0:
            self.at_instruction(frame, event, argument)
        return self.at_line

    def at_instruction(self, frame: FrameType, event: str, argument: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            self.done = True
            signal.raise_signal(signal.SIGINT)
        return self.at_instruction


def use(loader: DataLoader[Any], weight: nn.Parameter) -> None:
    with preserved(loader, weight):
        torch.rand(1)
        weight.data = torch.zeros(1)
        iter(loader)


def test_an_interrupt_at_any_instruction_is_delivered_and_leaves_no_trace() -> None:
    weight = nn.Parameter(torch.ones(3))
    loader = DataLoader(TensorDataset(torch.ones(2)))
    handler, attributes = signal.getsignal(signal.SIGINT), dict(vars(loader))
    before, identity = bits([weight, weight.grad]), weight.data_ptr()
    at, tracing = 0, sys.gettrace()
    while True:
        at += 1
        generators = random_bits()
        interrupter = Interrupter(at)
        delivered = False
        sys.settrace(interrupter)
        try:
            use(loader, weight)
        except KeyboardInterrupt:
            delivered = True
        finally:
            sys.settrace(tracing)
        assert delivered is interrupter.done, at
        assert (bits([weight, weight.grad]), weight.data_ptr()) == (before, identity), at
        assert vars(loader) == attributes, at
        assert random_bits() == generators, at
        assert signal.getsignal(signal.SIGINT) is handler, at
        if not interrupter.done:
            break
    assert at > 1000


def test_a_second_interrupt_while_restoring_waits() -> None:
    class Slow:
        restored = 0

        def state_dict(self) -> dict[str, int]:
            return {}

        def load_state_dict(self, state: dict[str, int]) -> None:
            signal.raise_signal(signal.SIGINT)
            Slow.restored += 1

    model = nn.Linear(2, 2)
    before = bits(list(model.parameters()))
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012, SIM117  the block is tested
        with preserved(Slow(), model):
            nn.init.zeros_(model.weight)
            signal.raise_signal(signal.SIGINT)
    assert Slow.restored == 1
    assert bits(list(model.parameters())) == before


def test_restore_of_a_bare_snapshot_is_finished_too() -> None:
    class Slow:
        def state_dict(self) -> dict[str, int]:
            return {}

        def load_state_dict(self, state: dict[str, int]) -> None:
            signal.raise_signal(signal.SIGINT)

    model = nn.Linear(2, 2)
    before = bits(list(model.parameters()))
    with Snapshot(Slow(), model) as snapshot:
        nn.init.zeros_(model.weight)
        with pytest.raises(KeyboardInterrupt):
            snapshot.restore()
    assert bits(list(model.parameters())) == before


def test_within_the_block_an_interrupt_is_immediate() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012, SIM117  the block is tested
        with preserved(nn.Linear(1, 1)):
            signal.raise_signal(signal.SIGINT)
            reached.append(1)
    assert not reached


def test_a_handler_of_the_users_own_is_used_and_comes_back() -> None:
    calls: list[int] = []

    def handler(number: int, frame: FrameType | None) -> None:
        calls.append(number)

    previous = signal.signal(signal.SIGINT, handler)
    try:
        with preserved(nn.Linear(1, 1)):
            signal.raise_signal(signal.SIGINT)
            assert calls == [signal.SIGINT]
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, previous)


def test_an_ignored_interrupt_stays_ignored() -> None:
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with preserved(nn.Linear(1, 1)):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, previous)


def test_a_handler_set_within_the_block_is_left_alone() -> None:
    previous = signal.getsignal(signal.SIGINT)
    try:
        with preserved(nn.Linear(1, 1)):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, previous)


def test_on_another_thread_signals_are_none_of_its_business() -> None:
    model, errors = nn.Linear(1, 1), []

    def work() -> None:
        try:
            with preserved(model):
                nn.init.zeros_(model.weight)
        except BaseException as error:  # noqa: BLE001  handed to the main thread
            errors.append(error)

    before = bits(list(model.parameters()))
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not errors
    assert bits(list(model.parameters())) == before


def test_ctrl_c_from_a_terminal(tmp_path: Path) -> None:
    """A real process, interrupted from outside while its workers and copies on disk are in use."""
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
        import signal, torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset
        import etastar as es

        signal.signal(signal.SIGINT, signal.default_int_handler)
        model = nn.Linear(3, 3)
        loader = DataLoader(TensorDataset(torch.ones(1_000_000, 3)), num_workers=1)
        before = model.weight.detach().clone()
        try:
            with es.preserved(model, loader, on_disk=True):
                print("running", flush=True)
                for (x,) in loader:
                    nn.init.normal_(model.weight)
        except KeyboardInterrupt:
            print("same" if torch.equal(before, model.weight) else "different", flush=True)
        """)
    )
    process = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "same\n"
    assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("etastar")] == []
