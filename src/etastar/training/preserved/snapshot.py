"""Taking the state of a training and bringing it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from etastar.errors import TaskError, TaskFailedError
from etastar.training.preserved.disk import CopiesOnDisk
from etastar.training.preserved.interrupts import InterruptGuard
from etastar.training.preserved.inventory import Inventory
from etastar.training.preserved.memory import CopiesInMemory, as_plain_tensors, place
from etastar.training.preserved.random_state import RandomState

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType


class Snapshot:
    """All state of the given objects and the process' random generators, taken once.

    Takes modules, optimizers, learning-rate schedulers, `GradScaler`s, data loaders, random
    generators, tensors, anything with `state_dict` and `load_state_dict`, and lists, tuples and
    dicts of those; `None` is skipped. `restore` brings everything back bit for bit, any number
    of times, in place: every tensor, module and container is the same object as before, at the
    same address, with the same contents.

    What an object refers to comes along: an optimizer brings its parameters, a scheduler its
    optimizer. Covered: parameters and buffers of any dtype and layout; gradients, `None` included;
    `requires_grad`, train or eval mode, hooks; the attributes of modules that are numbers,
    strings, tensors, arrays, generators or containers of these; an optimizer's groups and
    state; the closures of a `LambdaLR`; a scaler's scale; a loader's generator, samplers and
    persistent workers, and the attributes of its dataset; Python's, NumPy's and torch's
    generators.

    Not covered: attributes of other kinds are put back but not entered, so what changed inside
    such an object stays changed; neither are a dataset's own tensors and long lists, the
    contents of activations that still have their graph, process-wide flags (autocast, default
    dtype, determinism), or anything outside the process.

    While the snapshot is open, a loader's persistent workers are set aside: iterating it starts
    others, which `restore` stops. `close` gives the loader its own back.

    Args:
        objects: What to save.
        on_disk: Keep the copies of tensors in a temporary folder of this snapshot's own
            instead of in memory. Slower; for models that fit memory only once.

    Raises:
        TaskError: An object has state that cannot be saved, or the disk has no room.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(2, 1)
        >>> with Snapshot(model) as before:
        ...     weight = model.weight.detach().clone()
        ...     torch.nn.init.zeros_(model.weight) is model.weight
        ...     before.restore()
        ...     torch.equal(model.weight, weight)
        True
        True
    """

    def __init__(self, *objects: object, on_disk: bool = False) -> None:
        self._random = RandomState()
        self._copies = CopiesOnDisk() if on_disk else CopiesInMemory()
        self._closed = False
        try:
            self._inventory = Inventory(objects)
            try:
                with as_plain_tensors():
                    self._copy_tensors()
            except BaseException:
                self._inventory.close()
                raise
        except BaseException:
            self._copies.close()
            raise
        # reading state may itself draw numbers (a stateful loader starting its workers)
        self._random.restore()

    def restore(self) -> None:
        """Bring everything back; as often as wanted.

        Ctrl-C waits until it is done. What can be brought back is, even where a part cannot.

        Raises:
            TaskFailedError: A part could not be brought back; it is named.
            TaskError: The snapshot has been closed.
        """
        if self._closed:
            raise TaskError("The snapshot is closed and holds no state. Restore before close().")
        guard = InterruptGuard(Snapshot.restore.__code__)
        guard.install()
        try:
            failures = self._bring_back()
        finally:
            guard.remove()
        if failures:
            name, error = failures[0]
            raise TaskFailedError(
                f"{name} could not be brought back ({type(error).__name__}: {error}), so the "
                f"training is not as it was; reload your checkpoint."
            ) from error

    def close(self) -> None:
        """Free the copies and give loaders their own iterators back; does not restore."""
        if self._closed:
            return
        guard = InterruptGuard(Snapshot.close.__code__)
        guard.install()
        try:
            self._closed = True
            self._inventory.close()
            self._copies.close()
        finally:
            guard.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _copy_tensors(self) -> None:
        known: set[object] = set()
        for tensor in self._inventory.tensors:
            for piece in tensor.pieces():
                where = address, _ = place(piece)
                if address is None or where not in known:  # tied tensors are copied once
                    known.add(where)
                    self._copies.keep(piece, tensor.name)
        self._copies.seal()

    def _bring_back(self) -> list[tuple[str, Exception]]:
        """Restore part by part.

        What the block added is let go of before anything is copied, so that copying finds
        memory; objects get their attributes before they are handed their extra state, and
        again after it, since loading may replace what it should have filled.

        Returns:
            The parts that failed, by name, with what they raised.
        """
        failures: list[tuple[str, Exception]] = []

        def attempt(name: str, act: Callable[[], None]) -> None:
            try:
                act()
            except Exception as error:  # noqa: BLE001  whatever it is, the others still come back
                failures.append((name, error))

        inventory = self._inventory
        for name, loader in inventory.loaders:
            attempt(name, loader.restore)
        for name, part in inventory.structures:
            attempt(name, part.restore)
        for name, part in inventory.extras:
            attempt(name, part.restore)
        for name, part in inventory.structures if inventory.extras else ():
            attempt(name, part.restore)
        with as_plain_tensors():
            for tensor in inventory.tensors:
                attempt(tensor.name, tensor.restore_shape)
            for tensor in inventory.tensors:
                attempt(tensor.name, tensor.restore_gradient)
            for name, write_back in self._copies.write_backs():
                attempt(name, write_back)
            for tensor in inventory.tensors:
                attempt(tensor.name, tensor.restore_version)
        for name, generator in inventory.generators:
            attempt(name, generator.restore)
        attempt("The random state", self._random.restore)
        return failures


class _Preservation:
    """What `preserved` hands to `with`; a generator would leave gaps that Ctrl-C can hit."""

    def __init__(self, objects: tuple[object, ...], *, on_disk: bool) -> None:
        self._objects = objects
        self._on_disk = on_disk
        kind = type(self)
        self._guard = InterruptGuard(kind.__enter__.__code__, kind.__exit__.__code__)

    def __enter__(self) -> Snapshot:
        self._guard.install()
        try:
            self._snapshot = Snapshot(*self._objects, on_disk=self._on_disk)
            try:
                self._guard.deliver()
            except BaseException:
                self._snapshot.close()
                raise
        except BaseException:
            self._guard.remove()
            raise
        return self._snapshot

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._snapshot.restore()
        finally:
            try:
                self._snapshot.close()
            finally:
                self._guard.remove()


def preserved(*objects: object, on_disk: bool = False) -> AbstractContextManager[Snapshot, None]:
    """Run a block after which the given objects are bit for bit what they were before it.

    Also after an exception, Ctrl-C or NaN. What that covers, and what not, is said at
    `Snapshot`, which the block is handed: `restore` inside it goes back to the start.

    Args:
        objects: Everything the block changes: model, optimizer, scheduler, scaler, loader, ...
        on_disk: Keep the copies of tensors in a temporary folder instead of in memory.

    Returns:
        A context manager over the snapshot. Entering it raises `TaskError` for an object whose
        state cannot be saved or a disk without room, leaving it `TaskFailedError` for a part
        that could not be brought back.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(1, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        >>> weight = model.weight.item()
        >>> with preserved(model, optimizer):
        ...     model(torch.ones(1, 1)).sum().backward()
        ...     optimizer.step()
        ...     print(model.weight.item() == weight)
        False
        >>> print(model.weight.item() == weight, model.weight.grad, len(optimizer.state))
        True None 0
    """
    return _Preservation(objects, on_disk=on_disk)
