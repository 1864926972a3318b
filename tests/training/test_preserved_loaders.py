"""Law 1 for data loaders: the user's place, generators and workers are as if nothing had read."""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.training.bitwise import bits, random_bits, seed_everything
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    TensorDataset,
    WeightedRandomSampler,
)
from torch.utils.data.distributed import DistributedSampler

from etastar.errors import TaskError
from etastar.training.preserved import Snapshot, preserved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Python 3.12 warns of every fork of a process with threads, torch's own among them.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")

NUMBERS = TensorDataset(torch.arange(24.0))


class Augmented(Dataset[Any]):
    """Adds noise of its own and counts what it served, as data sets do."""

    def __init__(self) -> None:
        self.numpy = np.random.default_rng(0)
        self.python = random.Random(0)
        self.torch = torch.Generator().manual_seed(0)
        self.served = 0
        self.transforms = [Jitter(), Jitter()]

    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> float:
        self.served += 1
        noise = self.numpy.normal() + self.python.random()
        noise += torch.rand((), generator=self.torch).item() + self.served
        for transform in self.transforms:
            noise = transform(noise)
        return index + noise


class Jitter:
    def __init__(self) -> None:
        self.generator = random.Random(1)

    def __call__(self, x: float) -> float:
        return x + self.generator.random()


class Collator:
    """Counts the batches it made."""

    def __init__(self) -> None:
        self.batches = 0

    def collate(self, items: list[Any]) -> Any:
        self.batches += 1
        return torch.utils.data.default_collate(items), self.batches


class OwnOrder(Sampler[int]):
    """Shuffles by an epoch it counts itself and a generator that is no torch generator."""

    def __init__(self) -> None:
        self.epoch = 0
        self.rng = np.random.default_rng(0)

    def __len__(self) -> int:
        return 24

    def __iter__(self) -> Iterator[int]:
        self.epoch += 1
        return iter((self.rng.permutation(24) * self.epoch % 24).tolist())


class Stream(IterableDataset[int]):
    """A stream that remembers how far it was read, and says so."""

    def __init__(self) -> None:
        self.position = [0]

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position[0]}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position[0] = state["position"]

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.position[0] += 1
        return self.position[0]


class OneShot(IterableDataset[int]):
    def __init__(self) -> None:
        self.source = iter(range(100))

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        return next(self.source)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


LOADERS: dict[str, Callable[[], DataLoader[Any]]] = {
    "in order": lambda: DataLoader(NUMBERS, 4),
    "shuffled": lambda: DataLoader(NUMBERS, 4, shuffle=True),
    "own generator": lambda: DataLoader(NUMBERS, 4, shuffle=True, generator=generator()),
    "sampler with a generator": lambda: DataLoader(
        NUMBERS, 4, sampler=RandomSampler(NUMBERS, replacement=True, generator=generator())
    ),
    "weighted": lambda: DataLoader(
        NUMBERS, 4, sampler=WeightedRandomSampler([0.5] * 24, 24, generator=generator())
    ),
    "batch sampler": lambda: DataLoader(
        NUMBERS, batch_sampler=BatchSampler(RandomSampler(NUMBERS, generator=generator()), 4, True)
    ),
    "distributed": lambda: DataLoader(
        NUMBERS, 4, sampler=DistributedSampler(NUMBERS, num_replicas=2, rank=0)
    ),
    "own order": lambda: DataLoader(NUMBERS, 4, sampler=OwnOrder()),
    "augmented": lambda: DataLoader(Augmented(), 4, shuffle=True),
    "collator": lambda: DataLoader(NUMBERS, 4, collate_fn=Collator().collate),
    "stream": lambda: DataLoader(Stream(), 4),
    "two workers": lambda: DataLoader(NUMBERS, 4, shuffle=True, num_workers=2),
    "persistent workers": lambda: DataLoader(
        Augmented(), 4, shuffle=True, num_workers=2, persistent_workers=True
    ),
}
every_loader = pytest.mark.parametrize("make", LOADERS.values(), ids=LOADERS.keys())


def read(loader: DataLoader[Any]) -> None:
    """One epoch and a bit, another epoch set, numbers drawn."""
    list(itertools.islice(loader, 7))
    list(itertools.islice(loader, 2))
    if isinstance(loader.sampler, DistributedSampler):
        loader.sampler.set_epoch(9)
    torch.rand(5)


def served(make: Callable[[], DataLoader[Any]], disturb: bool, before: int) -> list[Any]:
    """The batches of an epoch, interrupted after `before` of them, and of the next one."""
    seed_everything(1)
    loader = make()
    iterator = iter(loader)
    batches = list(itertools.islice(iterator, before))
    if disturb:
        with preserved(loader) as snapshot:
            read(loader)
            snapshot.restore()
            read(loader)
    batches += itertools.islice(iterator, 6 - before)
    batches += itertools.islice(loader, 6)
    return bits([batches, random_bits()])


