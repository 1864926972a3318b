"""Data: found where the user keeps it, fetched with a checksum, served without touching seeds."""

import hashlib
import io
import sys
import tarfile
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from etastar.errors import MissingDataError, MissingDependencyError, TaskError
from etastar.tasks.data import bundled, cifar10, shakespeare
from etastar.tasks.data.batches import ShuffledBatches, held_out
from etastar.tasks.data.extras import needs
from etastar.tasks.data.source import FOLDER_VARIABLE, Source

COLOURS = [(250, 10, 10), (10, 250, 10), (10, 10, 250), (128, 128, 128), (250, 250, 250)]


def jpeg(colour):
    content = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(content, "JPEG", quality=95)
    return content.getvalue()


def write_npz(folder):
    files = [jpeg(colour) for colour in COLOURS]
    np.savez(
        folder / cifar10.SOURCE.local_name,
        train_bytes=np.frombuffer(b"".join(files), dtype=np.uint8),
        train_offsets=np.array([0, *accumulate(map(len, files))]),
        train_labels=np.arange(len(files), dtype=np.uint8),
    )


def write_archive(path):
    planes = [np.repeat(np.uint8(colour), 32 * 32) for colour in COLOURS]
    records = [bytes([label]) + plane.tobytes() for label, plane in enumerate(planes)]
    with tarfile.open(path, "w:gz") as archive:
        for part in (1, 2):
            content = b"".join(records[:3] if part == 1 else records[3:])
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/data_batch_{part}.bin")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def colours(images):
    """The mean colour of each image, normalisation undone, (N, 3) in 0..255."""
    mean, deviation = torch.tensor(cifar10._MEAN), torch.tensor(cifar10._DEVIATION)
    return (images.mean((2, 3)) * deviation + mean) * 255


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return folder


@pytest.fixture
def no_folder(tmp_path, monkeypatch):
    """No folder of the user's own, and an empty cache."""
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / project)
    return tmp_path


# --- CIFAR-10


def test_cifar10_decodes_the_jpegs_of_the_users_folder(own_folder):
    write_npz(own_folder)
    (train, train_classes), (valid, valid_classes) = cifar10.cifar10(train=3, valid=2)
    assert train.shape == (3, 3, 32, 32)
    assert train.dtype == torch.float32
    assert [*train_classes, *valid_classes] == [0, 1, 2, 3, 4]
    images = torch.cat([train, valid])
    torch.testing.assert_close(colours(images), torch.tensor(COLOURS).float(), atol=4, rtol=0)


def test_cifar10_reads_the_official_archive_across_its_files(no_folder, monkeypatch):
    archive = no_folder / "cifar-10-binary.tar.gz"
    write_archive(archive)
    monkeypatch.setattr(Source, "fetched", lambda self: archive)
    (train, train_classes), (valid, valid_classes) = cifar10.cifar10(train=2, valid=2)
    assert [*train_classes, *valid_classes] == [0, 1, 2, 3]
    images = torch.cat([train, valid])
    torch.testing.assert_close(
        colours(images), torch.tensor(COLOURS[:4]).float(), atol=1e-3, rtol=0
    )


def test_cifar10_decodes_once_per_process(own_folder):
    write_npz(own_folder)
    first, again = cifar10.cifar10(train=3, valid=2), cifar10.cifar10(train=3, valid=2)
    assert first.train[0].data_ptr() == again.train[0].data_ptr()


def test_cifar10_refuses_a_file_with_too_few_images(own_folder):
    write_npz(own_folder)
    with pytest.raises(MissingDataError, match=r"holds 5 training images and 40 are needed"):
        cifar10.cifar10(train=30, valid=10)


def test_cifar10_runs_no_pickle(own_folder):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    np.savez(own_folder / cifar10.SOURCE.local_name, train_labels=np.array([Trap()]))
    with pytest.raises(MissingDataError, match=r"cannot be read as CIFAR-10.*allow_pickle"):
        cifar10.cifar10(train=1, valid=1)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut short", b"\x93NUMPY"])
def test_cifar10_refuses_a_damaged_file(own_folder, content):
    (own_folder / cifar10.SOURCE.local_name).write_bytes(content)
    with pytest.raises(MissingDataError, match="cannot be read as CIFAR-10"):
        cifar10.cifar10(train=1, valid=1)


# --- Tiny Shakespeare


def test_shakespeare_keeps_the_last_tenth_apart(own_folder):
    (own_folder / shakespeare.SOURCE.local_name).write_text("abcdefghij" * 10, encoding="utf-8")
    text = shakespeare.shakespeare()
    assert text.alphabet == "abcdefghij"
    assert text.train.tolist() == [*range(10)] * 9
    assert text.valid.tolist() == [*range(10)]


def test_a_file_that_is_not_text_is_refused(own_folder):
    (own_folder / shakespeare.SOURCE.local_name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MissingDataError, match="is not UTF-8 text"):
        shakespeare.shakespeare()


def test_windows_are_cut_from_the_text_and_followed_by_it():
    codes = torch.arange(1000)
    windows = shakespeare.RandomWindows(codes, size=4, length=16)
    batches = list(windows)
    assert len(batches) == len(windows) == 1000 // 64
    for inputs, targets in batches:
        assert torch.equal(targets, inputs + 1)
        assert torch.equal(inputs - inputs[:, :1], torch.arange(16).expand(4, 16))


def test_even_windows_reach_from_the_first_to_the_last_character():
    batches = shakespeare.even_windows(torch.arange(1000), size=5, length=16, batches=3)
    assert len(batches) == 3
    assert batches[0][0][0, 0] == 0
    assert batches[-1][1][-1, -1] == 999


