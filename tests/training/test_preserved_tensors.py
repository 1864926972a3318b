"""Law 1 for single tensors: any dtype, layout and memory comes back bit for bit, in place."""

from __future__ import annotations

import gc
import struct
import weakref
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.bitwise import bits
from torch import Tensor, nn

from etastar.errors import TaskError, TaskFailedError
from etastar.training.preserved import Snapshot, preserved
from etastar.training.preserved.memory import once

if TYPE_CHECKING:
    from collections.abc import Callable

stored = pytest.mark.parametrize("on_disk", [False, True], ids=["memory", "disk"])


def numbers(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(*shape, generator=generator) * 10).to(dtype)


def sparse() -> Tensor:
    return torch.sparse_coo_tensor(
        [[0, 2, 2], [1, 0, 0]], [1.0, 2.0, 3.0], (3, 4), check_invariants=True
    )


def odd_bits() -> Tensor:
    """Negative zero, infinities, the smallest number, and NaNs that differ in their payload."""
    patterns = [
        0x80000000,
        0x7F800000,
        0xFF800000,
        1,
        0x7FC00000,
        0x7FC00001,
        0xFFC12345,
        0x7F800001,
    ]
    return torch.frombuffer(bytearray(struct.pack("<8I", *patterns)), dtype=torch.float32).clone()


TENSORS: dict[str, Callable[[], Tensor]] = {
    **{
        str(dtype).removeprefix("torch."): lambda dtype=dtype: numbers(3, 4, dtype=dtype)
        for dtype in (
            torch.float64,
            torch.float32,
            torch.float16,
            torch.bfloat16,
            torch.float8_e4m3fn,
            torch.float8_e5m2,
            torch.int64,
            torch.int32,
            torch.int16,
            torch.int8,
            torch.uint8,
            torch.uint16,
            torch.uint32,
            torch.uint64,
            torch.bool,
            torch.complex64,
            torch.complex128,
        )
    },
    "odd bits": odd_bits,
    "scalar": lambda: torch.tensor(3.0),
    "empty": lambda: torch.empty(0, 3),
    "transposed": lambda: numbers(3, 4).t(),
    "channels last": lambda: numbers(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "column": lambda: numbers(4, 5)[:, 2],
    "every other": lambda: numbers(12)[1::2],
    "offset": lambda: numbers(12)[5:9],
    "expanded": lambda: numbers(3, 1).expand(3, 4),
    "expanded scalar": lambda: numbers(1)[0].expand(2, 2),
    "windows": lambda: numbers(9).unfold(0, 4, 1),
    "conjugate": lambda: numbers(3, 4, dtype=torch.complex64).conj(),
    "imaginary": lambda: numbers(3, 4, dtype=torch.complex64).conj().imag,
    "sparse": sparse,
    "sparse coalesced": lambda: sparse().coalesce(),
    "sparse empty": lambda: torch.sparse_coo_tensor(size=(3, 4), check_invariants=True),
    "sparse bool": lambda: sparse().coalesce().to(torch.bool),
    "csr": lambda: sparse().to_dense().to_sparse_csr(),
    "csc": lambda: sparse().to_dense().to_sparse_csc(),
    "bsr": lambda: numbers(4, 4).to_sparse_bsr((2, 2)),
    "bsc": lambda: numbers(4, 4).to_sparse_bsc((2, 2)),
    "quantized": lambda: torch.quantize_per_tensor(numbers(6), 0.1, 3, torch.qint8),
    "parameter": lambda: nn.Parameter(numbers(3, 4)),
    "leaf with gradients": lambda: numbers(3).requires_grad_(),
}
pytestmark = pytest.mark.filterwarnings(
    "ignore:Sparse (CSR|CSC|BSR|BSC) tensor support is in beta",
    "ignore:.*quantiz.*:UserWarning",
    "ignore:.*quantiz.*:DeprecationWarning",
)


def scramble(tensor: Tensor) -> None:
    """Overwrite every byte under a tensor, where it has memory of its own to overwrite."""
    parts = [tensor.detach()]
    if tensor.layout == torch.sparse_coo:
        parts = [tensor.detach()._values()]
    elif tensor.layout != torch.strided:
        parts = [tensor.detach().values()]
    for part in parts:
        storage = part.untyped_storage()
        for index in range(storage.nbytes()):
            storage[index] = (storage[index] * 7 + 13) % 251


def shrink(tensor: Tensor) -> None:
    if tensor.layout == torch.strided:
        tensor.data = tensor.data.new_empty(0)
    elif tensor.layout == torch.sparse_coo:
        tensor.data = torch.sparse_coo_tensor(size=(1,), dtype=tensor.dtype, check_invariants=True)


def add_to_itself(tensor: Tensor) -> None:
    if tensor.is_sparse and tensor.dtype != torch.bool:
        tensor.detach().add_(sparse().to(tensor.dtype))


@stored
@pytest.mark.parametrize("change", [scramble, shrink, add_to_itself])
@pytest.mark.parametrize("make", TENSORS.values(), ids=TENSORS.keys())
def test_every_kind_of_tensor_comes_back(
    make: Callable[[], Tensor], change: Callable[[Tensor], None], on_disk: bool
) -> None:
    tensor = make()
    before, address = bits(tensor), tensor.layout == torch.strided and tensor.data_ptr()
    with preserved(tensor, on_disk=on_disk) as snapshot:
        for _ in range(2):
            change(tensor)
            snapshot.restore()
            assert bits(tensor) == before
        change(tensor)
    assert bits(tensor) == before
    assert (tensor.layout == torch.strided and tensor.data_ptr()) == address


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 4), max_size=3),
    strides=st.lists(st.integers(0, 6), min_size=3, max_size=3),
    offset=st.integers(0, 5),
    on_disk=st.booleans(),
)
def test_any_view_of_memory_comes_back(
    sizes: list[int], strides: list[int], offset: int, on_disk: bool
) -> None:
    base = torch.arange(64, dtype=torch.int16)
    view = base.as_strided(sizes, strides[: len(sizes)], offset)
    with preserved(view, on_disk=on_disk):
        base.fill_(-1)
    assert torch.equal(
        view, torch.arange(64, dtype=torch.int16).as_strided(view.shape, view.stride(), offset)
    )