@pytest.mark.parametrize("before", [0, 3], ids=["at the start", "mid-epoch"])
@every_loader
def test_the_batches_that_follow_are_the_same(
    make: Callable[[], DataLoader[Any]], before: int
) -> None:
    assert served(make, disturb=True, before=before) == served(make, disturb=False, before=before)


@pytest.mark.parametrize("make", [LOADERS["two workers"], LOADERS["persistent workers"]])
def test_twenty_uses_leave_no_process_and_no_file_behind(
    make: Callable[[], DataLoader[Any]],
) -> None:
    def resources() -> tuple[int, int]:
        gc.collect()
        return len(multiprocessing.active_children()), len(list(Path("/proc/self/fd").iterdir()))

    loader = make()
    with preserved(loader):
        next(iter(loader))  # what the first use of workers opens once per process
    before = resources()
    kept: list[BaseException] = []
    for _ in range(20):
        try:
            with preserved(loader):
                iterator = iter(loader)
                next(iterator)
                raise ValueError  # its traceback keeps the iterator alive
        except ValueError as error:
            kept.append(error)
        assert len(multiprocessing.active_children()) == before[0]
    del kept, iterator
    deadline = time.monotonic() + 20
    while resources()[1] > before[1] and time.monotonic() < deadline:
        time.sleep(0.05)  # a queue's thread closes its pipe when it gets to it
    children, files = resources()
    assert children == before[0]
    assert files <= before[1]  # earlier tests' files may have been closed meanwhile


def test_workers_kept_by_the_user_survive_and_keep_their_place() -> None:
    loader = LOADERS["persistent workers"]()
    mine = iter(loader)
    next(mine)
    children = {child.pid for child in multiprocessing.active_children()}
    with preserved(loader):
        assert iter(loader) is not mine
    assert vars(loader)["_iterator"] is mine
    assert {child.pid for child in multiprocessing.active_children()} == children
    assert len(list(mine)) == 5


@every_loader
def test_a_loader_looks_as_before(make: Callable[[], DataLoader[Any]]) -> None:
    loader = make()
    before = dict(vars(loader))
    with preserved(loader):
        read(loader)
    assert vars(loader) == before
    assert list(vars(loader)) == list(before)


def test_closing_without_restoring_gives_the_loader_back() -> None:
    loader = LOADERS["persistent workers"]()
    mine = iter(loader)
    before = dict(vars(loader))
    with Snapshot(loader):
        assert iter(loader) is not mine
    assert vars(loader) == before
    assert iter(loader) is mine


def test_snapshots_of_one_loader_nest() -> None:
    loader = LOADERS["persistent workers"]()
    mine = iter(loader)
    before = dict(vars(loader))
    with preserved(loader):
        outer = iter(loader)
        with preserved(loader):
            assert iter(loader) is not outer
        assert vars(loader)["_iterator"] is outer
    assert vars(loader) == before
    assert len(list(mine)) == 6


def test_a_snapshot_that_is_refused_gives_the_loader_back() -> None:
    loader = LOADERS["persistent workers"]()
    mine = iter(loader)
    before = dict(vars(loader))
    with pytest.raises(TaskError):
        Snapshot(loader, object())
    with pytest.raises(TaskError):
        Snapshot(loader, DataLoader(OneShot(), 4))
    assert vars(loader) == before
    assert len(list(mine)) == 6


def test_the_data_itself_is_not_copied() -> None:
    with Snapshot(DataLoader(TensorDataset(torch.ones(1000)), 4)) as snapshot:
        assert not snapshot._copies._kept


def test_loaders_that_are_no_data_loader() -> None:
    class Batches:
        def __init__(self) -> None:
            self.rng = np.random.default_rng(0)
            self.epochs = 0

        def __iter__(self) -> Iterator[float]:
            self.epochs += 1
            yield from self.rng.normal(size=3)

    batches, twin = Batches(), Batches()
    with preserved(batches):
        list(batches)
    assert batches.epochs == 0
    assert list(batches) == list(twin)


def test_a_stream_that_cannot_be_rewound_is_refused() -> None:
    with pytest.raises(TaskError, match=r"dataset of DataLoader can be read only once"):
        Snapshot(DataLoader(OneShot(), 4))


def test_a_live_iterator_is_refused() -> None:
    with pytest.raises(TaskError, match="can be read only once"):
        Snapshot(iter(DataLoader(NUMBERS)))
