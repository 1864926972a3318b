"""K copies of a model's weights, and the loss of all of them at once.

Shapes: K slices, one per trial; … the shape of a weight.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._functorch import (
    get_inplace_requires_grad_allowed,
    set_inplace_requires_grad_allowed,
)

from etastar.engine.vectorized.dropout import SingleMasks
from etastar.engine.vectorized.leaks import PASSING
from etastar.engine.vectorized.leftovers import Leftovers
from etastar.engine.vectorized.noise import OwnNoise
from etastar.engine.vectorized.stacking import Stacked
from etastar.errors import InputError
from etastar.tasks import Batch
from etastar.training.loss import scalar

Place = tuple[dict[str, Any], str]
"""A module's own table of tensors, and the name in it."""


class DetourError(RuntimeError):
    """The model's numbers take a way on which the slices' cannot stand in for them."""


class StoppedBatchingError(InputError):
    """What was proven to be batchable is so no longer; nothing is wrong with the task."""


class Slices:
    """K models in one: every trained weight and every moving buffer once per slice.

    The model itself runs the forward pass, so any loss will do: meanwhile its modules' tables
    hold the slices' tensors in place of its own.

    Args:
        loss: of a batch, by the model.
        autocast: the precision of the forward pass.
        modules: those that hold the weights.
        trained: the weights to copy; all others are shared by the slices.
        moving: the buffers that training changes, and not for all slices alike.
        count: K.
        noise: where every slice draws random numbers of its own from, in training; without it
            all see those that a single one would draw.

    Attributes:
        count: K; it sinks when slices are dropped.
        trained: the copies of the trained weights, each (K, …).
        moving: the copies of the moving buffers, each (K, …).
    """

    def __init__(
        self,
        *,
        loss: Callable[[Batch], Tensor],
        autocast: Callable[[], AbstractContextManager[Any]],
        modules: Sequence[nn.Module],
        trained: Sequence[Tensor],
        moving: Sequence[Tensor],
        count: int,
        noise: OwnNoise | None = None,
    ) -> None:
        self.count = count
        self.trained = [copies_of(tensor, count).requires_grad_() for tensor in trained]
        self.moving = [copies_of(tensor, count) for tensor in moving]
        self._loss = loss
        self._autocast = autocast
        self._places = places(modules, [*trained, *moving])
        self._own = [*trained, *moving]
        parts = {id(part): part for module in modules for part in module.modules()}.values()
        self._leftovers = Leftovers(parts)
        self._drawing = SingleMasks(parts) if noise is None else noise
        self._randomness = "same" if noise is None else "different"

    def losses(self, batch: Batch, randomness: str = "same") -> Tensor:
        """The loss of every slice on one batch.

        Args:
            batch: the same for all slices, or a stack of theirs.
            randomness: whether all see the random numbers a single one would ("same"), or draw
                their own ("different").

        Returns:
            (K,), differentiable where gradients are recorded.

        Raises:
            DetourError: the loss computes with what it kept of another number of slices.
        """
        with PASSING, self._autocast():
            if isinstance(batch, Stacked):
                dims = (0, 0, batch.dims)
                apiece = torch.func.vmap(self._one, in_dims=dims, randomness=randomness)
                losses, moved = apiece(self.trained, self.moving, batch.batch)
            else:
                together = torch.func.vmap(self._one, randomness=randomness)
                losses, moved = together(self.trained, self.moving, batch=batch)
        self.moving = [copies.detach() for copies in moved]
        if len(losses) != self.count:  # it computes with what an earlier pass left somewhere
            raise DetourError("its model or loss computes with what it kept of other trials")
        return losses

    def gradients(self, batch: Batch, divisor: int = 1) -> tuple[Tensor, list[Tensor | None]]:
        """The losses on one batch, and their gradients.

        Args:
            batch: the same for all slices, or a stack of theirs.
            divisor: what the losses are divided by before the backward pass.

        Returns:
            The losses (K,), and per trained weight the gradients (K, …); None where the loss
            does not depend on it.

        Raises:
            DetourError: the loss takes a weight from elsewhere than the module that holds it,
                or a module begins to keep what it computes.
        """
        with self._drawing:
            losses = self.losses(batch, self._randomness)
        if (kept := self._leftovers.kept()) is not None:
            raise DetourError(f"its model keeps what it computes in {kept}, outside of its buffers")
        total = (losses if divisor == 1 else losses / divisor).sum()
        count = len(self.trained)
        inputs = (*self.trained, *self._own[:count])
        found: Any = torch.autograd.grad(total, inputs, allow_unused=True)  # None where unused
        if any(gradient is not None for gradient in found[count:]):
            raise DetourError(
                "its model or loss keeps weights in a list or variable of its own, beside the "
                "modules that hold them"
            )
        return losses.detach(), list(found[:count])

    def single(self, index: int, batch: Batch) -> Tensor:
        """The loss of one slice, computed without batching and without moving its buffers.

        Returns:
            A scalar.
        """
        trained = [copies[index].detach().requires_grad_() for copies in self.trained]
        moving = [copies[index].clone() for copies in self.moving]
        with self._autocast():
            return self._one(trained, moving, batch=batch)[0].detach()

    @torch.no_grad()
    def fill(self, index: int, tensors: Sequence[Tensor]) -> None:
        """Give one slice weights and buffers of its own.

        Args:
            index: of the slice.
            tensors: its trained weights, then its moving buffers.
        """
        for copies, tensor in zip((*self.trained, *self.moving), tensors, strict=True):
            copies[index].copy_(tensor)

    @property
    def left_behind(self) -> bool:
        """Whether the last pass left something of the slices' in a module."""
        return bool(self._leftovers.names)

    def weights(self, index: int) -> list[Tensor]:
        """The trained weights of one slice."""
        return [copies[index].detach() for copies in self.trained]

    def sound(self) -> list[bool]:
        """Whether all of its weights are finite, for every slice."""
        checks = [
            torch.isfinite(copies.detach()).reshape(self.count, -1).all(1)
            for copies in self.trained
        ]
        return torch.stack(checks).all(0).tolist()

    def keep(self, kept: Sequence[int] | slice) -> None:
        """Drop all slices but some.

        Args:
            kept: their indices, or a range of them that then shares the memory.
        """
        self.trained = [chosen(t.detach(), kept).requires_grad_() for t in self.trained]
        self.moving = [chosen(tensor, kept) for tensor in self.moving]
        self.count = len(self.trained[0])

    def part(self, kept: Sequence[int] | slice) -> Slices:
        """Some of the slices.

        Args:
            kept: their indices, or a range of them that then shares their memory.

        Returns:
            Slices of their own count.
        """
        part = object.__new__(Slices)
        vars(part).update(vars(self))
        part.keep(kept)
        return part

    def _one(
        self, trained: Sequence[Tensor], moving: Sequence[Tensor], batch: Batch
    ) -> tuple[Tensor, list[Tensor]]:
        """The loss of one slice, and its buffers after it."""
        given = (*trained, *moving)
        _pass_for(given, self._own)
        with self._leftovers.taken_out():
            try:
                self._put(given)
                loss = scalar(self._loss(batch)).reshape(())
                moved = [table[name] for ((table, name), *_) in self._places[len(trained) :]]
            finally:
                self._put(self._own)
        return loss, moved

    def _put(self, tensors: Sequence[Tensor]) -> None:
        """Put tensors in their places in the modules."""
        for held, tensor in zip(self._places, tensors, strict=True):
            for table, name in held:
                table[name] = tensor