def test_a_text_shorter_than_a_batch_is_refused():
    with pytest.raises(MissingDataError, match="The text has 10 characters"):
        shakespeare.RandomWindows(torch.arange(10), size=4, length=16)


# --- where the data lies


def test_absent_and_offline_is_one_sentence_that_says_what_to_do(no_folder):
    source = Source(
        title="Numbers",
        local_name="numbers.txt",
        url="http://127.0.0.1:9/numbers.txt",  # the discard port: nobody listens
        checksum="md5:00000000000000000000000000000000",
    )
    with pytest.raises(MissingDataError) as refusal:
        source.fetched()
    message = str(refusal.value)
    assert "Numbers" in message
    assert "http://127.0.0.1:9/numbers.txt" in message
    assert "Set ETASTAR_DATA to a folder that holds numbers.txt" in message


def served(tmp_path, monkeypatch, content, checksum):
    """A source whose download writes `content`: pooch's checks are real, the network is not."""
    monkeypatch.setattr(
        "pooch.HTTPDownloader.__call__",
        lambda self, url, file, pooch, **options: Path(file).write_bytes(content),
    )
    return Source(
        title="Numbers",
        local_name="numbers.txt",
        url="https://example.org/numbers.txt",
        checksum=checksum,
    )


def test_a_download_is_kept_in_the_cache(no_folder, monkeypatch):
    checksum = "sha256:" + hashlib.sha256(b"1 2 3").hexdigest()
    source = served(no_folder, monkeypatch, b"1 2 3", checksum)
    path = source.fetched()
    assert path.read_bytes() == b"1 2 3"
    monkeypatch.setattr("pooch.HTTPDownloader.__call__", pytest.fail)
    assert source.fetched() == path


def test_a_download_of_another_checksum_is_refused(no_folder, monkeypatch):
    source = served(no_folder, monkeypatch, b"1 2 4", "sha256:" + "0" * 64)
    with pytest.raises(MissingDataError, match=r"could not be fetched from .* \(ValueError\)"):
        source.fetched()
    assert list(no_folder.rglob("*numbers.txt")) == []


def test_a_folder_that_does_not_exist_is_refused_before_any_download(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "nowhere"))
    monkeypatch.setattr(Source, "fetched", pytest.fail)
    with pytest.raises(MissingDataError, match=r"ETASTAR_DATA=.*nowhere is not a folder"):
        shakespeare.shakespeare()


@pytest.mark.parametrize(
    ("package", "module", "command"),
    [
        ("torch", "torch", "pip install torch"),
        ("scikit-learn", "sklearn.datasets", 'pip install "etastar[data]"'),
        ("pooch", "pooch", 'pip install "etastar[data]"'),
        ("pillow", "PIL.Image", 'pip install "etastar[data]"'),
    ],
)
def test_a_missing_package_comes_with_the_command_that_adds_it(package, module, command):
    with pytest.raises(MissingDependencyError) as refusal, needs(package):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)
    assert str(refusal.value).endswith(f"Run: {command}")
    assert package in str(refusal.value)


def test_a_broken_package_keeps_its_own_message():
    with pytest.raises(ImportError, match="undefined symbol"), needs("torch"):
        raise ImportError("libtorch.so: undefined symbol", name="torch._C")
    with pytest.raises(ModuleNotFoundError, match="other"), needs("torch"):
        raise ModuleNotFoundError("No module named 'other'", name="other")


def test_digits_without_scikit_learn_say_what_to_install(monkeypatch):
    bundled.digits.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingDependencyError, match="scikit-learn"):
        bundled.digits()


# --- splits and batches


@pytest.mark.parametrize("load", [bundled.digits, bundled.diabetes, bundled.cancer])
def test_bundled_data_is_whole_split_and_scaled(load):
    (train, train_targets), (valid, valid_targets) = load()
    count = len(train) + len(valid)
    assert count == {"digits": 1797, "diabetes": 442, "cancer": 569}[load.__name__]
    assert len(valid) == round(0.4 * count)
    assert len(train) == len(train_targets)
    assert len(valid) == len(valid_targets)
    assert torch.isfinite(torch.cat([train, valid])).all()
    if train.ndim == 2:
        torch.testing.assert_close(train.mean(0), torch.zeros(train.shape[1]), atol=1e-5, rtol=0)
        torch.testing.assert_close(train.std(0), torch.ones(train.shape[1]))


def test_a_split_ignores_the_global_seeds_and_leaves_them_alone():
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 - the global generator is the subject
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    train, valid = held_out(100, 0.3)
    torch.manual_seed(2)
    again, _ = held_out(100, 0.3)
    assert torch.equal(train, again)
    assert sorted([*train.tolist(), *valid.tolist()]) == list(range(100))
    torch.manual_seed(1)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_a_pass_is_a_new_order_that_the_global_seed_decides():
    batches = ShuffledBatches(torch.arange(10), torch.arange(10), size=5)

    def order():
        return torch.cat([inputs for inputs, _ in batches]).tolist()

    torch.manual_seed(0)
    first, second = order(), order()
    torch.manual_seed(0)
    assert order() == first
    assert second != first
    assert sorted(first) == sorted(second) == list(range(10))


def test_inputs_keep_their_targets():
    batches = ShuffledBatches(torch.arange(10), torch.arange(10) * 3, size=4)
    assert len(batches) == len(list(batches)) == 2
    assert all(torch.equal(targets, inputs * 3) for inputs, targets in batches)


@pytest.mark.parametrize("size", [0, -1, 11])
def test_an_impossible_batch_size_is_refused(size):
    with pytest.raises(TaskError, match="choose a size from 1 to 10"):
        ShuffledBatches(torch.zeros(10), torch.zeros(10), size=size)
