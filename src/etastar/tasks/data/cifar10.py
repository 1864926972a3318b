"""CIFAR-10: 32 × 32 colour photographs in ten classes (Krizhevsky, 2009).

Read from `cifar10_jpeg.npz` in the `ETASTAR_DATA` folder, or from the official binary archive,
which needs no pickle. The two hold the same images in another order, and JPEG is lossy: compare
numbers within one of them.

Layout of the npz, for `train` and `test` alike: `train_bytes` holds JPEG files end to end,
`train_offsets` where each begins and, last, where all end, `train_labels` the classes.
"""

from __future__ import annotations

import io
import tarfile
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
import torch

from etastar.errors import MissingDataError
from etastar.tasks.data.batches import Split
from etastar.tasks.data.extras import needs
from etastar.tasks.data.source import FOLDER_VARIABLE, Source

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

SOURCE = Source(
    title="CIFAR-10",
    local_name="cifar10_jpeg.npz",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    checksum="md5:c32a1d4ab5d03f1284b67883e8d87530",
)

# Channel mean and deviation of the whole training set, in units of [0, 1].
_MEAN = (0.4914, 0.4822, 0.4465)
_DEVIATION = (0.2470, 0.2435, 0.2616)

_BATCH_FILES = [f"cifar-10-batches-bin/data_batch_{part}.bin" for part in range(1, 6)]
_RECORD_BYTES = 1 + 3 * 32 * 32  # the class, then red, green and blue


def cifar10(train: int = 10_000, valid: int = 2_000) -> Split:
    """The first `train` images of the training set, and the next `valid` as held-out part.

    The official test set stays untouched, so that a rate chosen here has not seen it. Decoding
    happens once per process.

    Returns:
        Normalised images, (N, 3, 32, 32) float32, and classes 0 to 9, (N,) int64.

    Raises:
        MissingDataError: The data is absent and cannot be fetched, or the file is damaged or
            too short.
    """
    path = SOURCE.local() or SOURCE.fetched()
    images, classes = _normalised(path, train + valid)
    if len(images) < train + valid:
        raise MissingDataError(
            f"{path} holds {len(images)} training images and {train + valid} are needed. "
            f"Put the whole {SOURCE.local_name} there."
        )
    return Split((images[:train], classes[:train]), (images[train:], classes[train:]))


@cache
def _normalised(path: Path, count: int) -> tuple[Tensor, Tensor]:
    read = _read_npz if path.suffix == ".npz" else _read_archive
    try:
        pixels, classes = read(path, count)  # (N, 3, 32, 32) uint8, (N,) uint8
    except (OSError, EOFError, KeyError, ValueError, BadZipFile, tarfile.TarError) as damage:
        raise MissingDataError(
            f"{path} cannot be read as CIFAR-10 ({type(damage).__name__}: {damage}). Put "
            f"{SOURCE.local_name} there anew, or unset {FOLDER_VARIABLE} to download the data."
        ) from damage
    images = torch.from_numpy(pixels).float().div_(255)
    images.sub_(torch.tensor(_MEAN).view(3, 1, 1)).div_(torch.tensor(_DEVIATION).view(3, 1, 1))
    return images, torch.from_numpy(classes.astype(np.int64))


def _read_npz(path: Path, count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    # Opened here: numpy leaves the file open where the zip is damaged.
    with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
        classes = file["train_labels"][:count]
        offsets = file["train_offsets"][: count + 1]
        stream: NDArray[np.uint8] = file["train_bytes"]
    jpegs = [stream[a:b].tobytes() for a, b in pairwise(offsets)]
    return np.stack([_pixels(jpeg) for jpeg in jpegs]), classes


def _pixels(jpeg: bytes) -> NDArray[np.uint8]:
    with needs("pillow"):
        from PIL import Image
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
        rows: NDArray[Any] = np.asarray(image.convert("RGB"))  # (32, 32, 3)
    return rows.transpose(2, 0, 1)


def _read_archive(path: Path, count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    records = np.empty((0, _RECORD_BYTES), dtype=np.uint8)
    with tarfile.open(path) as archive:
        for name in _BATCH_FILES:
            if len(records) >= count:
                break
            member = archive.extractfile(name)
            content = member.read() if member else b""
            part = np.frombuffer(content, dtype=np.uint8).reshape(-1, _RECORD_BYTES)
            records = np.concatenate([records, part])
    records = records[:count]
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]
