"""Built-in tasks: they build, learn, repeat with their seed, and leave the global one alone."""

import functools
import itertools
import math
import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from etastar.errors import MissingDataError, MissingDependencyError
from etastar.tasks import Task, load_task
from etastar.tasks.builtin import BUILTIN
from etastar.tasks.builtin.line import points
from etastar.tasks.data import cifar10, shakespeare
from etastar.tasks.data.source import FOLDER_VARIABLE, Source

BUNDLED = ["line", "digits-mlp", "digits-cnn", "digits-autoencoder", "diabetes-mlp", "cancer-mlp"]
FETCHED = ["cifar10-cnn", "cifar10-resnet", "shakespeare-gpt"]

real_data = pytest.mark.skipif(
    not os.environ.get(FOLDER_VARIABLE), reason=f"{FOLDER_VARIABLE} names no folder with real data"
)


@pytest.fixture
def made_data(monkeypatch):
    """Stand-ins of the right shape: 500 noisy pictures in ten greys, and a short rhyme."""
    generator = torch.Generator().manual_seed(0)

    def pictures(path, count):
        classes = torch.arange(count) % 10
        noise = torch.randn(count, 3, 32, 32, generator=generator)
        return 0.3 * noise + classes.view(-1, 1, 1, 1) / 5 - 1, classes

    def rhyme(path):
        codes = torch.arange(40_000) % 11
        return shakespeare.Text("abcdefghijk", codes[:36_000], codes[36_000:])

    monkeypatch.setattr(Source, "local", lambda self: None)
    monkeypatch.setattr(Source, "fetched", lambda self: None)
    monkeypatch.setattr(cifar10, "_normalised", pictures)
    fewer = functools.partial(cifar10.cifar10, train=400, valid=100)
    monkeypatch.setattr("etastar.tasks.builtin.cifar10.cifar10", fewer)
    monkeypatch.setattr(shakespeare, "_encoded", rhyme)


def trained(task: Task, steps: int, *, lr: float | None = None, seed: int = 0):
    """The user's own loop, at a constant rate: the losses of every step, and the model."""
    torch.manual_seed(seed)
    model = task.model()
    optimizer = task.optimizer(model.parameters())
    for group in optimizer.param_groups:
        group["lr"] = lr or group["lr"]
    batches = itertools.chain.from_iterable(itertools.repeat(task.train))
    losses = []
    for batch in itertools.islice(batches, steps):
        optimizer.zero_grad()
        loss = loss_of(task, model, batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model


def loss_of(task, model, batch):
    if task.loss is not None:
        return task.loss(model, batch)
    inputs, targets = batch
    return task.criterion(model(inputs), targets)


# --- the registry


def test_listing_the_tasks_loads_neither_torch_nor_scikit_learn():
    program = (
        "import sys; from etastar.tasks.builtin import BUILTIN; print(*BUILTIN);"
        "assert not {'torch', 'sklearn', 'PIL', 'pooch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == BUNDLED + FETCHED


def test_without_torch_a_task_says_what_to_install(monkeypatch):
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from etastar.errors import MissingDependencyError\n"
        "from etastar.tasks.builtin import BUILTIN\n"
        "try: BUILTIN['line'].task()\n"
        "except MissingDependencyError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip().endswith("Run: pip install torch"), done.stderr


@pytest.mark.parametrize("builtin", BUILTIN.values(), ids=list(BUILTIN))
def test_a_builtin_is_described_in_one_short_line(builtin):
    assert 0 < len(builtin.summary) <= 60
    assert "\n" not in builtin.summary
    assert builtin.data in {None, "bundled with scikit-learn", "ETASTAR_DATA or download"}


@pytest.mark.parametrize("name", FETCHED)
def test_absent_data_is_one_sentence_that_names_the_folder_variable(name, tmp_path, monkeypatch):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path)
    monkeypatch.setattr("pooch.HTTPDownloader.__call__", _offline)
    with pytest.raises(MissingDataError, match=r"Set ETASTAR_DATA to a folder that holds"):
        load_task(name)


def _offline(self, url, file, pooch, **options):
    raise ConnectionError("no route to host")


def test_a_missing_package_is_named(monkeypatch):
    from etastar.tasks.data import bundled

    bundled.cancer.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "etastar\[data\]"'):
        load_task("cancer-mlp")


# --- laws every task keeps


def check_laws(name, steps):
    task = load_task(name)
    assert task.name == name
    assert task.horizon == task.shape.steps
    assert task.shape.maximum == pytest.approx(1.0)

    losses, model = trained(task, steps)
    assert all(math.isfinite(loss) for loss in losses)
    assert np.mean(losses[-4:]) < np.mean(losses[:4])
    check_repeats(task)
    if task.valid is not None:
        check_validation(task, model)


def check_repeats(task):
    (losses, model), (again, model_again) = trained(task, 3), trained(task, 3)
    assert losses == again
    for one, other in zip(model.parameters(), model_again.parameters(), strict=True):
        assert torch.equal(one, other)
    assert trained(task, 1, seed=1)[0] != losses[:1]


def check_validation(task, model):
    model.eval()
    with torch.no_grad():
        first, second = ([loss_of(task, model, b).item() for b in task.valid] for _ in range(2))
    assert first == second
    assert len({len(batch[0]) for batch in task.valid}) == 1  # their plain mean is the mean


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_task_learns_and_repeats_with_its_seed(name):
    check_laws(name, steps=30)


@pytest.mark.parametrize("name", FETCHED)
def test_a_fetched_task_learns_made_data_and_repeats_with_its_seed(name, made_data):
    check_laws(name, steps=12)


@real_data
@pytest.mark.parametrize("name", FETCHED)
def test_a_fetched_task_learns_real_data_and_repeats_with_its_seed(name):
    check_laws(name, steps=12)


def random_states():
    state = np.random.get_state()  # noqa: NPY002 - the global generator is the subject
    return random.getstate(), (state[0], state[1].tolist(), *state[2:]), torch.get_rng_state()


@pytest.mark.parametrize("name", BUNDLED + FETCHED)
def test_building_a_task_leaves_the_global_seeds_alone(name, made_data):
    before = random_states()
    load_task(name)
    after = random_states()
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])


