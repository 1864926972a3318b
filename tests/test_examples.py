"""The examples: scripts a user could have written, run whole or in reduced form."""

import dataclasses
import importlib.util
import io
import os
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import etastar as es
from etastar.tasks.data.source import FOLDER_VARIABLE

EXAMPLES = Path(__file__).parents[1] / "examples"


def script(name):
    """The example as a module of its own, as `etastar find` loads it."""
    spec = importlib.util.spec_from_file_location(f"_example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cifar_folder(tmp_path, monkeypatch):
    """The user's folder: the real one where it is named, else made pictures in ten colours."""
    if os.environ.get(FOLDER_VARIABLE):
        return
    random = np.random.default_rng(0)
    files = [_noisy(level, random) for level in range(10)]
    order = np.arange(6_000) % 10
    np.savez(
        tmp_path / "cifar10_jpeg.npz",
        train_bytes=np.frombuffer(b"".join(files[level] for level in order), dtype=np.uint8),
        train_offsets=np.cumsum([0, *(len(files[level]) for level in order)]),
        train_labels=order.astype(np.uint8),
    )
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))


def _noisy(level, random):
    pixels = np.clip(random.normal(25 * level, 40, (32, 32, 3)), 0, 255).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG")
    return content.getvalue()


def test_own_loop_ends_well_below_where_it_began(capsys):
    end = runpy.run_path(str(EXAMPLES / "own_loop.py"))
    assert end["finding"].lr is not None
    held_out_loss = float(capsys.readouterr().out.rpartition(" ")[2])
    assert held_out_loss < 0.2  # ten classes at random: 2.3


def test_own_loop_adds_three_lines_to_an_ordinary_script():
    lines = (EXAMPLES / "own_loop.py").read_text(encoding="utf-8").splitlines()
    assert sum("es." in line or "finding" in line for line in lines) == 3
    assert sum("schedule.step()" in line for line in lines) == 1


def test_the_cifar_script_names_its_task(cifar_folder):
    task = es.load_task(f"{EXAMPLES / 'train_cifar.py'}:task")
    assert task.horizon == 8 * (5_000 // 64)


def test_the_cifar_script_trains_at_the_rate_found(cifar_folder, monkeypatch, capsys):
    cifar = script("train_cifar")
    found = SimpleNamespace(schedule=es.schedules.Cosine(steps=78, peak=0.05))
    monkeypatch.setattr(es, "find", lambda task: found)
    cifar.main(["--epochs", "1"])
    assert "epoch 1: accuracy on held-out images" in capsys.readouterr().out
    assert cifar.accuracy() > 0.15  # ten classes at random: 0.1
    assert cifar.optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-3)  # decayed


def test_the_cifar_script_stops_where_there_is_no_answer(cifar_folder, monkeypatch):
    cifar = script("train_cifar")
    before = [parameter.clone() for parameter in cifar.model.parameters()]
    monkeypatch.setattr(es, "find", lambda task: SimpleNamespace(schedule=None))
    with pytest.raises(SystemExit) as end:
        cifar.main(["--epochs", "1"])
    assert end.value.code == 3
    after = cifar.model.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.slow
def test_the_cifar_script_finds_its_rate_and_learns(cifar_folder):
    cifar = script("train_cifar")
    cifar.main(["--epochs", "4"])
    assert cifar.accuracy() > 0.3


def test_the_cifar_script_without_data_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path)
    monkeypatch.setattr("pooch.HTTPDownloader.__call__", _offline)
    with pytest.raises(es.errors.MissingDataError, match="Set ETASTAR_DATA to a folder"):
        es.load_task(f"{EXAMPLES / 'train_cifar.py'}:task")


def _offline(self, url, file, pooch, **options):
    raise ConnectionError("no route to host")


def test_the_gan_comes_nearer_to_its_circle(capsys):
    gan = script("gan_step")
    began = gan.evaluate().item()
    gan.main()
    assert gan.evaluate().item() < began / 5


def test_finding_the_gans_rate_leaves_both_networks_as_they_were():
    gan = script("gan_step")
    kept = [gan.generator, gan.critic]
    before = [parameter.clone() for network in kept for parameter in network.parameters()]
    es.range_test(dataclasses.replace(gan.task, steps=30))
    after = [parameter for network in kept for parameter in network.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not gan.generator_optimizer.state
    assert not gan.critic_optimizer.state
