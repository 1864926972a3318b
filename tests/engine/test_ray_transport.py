"""How a task travels: what comes out of `unpack` trains as what went into `pack`."""

from __future__ import annotations

import http.server
import socket
import subprocess
import sys
import threading
import weakref
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.engine.test_sequential import loader, table
from tests.tasks.parts import linear, pairs, task
from torch import nn
from torch.utils.data import DataLoader

import etastar as es
from etastar.engine import Sequential
from etastar.engine.ray_engine import cluster, transport
from etastar.engine.ray_engine.cluster import load_ray, start
from etastar.engine.ray_engine.settings import Surroundings
from etastar.errors import InputError, TaskError
from etastar.tasks import load_task

pytest.importorskip("ray")


def travelled(value: Any) -> Any:
    return transport.unpack(transport.pack(value))


def trained(made: es.Task) -> Any:
    return table(Sequential().train(made, [0.05, 0.1], [0, 1], 5))


def warm(optimizer: Any, model: nn.Module) -> None:
    """One step, so that there are moments and gradients."""
    ((x, y),) = pairs(1)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        return loss

    optimizer.step(closure)


OPTIMIZERS = {
    "momentum": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    "adam": partial(torch.optim.Adam, lr=0.1),
    "lbfgs": partial(torch.optim.LBFGS, lr=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_is_still_bound_to_its_model_and_keeps_its_moments(name: str) -> None:
    model = linear()
    optimizer = OPTIMIZERS[name](model.parameters())
    warm(optimizer, model)
    made = task(model=model, optimizer=optimizer)
    copy = travelled(made)
    assert copy.optimizer.param_groups[0]["params"][0] is copy.model.weight
    assert copy.model is not model
    assert torch.equal(copy.model.weight.grad, model.weight.grad)  # type: ignore[arg-type]
    assert trained(copy) == trained(made)


def test_hooks_travel() -> None:
    def halved(gradient: torch.Tensor) -> torch.Tensor:
        return gradient / 2

    def clamp(parameter: nn.Parameter) -> None:
        assert parameter.grad is not None
        parameter.grad.clamp_(-0.5, 0.5)

    def shrink(optimizer: Any, *_: Any) -> None:
        with torch.no_grad():
            optimizer.param_groups[0]["params"][0].mul_(0.9)

    def made(*, hooked: bool) -> es.Task:
        torch.manual_seed(0)
        model = linear()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        if hooked:
            model.weight.register_hook(halved)  # type: ignore[operator,union-attr]
            model.bias.register_post_accumulate_grad_hook(clamp)  # type: ignore[operator,union-attr]
            optimizer.register_step_post_hook(shrink)
        return task(model=model, optimizer=optimizer)

    assert trained(travelled(made(hooked=True))) == trained(made(hooked=True))
    assert trained(made(hooked=True)) != trained(made(hooked=False))


def test_a_scheduler_attached_to_the_optimizer_travels_with_it() -> None:
    for attach in (
        partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=10),
        partial(es.attach, lr=es.schedules.Cosine(steps=10, peak=0.1)),
    ):
        model = linear()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler: Any = attach(optimizer)
        made = task(model=model, optimizer=optimizer)
        copy = travelled(es.Task(**{**vars(made), "state": [scheduler]}))
        assert copy.state[0].optimizer is copy.optimizer
        assert trained(copy) == trained(made)


def test_memory_shared_between_tensors_stays_shared_and_is_sent_once() -> None:
    flat = torch.randn(100, 1000)
    batches = [(x, x.sum(1, keepdim=True)) for x in flat.split(1)]
    packed = transport.pack(batches)
    assert len(packed) < 2 * flat.nbytes  # and not 100 times
    first, second = transport.unpack(packed)[:2]
    assert first[0].untyped_storage().data_ptr() == second[0].untyped_storage().data_ptr()
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    copy = travelled(tied)
    assert copy[0].weight is copy[1].weight


def test_closures_lambdas_and_generators_travel_with_their_state() -> None:
    generator = torch.Generator().manual_seed(5)
    torch.rand(3, generator=generator)
    scale = 0.5
    loss = lambda model, batch: scale * model(batch[0]).square().mean()  # noqa: E731
    made = task(criterion=None, loss=loss, model=lambda: nn.Linear(3, 1))
    copy = travelled([made, generator])
    assert trained(copy[0]) == trained(made)
    assert torch.equal(torch.rand(3, generator=copy[1]), torch.rand(3, generator=generator))


def test_a_loader_in_the_middle_of_a_pass_travels_without_its_workers() -> None:
    data = loader(1, own_generator=True, persistent=True)
    passing = iter(data)
    next(passing)
    copy: DataLoader[Any] = travelled(data)
    assert copy._iterator is None  # type: ignore[attr-defined]
    assert data._iterator is passing  # type: ignore[attr-defined]
    assert len(list(passing)) == 2
    passing._shutdown_workers()  # type: ignore[attr-defined]
    assert trained(task(train=copy)) == trained(task(train=data))


def test_weak_references_travel_with_what_they_refer_to() -> None:
    model = linear()
    copy, reference = travelled([model, weakref.ref(model)])
    assert reference() is copy
    gone = weakref.ref(linear())
    assert travelled(gone)() is None


def test_what_is_packed_is_not_touched() -> None:
    model = linear()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    warm(optimizer, model)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    before = dict(vars(optimizer)), dict(vars(model)), scheduler.state_dict()
    random = torch.get_rng_state()
    transport.pack(task(model=model, optimizer=optimizer))
    assert (dict(vars(optimizer)), dict(vars(model)), scheduler.state_dict()) == before
    assert torch.equal(random, torch.get_rng_state())


def test_what_cannot_travel_is_named() -> None:
    lock = threading.Lock()

    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        with lock:
            return model(batch[0]).square().mean()

    with pytest.raises(TaskError, match=r"^loss \(function\) cannot be sent .* cannot pickle"):
        transport.pack_task(task(criterion=None, loss=loss))


def test_a_task_of_the_users_file_travels_where_the_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("def scaled(x):\n    return 3 * x\n")
    (tmp_path / "mine.py").write_text(
        "import enum, torch, etastar as es\n"
        "from dataclasses import dataclass\n"
        "from neighbour import scaled\n"
        "class Kind(enum.Enum):\n    A = 1\n"
        "@dataclass\nclass Scale:\n    by: float = 0.5\n    kind: Kind = Kind.A\n"
        "class Net(torch.nn.Linear):\n"
        "    def forward(self, x):\n        return scaled(super().forward(x))\n"
        "SCALE = Scale()\n"
        "def loss(model, batch):\n"
        "    assert SCALE.kind is Kind.A\n"
        "    return SCALE.by * (model(batch) - 1).square().mean()\n"
        "task = es.Task(lambda: Net(2, 1), lambda p: torch.optim.SGD(p, lr=0.1), loss,\n"
        "               [torch.ones(4, 2)], steps=5)\n"
    )
    made = load_task(f"{tmp_path / 'mine.py'}:task")
    try:
        (tmp_path / "packed").write_bytes(transport.pack(made))
        script = (
            "import sys, etastar\n"
            "from etastar.engine import Sequential\n"
            "from etastar.engine.ray_engine.transport import unpack\n"
            "task = unpack(open(sys.argv[1], 'rb').read())\n"
            "(trial,) = Sequential().train(task, [0.1], [0], 5)\n"
            "print(trial.curve.losses.tolist())\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, tmp_path / "packed"],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
    finally:
        sys.path.remove(str(tmp_path))
        for name in ("mine", "neighbour"):
            sys.modules.pop(name, None)
    assert done.returncode == 0, done.stderr
    (trial,) = Sequential().train(made, [0.1], [0], 5)
    assert done.stdout.strip() == str(trial.curve.losses.tolist())


def test_settings_of_torch_and_the_process_are_applied_and_undone(tmp_path: Path) -> None:
    here = Surroundings.here()
    there = Surroundings(
        {
            **here.torch,
            "threads": 3,
            "default dtype": torch.float64,
            "deterministic algorithms": (True, True),
            "matmul precision": "high",
            "mkldnn": False,
        },
        str(tmp_path),
        [*here.path, str(tmp_path)],
    )
    try:
        with there.applied():
            inside = Surroundings.here()
            assert Path.cwd() == tmp_path
            assert torch.ones(1).dtype == torch.float64
        assert inside.torch == there.torch
        assert Surroundings.here()._replace(path=[]) == here._replace(path=[])
        assert str(tmp_path) in sys.path
    finally:
        sys.path.remove(str(tmp_path))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at address='127.0.0.1:1'"),
        ("ray://127.0.0.1:1", "`ray job submit`"),
    ],
)
def test_an_address_where_nobody_can_answer_is_refused(address: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        start(load_ray(), address)


def test_what_listens_there_but_is_not_ray_is_told_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray would try for minutes, at the port of its dashboard for instance."""
    monkeypatch.setattr(cluster, "_ANSWER", 0.5)
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as page:
        threading.Thread(target=page.handle_request, daemon=True).start()
        with pytest.raises(InputError, match="what answers there is not Ray"):
            start(load_ray(), f"127.0.0.1:{page.server_port}")
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(InputError, match="timed out"),
    ):
        start(load_ray(), f"127.0.0.1:{silent.getsockname()[1]}")