@given(
    sizes=st.lists(st.integers(0, 4), max_size=3),
    strides=st.lists(st.integers(0, 6), min_size=3, max_size=3),
)
def test_writing_once_reaches_every_element(sizes: list[int], strides: list[int]) -> None:
    base = torch.zeros(64)
    view = base.as_strided(sizes, strides[: len(sizes)])
    once(view).copy_(torch.ones(()))  # refused by torch where elements share memory
    assert bool((view == 1).all())


def test_memory_between_the_elements_is_left_alone() -> None:
    base = torch.zeros(4, 5)
    with preserved(base[:, 2]):
        base.fill_(7)
    assert torch.equal(base, torch.tensor([7.0, 7.0, 0.0, 7.0, 7.0]).expand(4, 5))


def test_memory_freed_by_resizing_its_storage_is_taken_again() -> None:
    model = nn.Linear(3, 2)
    before = bits(list(model.parameters()))
    with preserved(model):
        for parameter in model.parameters():
            parameter.untyped_storage().resize_(0)
    assert bits(list(model.parameters())) == before


def test_tensors_over_one_memory_still_share_it() -> None:
    flat = torch.arange(12.0)
    model = nn.ParameterList([flat[:6].view(2, 3), flat[6:]])
    with preserved(model, flat):
        model[0].data = torch.zeros(3)
        flat.zero_()
    assert torch.equal(flat, torch.arange(12.0))
    assert model[0].data_ptr() == flat.data_ptr()
    assert model[1].data_ptr() == flat[6:].data_ptr()


def test_tied_tensors_are_copied_once() -> None:
    weight = nn.Parameter(torch.ones(1000))
    first, second = nn.Module(), nn.Module()
    first.weight = second.weight = weight
    second.register_buffer("view", weight.detach())
    with Snapshot(first, second) as snapshot:
        assert len(snapshot._copies._kept) == 1


def test_subclasses_that_wrap_tensors() -> None:
    from torch.testing._internal.two_tensor import TwoTensor

    parameter = nn.Parameter(TwoTensor(torch.ones(3), torch.zeros(3)))
    other = nn.Parameter(TwoTensor(torch.zeros(3), torch.ones(3)))
    for on_disk in (False, True):
        with preserved([parameter, other], on_disk=on_disk), torch.no_grad():
            parameter.add_(5)
            other.add_(5)
        assert torch.equal(parameter.a, torch.ones(3))
        assert torch.equal(parameter.b, torch.zeros(3))
        assert torch.equal(other.a, torch.zeros(3))