@pytest.mark.parametrize("name", [*BUNDLED[1:], *FETCHED[:2]])
def test_training_and_held_out_parts_share_no_example(name, made_data):
    task = load_task(name)
    train = task.train._inputs.flatten(1)
    valid = torch.cat([batch[0] for batch in task.valid]).flatten(1)
    rows = {tuple(row) for row in train[:, :64].tolist()}
    shared = sum(tuple(row) in rows for row in valid[:, :64].tolist())
    assert shared == 0


# --- the line, whose answer is known


def curvatures():
    x, y = points()

    def loss(parameters):
        return nn.functional.mse_loss(parameters[0] * x + parameters[1], y)

    return torch.autograd.functional.hessian(loss, torch.zeros(2))


def test_the_lines_curvatures_are_three_quarters_and_two():
    torch.testing.assert_close(curvatures(), torch.tensor([[0.75, 0.0], [0.0, 2.0]]))


@pytest.mark.parametrize(("lr", "converges"), [(0.999, True), (1.001, False)])
def test_the_lines_edge_of_stability_is_one(lr, converges):
    x, y = points()
    floor = (y - torch.cat([x, torch.ones_like(x)], 1) @ least_squares()).square().mean().item()
    losses, _ = trained(load_task("line"), 100, lr=lr)
    # Past the slope, only the offset's error is left: it shrinks or grows by (1 − 2·lr)² a step.
    ratio = (losses[99] - floor) / (losses[49] - floor)
    assert ratio == pytest.approx((1 - 2 * lr) ** 100, rel=1e-3)
    assert (ratio < 1) is converges


def least_squares():
    x, y = points()
    return torch.linalg.lstsq(torch.cat([x, torch.ones_like(x)], 1), y).solution


def test_the_line_is_solved_in_ten_steps_at_its_best_rate():
    _, model = trained(load_task("line"), 10, lr=2 / 2.75)
    slope, offset = least_squares().squeeze().tolist()
    assert model.weight.item() == pytest.approx(slope, abs=2e-3)
    assert model.bias.item() == pytest.approx(offset, abs=2e-3)
