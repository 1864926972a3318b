"""Batches: read again without end, moved without change of kind, counted by their first axis."""

from __future__ import annotations

from collections import OrderedDict, UserDict, namedtuple
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from etastar.errors import TaskError
from etastar.training.batches import Stream, iterate, move, one_pass, samples

CPU, META = torch.device("cpu"), torch.device("meta")
Pair = namedtuple("Pair", ["x", "y"])


class Bunch(dict[str, Any]):
    """A dict with attributes, as libraries make them."""

    note = ""


class Movable:
    """Moves itself, as transformers' and graph libraries' batches do."""

    def __init__(self) -> None:
        self.moved_to: Any = None

    def to(self, device: Any) -> Movable:
        self.moved_to = device
        return self


def tensor(*shape: int) -> torch.Tensor:
    return torch.zeros(shape)


def batches() -> list[Any]:
    bunch = Bunch(x=tensor(2))
    bunch.note = "kept"
    return [
        tensor(2),
        (tensor(2), 1),
        [tensor(2), "word"],
        Pair(tensor(2), None),
        {"x": tensor(2), "y": [tensor(1), (tensor(1),)]},
        OrderedDict(x=tensor(2)),
        bunch,
        UserDict(x=tensor(2)),
        MappingProxyType({"x": tensor(2)}),
        np.zeros(3),
        "words",
        3,
        None,
    ]


def tensors(batch: Any) -> list[torch.Tensor]:
    if isinstance(batch, torch.Tensor):
        return [batch]
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    parts = batch if isinstance(batch, tuple | list) else ()
    return [found for part in parts for found in tensors(part)]


@pytest.mark.parametrize("batch", batches(), ids=lambda batch: type(batch).__name__)
def test_what_is_in_place_is_the_very_same(batch: Any) -> None:
    assert move(batch, CPU) is batch


@pytest.mark.parametrize("batch", batches(), ids=lambda batch: type(batch).__name__)
def test_what_moves_keeps_its_kind_and_leaves_the_original(batch: Any) -> None:
    before = tensors(batch)
    moved = move(batch, META)
    assert all(found.device == META for found in tensors(moved))
    assert len(tensors(moved)) == len(before)
    assert all(a is b for a, b in zip(tensors(batch), before, strict=True))
    kind = dict if isinstance(batch, MappingProxyType) else type(batch)
    assert type(moved) is kind
    if isinstance(batch, Bunch):
        assert moved.note == "kept"
    if isinstance(batch, Mapping):
        assert list(moved) == list(batch)


def test_what_moves_itself_is_asked_to() -> None:
    batch = Movable()
    assert move({"graph": batch}, META)["graph"].moved_to == META


@pytest.mark.parametrize(
    ("batch", "count"),
    [
        (tensor(5, 2), 5),
        ((tensor(7), tensor(3)), 7),
        ([tensor(), tensor(4)], 4),
        ({"a": "word", "b": tensor(6)}, 6),
        (UserDict(a=tensor(6)), 6),
        (Pair("word", [tensor(9, 1)]), 9),
        ((np.zeros((8, 2)), np.zeros(8)), 8),
        (np.float64(1), 1),
        (tensor(0, 3), 1),
        (tensor(), 1),
        ("word", 1),
        ({}, 1),
        (None, 1),
    ],
    ids=str,
)
def test_samples_are_counted_along_the_first_axis(batch: Any, count: int) -> None:
    assert samples(batch) == count


def take(stream: Stream, count: int) -> list[Any]:
    return [stream.next() for _ in range(count)]


def test_a_stream_reads_its_data_again_and_again() -> None:
    assert take(Stream([1, 2, 3], "train"), 8) == [1, 2, 3, 1, 2, 3, 1, 2]
    assert take(Stream(lambda: iter([1, 2]), "train"), 5) == [1, 2, 1, 2, 1]
    assert take(Stream(lambda: [1, 2], "train"), 5) == [1, 2, 1, 2, 1]


def test_a_closed_stream_begins_a_new_pass() -> None:
    stream = Stream([1, 2, 3], "train")
    assert take(stream, 2) == [1, 2]
    stream.close()
    stream.close()
    assert take(stream, 2) == [1, 2]


def test_a_stream_without_batches_says_so() -> None:
    with pytest.raises(TaskError, match="valid yields no batch: pass data"):
        Stream(list, "valid").next()
    once = iter([1])
    stream = Stream(lambda: once, "train")
    assert stream.next() == 1
    with pytest.raises(TaskError, match=r"train yields no batch when read again"):
        stream.next()


def test_a_function_must_return_batches() -> None:
    with pytest.raises(TaskError, match="train is a function that returned a NoneType"):
        iterate(lambda: None, "train")  # type: ignore[arg-type,return-value]


def loader(**options: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(torch.arange(6)), batch_size=2, num_workers=1, **options)


def alive(batches: Any) -> bool:
    return any(worker.is_alive() for worker in batches._workers)


def test_workers_end_with_the_pass_they_serve() -> None:
    with one_pass(loader(), "train") as batches:
        next(batches)
        assert alive(batches)
    assert not alive(batches)
    stream = Stream(loader(), "train")
    stream.next()
    reading = stream._batches
    assert alive(reading)
    stream.close()
    assert not alive(reading)


@pytest.mark.parametrize("behind_a_function", [False, True])
def test_persistent_workers_go_on_serving(*, behind_a_function: bool) -> None:
    persistent = loader(persistent_workers=True)

    def read() -> Iterator[Any]:
        return iter(persistent)

    stream = Stream(read if behind_a_function else persistent, "train")
    seen = [int(batch[0][0]) for batch in take(stream, 7)]
    assert seen == [0, 2, 4, 0, 2, 4, 0]
    workers = vars(persistent)["_iterator"]
    stream.close()
    assert alive(workers)
    assert int(stream.next()[0][0]) == 0
    assert vars(persistent)["_iterator"] is workers
    workers._shutdown_workers()
