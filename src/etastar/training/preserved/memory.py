"""Tensors: the memory under them, their shape over it, their gradients and hooks.

A tensor is restored in place. Its memory is copied back into the same addresses, so captured
graphs, fused optimizers and tied weights keep pointing at the right numbers. If the tensor was
given other memory, another shape, dtype or device meanwhile, it gets its own back first.
"""

from __future__ import annotations

import gc
import math
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from etastar.errors import TaskError
from etastar.training.preserved.structure import DictState

if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Callable, Iterator

# A graph recorded before the block must still run after it. Autograd refuses once the version
# of a tensor it saved has moved on, though the numbers are the same again; torch's name for
# setting the version back is private.
_PRESERVE_VERSION: Any = vars(torch.autograd)["_unsafe_preserve_version_counter"]

# Subclasses may refuse or reinterpret operations (a lazy parameter refuses nearly all); the
# memory under them does not. torch documents this name, though its module is private.
as_plain_tensors: Any = vars(vars(torch)["_C"])["DisableTorchFunctionSubclass"]

_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")


class CopiesInMemory:
    """Copies of memory kept beside the originals, on the same device."""

    def __init__(self) -> None:
        self._kept: list[tuple[str, Tensor, Tensor]] = []

    def keep(self, memory: Tensor, name: str) -> None:
        """Copy a strided tensor that refers to each of its elements once."""
        self._kept.append((name, memory, memory.clone()))

    def seal(self) -> None:
        """Nothing more will be kept."""

    def write_backs(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """For each copy its name and the act of writing it back to where it came from."""
        for name, memory, values in self._kept:
            yield name, partial(copy_into, memory, values)

    def close(self) -> None:
        """Free the copies."""
        self._kept = []


class TensorState:
    """One tensor object: its class, memory, shape, gradient, flags, attributes and hooks."""

    def __init__(self, tensor: Tensor, name: str) -> None:
        self.name = name
        self._tensor = tensor
        self._class = type(tensor)
        self._is_leaf = tensor.is_leaf
        # shares the memory and the version counter, but keeps a shape of its own
        self.alias: Tensor = tensor.detach()
        self._arrays = _sparse_arrays(self.alias, name)
        self._is_coalesced = self.alias.layout == torch.sparse_coo and self.alias.is_coalesced()
        self._requires_grad = tensor.requires_grad
        self._version = None if self.alias.is_inference() else _PRESERVE_VERSION(self.alias)
        self.grad: Tensor | None = tensor.grad if self._is_leaf else None
        self._attributes = DictState(vars(tensor))
        self._hooks: dict[str, OrderedDict[int, Any] | None] = {}
        self._hook_entries: list[DictState] = []
        for kind in _HOOKS:
            hooks = getattr(tensor, kind, None)
            self._hooks[kind] = hooks
            if hooks is not None:
                self._hook_entries.append(DictState(hooks))

    def pieces(self) -> list[Tensor]:
        """The strided memory under this tensor.

        An activation (the output of recorded operations) is given none: it keeps its identity,
        but writing into it would invalidate its graph. A meta tensor has none.

        Returns:
            Views that refer to each element once: one, or one per array of a sparse layout.
        """
        if not self._is_leaf or self.alias.is_meta:
            return []
        return [once(array) for array in self._arrays or [self.alias]]

    def restore_shape(self) -> None:
        """Give the tensor its own memory, shape, class and flags back."""
        tensor = self._tensor
        if type(tensor) is not self._class:
            tensor.__class__ = self._class
        if not self._is_leaf:
            return
        if not tensor.is_leaf:  # an operation was recorded onto it in place
            tensor.detach_()
        if self._arrays:
            tensor.data = self._sparse()
        elif tensor.layout != torch.strided or place(tensor) != place(self.alias):
            tensor.data = self.alias
        if tensor.requires_grad is not self._requires_grad:
            tensor.requires_grad_(self._requires_grad)

    def restore_gradient(self) -> None:
        """Put the gradient, the attributes and the hooks back; shapes must be back already."""
        tensor = self._tensor
        if self._is_leaf and tensor.grad is not self.grad:
            tensor.grad = self.grad
        self._attributes.restore()
        for entries in self._hook_entries:
            entries.restore()
        for kind, hooks in self._hooks.items():
            added: dict[int, Any] | None = getattr(tensor, kind, None)
            if added is not hooks:
                if added is not None:
                    added.clear()  # autograd goes on reading a dict it has once been given
                setattr(tensor, kind, hooks)

    def restore_version(self) -> None:
        """Let graphs recorded before find the tensor unchanged; contents must be back already."""
        if self._version is not None:
            self._version.__exit__(None, None, None)

    def _sparse(self) -> Tensor:
        """A new tensor over the arrays that this sparse one had.

        Operations in place resize and exchange the arrays inside a sparse tensor, and those
        inside its alias with them.

        Returns:
            The tensor, which shares the arrays' memory but not their shapes.
        """
        shape, layout = self.alias.shape, self.alias.layout
        first, *others = (array.detach() for array in self._arrays)
        if layout == torch.sparse_coo:
            return torch.sparse_coo_tensor(
                first, others[0], shape, is_coalesced=self._is_coalesced, check_invariants=False
            )
        return torch.sparse_compressed_tensor(
            first, others[0], others[1], shape, layout=layout, check_invariants=False
        )


def once(memory: Tensor) -> Tensor:
    """The same memory, seen so that each element appears once and can be written.

    An expanded tensor repeats elements along axes of stride 0: keep one of each. Windows that
    overlap otherwise become the whole stretch of memory they lie in.

    Returns:
        A view; the tensor itself where it repeats nothing.

    >>> once(torch.zeros(1).expand(3, 4)).shape
    torch.Size([1, 1])
    >>> once(torch.arange(6.0).unfold(0, 3, 1)).shape
    torch.Size([6])
    """
    if memory.is_conj():
        memory = memory.conj()
    if memory.numel() == 0 or memory.is_contiguous():
        return memory
    strides = memory.stride()
    sizes = [1 if stride == 0 else size for size, stride in zip(memory.shape, strides, strict=True)]
    reach = 1  # elements between the first and one past the last
    apart = True
    for stride, size in sorted(zip(strides, sizes, strict=True)):
        if size > 1:
            apart = apart and stride >= reach
            reach += (size - 1) * stride
    if not apart:
        return memory.as_strided((int(reach),), (1,))
    if math.prod(sizes) == memory.numel():
        return memory
    return memory.as_strided(sizes, strides)


def copy_into(memory: Tensor, values: Tensor) -> None:
    """Write values into memory, retrying once after freeing what only garbage holds."""
    storage = memory.untyped_storage()
    needed = int(memory.storage_offset() + _reach(memory)) * memory.element_size()
    if memory.numel() and storage.nbytes() < needed:  # freed by resizing, as sharding does
        storage.resize_(needed)
    with torch.inference_mode(memory.is_inference()):
        try:
            memory.copy_(values)
        except torch.cuda.OutOfMemoryError:
            gc.collect()
            torch.cuda.empty_cache()
            memory.copy_(values)


def place(tensor: Tensor) -> tuple[int | None, tuple[Any, ...]]:
    """Where a strided tensor lies: two tensors in one place are the same numbers.

    Returns:
        The address, or None for subclasses that wrap other tensors and have no memory of their
        own, and how the tensor reads what is there.
    """
    try:
        address = tensor.untyped_storage().data_ptr()
    except RuntimeError:
        address = None
    reads = (
        tensor.device,
        tensor.dtype,
        tensor.storage_offset(),
        tuple(tensor.size()),  # a lazy parameter refuses `shape`
        tensor.stride(),
        tensor.is_conj(),
        tensor.is_neg(),
    )
    return address, reads


def _sparse_arrays(alias: Tensor, name: str) -> list[Tensor]:
    """The arrays a sparse tensor is made of, with shapes of their own; none for a strided one."""
    layout = alias.layout
    if layout == torch.strided and not alias.is_nested:
        return []
    if layout == torch.sparse_coo:
        # the public accessors insist on a coalesced tensor
        arrays = [alias._indices(), alias._values()]  # pyright: ignore[reportPrivateUsage]
    elif layout in (torch.sparse_csr, torch.sparse_bsr):
        arrays = [alias.crow_indices(), alias.col_indices(), alias.values()]
    elif layout in (torch.sparse_csc, torch.sparse_bsc):
        arrays = [alias.ccol_indices(), alias.row_indices(), alias.values()]
    else:
        raise TaskError(
            f"{name} has the layout {layout}{' (nested)' if alias.is_nested else ''}, whose memory "
            f"cannot be copied; needed are strided or sparse tensors. Convert it, or leave it out."
        )
    return [array.detach() for array in arrays]


def _reach(memory: Tensor) -> int:
    return 1 + sum(
        (size - 1) * stride for size, stride in zip(memory.shape, memory.stride(), strict=True)
    )