def test_subclasses_that_refuse_operations() -> None:
    class Proud(Tensor):
        @classmethod
        def __torch_function__(cls, *_: Any, **__: Any) -> Any:
            raise TypeError("not with me")

    tensor = torch.ones(3).as_subclass(Proud)
    memory = torch.utils.dlpack.from_dlpack(torch.ones(0))
    with torch._C.DisableTorchFunctionSubclass():
        memory = tensor.detach()
    with preserved(tensor):
        memory.zero_()
    assert torch.equal(memory, torch.ones(3))
    assert type(tensor) is Proud


def test_inference_tensors() -> None:
    with torch.inference_mode():
        tensor = torch.ones(3)
    with preserved(tensor), torch.inference_mode():
        tensor.zero_()
    assert torch.equal(tensor, torch.ones(3))


def test_within_inference_mode() -> None:
    model = nn.Linear(2, 2)
    before = bits(list(model.parameters()))
    with torch.inference_mode(), preserved(model):
        model.weight.zero_()
    assert bits(list(model.parameters())) == before
    model(torch.ones(1, 2)).sum().backward()


def test_meta_tensors_have_nothing_to_copy() -> None:
    model = nn.Linear(2, 2, device="meta")
    for on_disk in (False, True):
        with preserved(model, on_disk=on_disk):
            model.to_empty(device="cpu")
        assert model.weight.is_meta


def test_an_activation_keeps_its_graph() -> None:
    model = nn.Linear(2, 2)
    model.last = model(torch.ones(1, 2))
    last = model.last
    with preserved(model):
        model.last = model(torch.zeros(1, 2))
    assert model.last is last
    last.sum().backward()
    assert model.weight.grad is not None


def test_a_buffer_that_an_operation_was_recorded_onto() -> None:
    model = nn.Linear(2, 2)
    model.register_buffer("scale", torch.ones(2))
    with preserved(model):
        model.scale.mul_(model.bias)
        assert not model.scale.is_leaf
    assert model.scale.is_leaf
    assert torch.equal(model.scale, torch.ones(2))
    assert not model.scale.requires_grad


def test_sparse_gradients() -> None:
    embed = nn.Embedding(5, 2, sparse=True)
    embed(torch.tensor([1, 1])).sum().backward()
    gradient, before = embed.weight.grad, bits(embed.weight.grad)
    with preserved(embed):
        embed(torch.tensor([2])).sum().backward()
        embed.weight.grad.zero_()
    assert embed.weight.grad is gradient
    assert bits(gradient) == before


def test_nested_tensors_are_refused_by_name() -> None:
    model = nn.Module()
    with pytest.warns(UserWarning, match="nested"):
        model.ragged = torch.nested.nested_tensor([torch.ones(1), torch.ones(2)])
    with pytest.raises(TaskError, match=r"Module\.ragged"):
        Snapshot(model)


def test_what_a_block_held_is_freed_before_anything_is_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After running out of memory, copying back must find the gradients and state gone."""
    model = nn.Linear(4, 4)
    optimizer = torch.optim.Adam(model.parameters())
    alive: list[int] = []
    made: list[weakref.ref[Tensor]] = []
    copy_ = Tensor.copy_

    def watched(self: Tensor, source: Tensor) -> Tensor:
        gc.collect()
        alive.append(sum(reference() is not None for reference in made))
        return copy_(self, source)

    monkeypatch.setattr(Tensor, "copy_", watched)
    with preserved(model, optimizer):
        model(torch.ones(1, 4)).sum().backward()
        optimizer.step()
        made += [weakref.ref(p.grad) for p in model.parameters()]
        made += [weakref.ref(state["exp_avg"]) for state in optimizer.state.values()]
    assert alive
    assert not any(alive)


def test_out_of_memory_while_copying_back_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Linear(2, 2)
    before = bits(list(model.parameters()))
    copy_ = Tensor.copy_
    failures = [True, False, False, True, True]

    def scarce(self: Tensor, source: Tensor) -> Tensor:
        if failures and failures.pop(0):
            raise torch.cuda.OutOfMemoryError("none left")
        return copy_(self, source)

    monkeypatch.setattr(Tensor, "copy_", scarce)
    snapshot = Snapshot(model)
    nn.init.zeros_(model.weight)
    snapshot.restore()
    assert bits(list(model.parameters())) == before
    with pytest.raises(TaskFailedError, match=r"Linear\.weight .* none left"):
        snapshot.restore()