@contextmanager
def quiet() -> Generator[None]:
    """Keep torch from warning of operators that it batches by a loop: they are slow, not wrong.

    Yields:
        Nothing.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
        yield


def places(modules: Sequence[nn.Module], tensors: Iterable[Tensor]) -> list[list[Place]]:
    """Where modules hold tensors: several places each where weights are tied.

    Returns:
        For every tensor its places; an empty list where it is not found.
    """
    found: dict[int, list[Place]] = {}
    parts = {id(part): part for module in modules for part in module.modules()}
    for part in parts.values():
        for kind in ("_parameters", "_buffers"):
            table: dict[str, Any] = vars(part)[kind]
            for name, tensor in table.items():
                if tensor is not None:
                    found.setdefault(id(tensor), []).append((table, name))
    return [found.get(id(tensor), []) for tensor in tensors]


def _pass_for(given: Sequence[Tensor], own: Sequence[Tensor]) -> None:
    """Let tensors pass for weights where they stand in for some: a penalty may ask for these.

    Inside of `vmap` the mark that a gradient is wanted has no other effect.
    """
    allowed = get_inplace_requires_grad_allowed()
    set_inplace_requires_grad_allowed(True)
    try:
        for tensor, original in zip(given, own, strict=True):
            if isinstance(original, nn.Parameter):
                tensor._is_param = True  # type: ignore[attr-defined]
                if original.requires_grad and not tensor.requires_grad:
                    tensor.requires_grad_()
    finally:
        set_inplace_requires_grad_allowed(allowed)


def chosen(copies: Tensor, kept: Sequence[int] | slice) -> Tensor:
    """Some of the slices of a tensor.

    Returns:
        (kept, …); a view for a range.
    """
    if isinstance(kept, slice):
        return copies[kept]
    return copies.index_select(0, torch.tensor(kept, device=copies.device))


def copies_of(tensor: Tensor, count: int) -> Tensor:
    """K copies of a tensor.

    Returns:
        (K, …), contiguous.
    """
    return tensor.detach().expand(count, *tensor.shape).clone(memory_format=torch.contiguous_format)
