"""Trainings of many kinds, and what a block may do to one."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tests.training.bitwise import Training, seed_everything
from torch import Tensor, nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

if TYPE_CHECKING:
    from collections.abc import Callable


# --- trainings ---------------------------------------------------------------------------------


def data(n: int = 48) -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(n, 6, generator=generator)
    return TensorDataset(inputs, inputs[:, :2].sin())


def loader(**options: Any) -> DataLoader[Any]:
    return DataLoader(data(), **{"batch_size": 8, "shuffle": True, **options})


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))


def noisy_mlp() -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 2)
    )


class Tied(nn.Module):
    """An encoder whose weight is also the decoder's, and a module used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(6, 6, bias=False)
        self.decode = nn.Linear(6, 6)
        self.decode.weight = self.encode.weight
        self.twice = nn.Linear(6, 2)
        self.again = self.twice

    def forward(self, x: Tensor) -> Tensor:
        x = self.decode(self.encode(x).tanh())
        return self.twice(x) + self.again(x)


class Stateful(nn.Module):
    """Counts its calls, anneals noise with them, keeps tensors and generators of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 2)
        self.calls = 0
        self.label = "fresh"
        self.history: list[float] = []
        self.hidden: Tensor | None = None
        self.array = np.zeros(2)
        self.noise = np.random.default_rng(0)
        self.python_noise = random.Random(0)
        self.torch_noise = torch.Generator().manual_seed(0)
        self.register_buffer("seen", torch.zeros((), dtype=torch.long), persistent=False)
        self.register_buffer("lazy", None)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.label = "used"
        self.seen += 1
        self.array += 0.5
        if self.lazy is None:
            self.lazy = x.detach().mean(0)
        y = self.linear(x + self.lazy) if self.hidden is None else self.linear(x + self.hidden)
        scale = self.noise.normal() + self.python_noise.random()
        y = y + scale / self.calls * torch.randn(y.shape, generator=self.torch_noise)
        self.hidden = x.detach().mean(0)
        self.history.append(self.calls / 2)
        return y


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.EmbeddingBag(10, 2, sparse=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.embed((x.abs() * 100).long() % 10)


class OneOfTwo(nn.Module):
    """Half of its parameters never get a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Linear(6, 2)
        self.unused = nn.Linear(6, 2)
        self.frozen = nn.Linear(6, 6)
        self.frozen.requires_grad_(requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.used(self.frozen(x))


def groups(model: nn.Module) -> list[dict[str, Any]]:
    weights = [p for p in model.parameters() if p.ndim > 1]
    return [
        {"params": weights[:1], "lr": 0.1},
        {"params": weights[1:], "lr": 0.01, "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim == 1], "lr": 0.0},
    ]


def simple(
    optimizer: Callable[..., Any],
    model: Callable[[], nn.Module] = mlp,
    **options: Any,
) -> Callable[[], Training]:
    def make() -> Training:
        made = model()
        return Training(made, optimizer(made.parameters(), **options), loader())

    return make


def scheduled(make_scheduler: Callable[[Any], Any]) -> Callable[[], Training]:
    def make() -> Training:
        training = simple(torch.optim.SGD, lr=0.1, momentum=0.9)()
        training.scheduler = make_scheduler(training.optimizer)
        return training

    return make


def scaled(dtype: torch.dtype) -> Callable[[], Training]:
    def make() -> Training:
        training = simple(torch.optim.AdamW, lr=0.01)()
        training.autocast = dtype
        training.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**14, growth_interval=2)
        return training

    return make


def two_groups() -> Training:
    model = mlp()
    return Training(model, torch.optim.SGD(groups(model), momentum=0.9), loader())


def own_generator() -> Training:
    model = mlp()
    shuffled = loader(generator=torch.Generator().manual_seed(3))
    return Training(model, torch.optim.SGD(model.parameters(), lr=0.1), shuffled)


def unshuffled() -> Training:
    model = mlp()
    return Training(model, torch.optim.SGD(model.parameters(), lr=0.1), loader(shuffle=False))


def counting_closure(optimizer: Any) -> Any:
    calls = 0

    def rate(step: int) -> float:
        nonlocal calls
        calls += 1
        return 0.9**calls

    return lr_scheduler.LambdaLR(optimizer, rate)


class Decay:
    """A rate function with state of its own."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, step: int) -> float:
        self.calls += 1
        return 0.9**self.calls


def sequence(optimizer: Any) -> Any:
    warmup = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=3)
    return lr_scheduler.SequentialLR(
        optimizer, [warmup, lr_scheduler.ExponentialLR(optimizer, 0.9)], [3]
    )


def tensor_rates() -> Training:
    training = simple(torch.optim.Adam, lr=torch.tensor(0.01), foreach=False)()
    training.scheduler = lr_scheduler.ExponentialLR(training.optimizer, 0.9)
    return training


TRAININGS: dict[str, Callable[[], Training]] = {
    "sgd": simple(torch.optim.SGD, lr=0.1),
    "sgd-momentum": simple(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True),
    "adamw": simple(torch.optim.AdamW, lr=0.01, amsgrad=True),
    "adam-fused": simple(torch.optim.Adam, lr=0.01, fused=True),
    "rmsprop": simple(torch.optim.RMSprop, lr=0.01, momentum=0.5, centered=True),
    "adagrad": simple(torch.optim.Adagrad, lr=0.1),
    "lbfgs": simple(torch.optim.LBFGS, lr=0.1, max_iter=3, history_size=2),
    "sparse-adam": simple(torch.optim.SparseAdam, Words, lr=0.01),
    "sparse-sgd": simple(torch.optim.SGD, Words, lr=0.1, momentum=0.5),
    "batchnorm-dropout": simple(torch.optim.SGD, noisy_mlp, lr=0.1, momentum=0.9),
    "tied": simple(torch.optim.SGD, Tied, lr=0.1, momentum=0.9),
    "module-state": simple(torch.optim.SGD, Stateful, lr=0.1),
    "frozen": simple(torch.optim.AdamW, OneOfTwo, lr=0.01),
    "two-groups": two_groups,
    "tensor-rates": tensor_rates,
    "own-generator": own_generator,
    "unshuffled": unshuffled,
    "scaler-float16": scaled(torch.float16),
    "scaler-bfloat16": scaled(torch.bfloat16),
    "step-lr": scheduled(lambda o: lr_scheduler.StepLR(o, 2)),
    "one-cycle": scheduled(lambda o: lr_scheduler.OneCycleLR(o, 0.5, total_steps=100)),
    "plateau": scheduled(lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0)),
    "lambda-closure": scheduled(counting_closure),
    "lambda-object": scheduled(lambda o: lr_scheduler.LambdaLR(o, Decay())),
    "sequential": scheduled(sequence),
    "warm-restarts": scheduled(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3)),
}


# --- what a block may do -----------------------------------------------------------------------


def train(training: Training, steps: int = 5, lr_factor: float = 3.0) -> None:
    for group in training.optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].mul_(lr_factor)
        else:
            group["lr"] *= lr_factor
    for _, batch in zip(range(steps), training.batches(), strict=False):
        training.step(batch)


def evaluate(training: Training) -> None:
    training.model.eval()
    for batch in training.loader:
        training.model(batch[0])


def draw(_: Training) -> None:
    random.random()
    random.gauss(0, 1)
    np.random.normal(size=3)  # noqa: NPY002  the global generator is what is guarded
    torch.randn(3)


def reseed(_: Training) -> None:
    seed_everything(99)


def poison(training: Training) -> None:
    with torch.no_grad():
        for tensor in [*training.model.parameters(), *training.model.buffers()]:
            if tensor.is_floating_point():
                tensor.fill_(float("nan"))
        for state in training.optimizer.state.values():
            for value in state.values():
                if isinstance(value, Tensor):
                    value.mul_(float("nan"))


def hook(training: Training) -> None:
    for module in training.model.modules():
        module.register_forward_hook(lambda *_: None)
        module.register_forward_pre_hook(lambda *_: None)
        module.register_full_backward_hook(lambda *_: None)
    for parameter in training.model.parameters():
        if parameter.requires_grad:
            parameter.register_hook(lambda gradient: gradient * 0)
            parameter.register_post_accumulate_grad_hook(lambda _: None)
    training.optimizer.register_step_pre_hook(lambda *_: None)
    training.optimizer.register_step_post_hook(lambda *_: None)


def change_gradients(training: Training) -> None:
    for index, parameter in enumerate(training.model.parameters()):
        if index % 3 == 0:
            parameter.grad = torch.ones_like(parameter)
        elif index % 3 == 1:
            parameter.grad = None
        elif parameter.grad is not None and not parameter.grad.is_sparse:
            parameter.grad.fill_(7)


def zero_gradients(training: Training) -> None:
    training.optimizer.zero_grad(set_to_none=False)


def freeze(training: Training) -> None:
    for index, parameter in enumerate(training.model.parameters()):
        parameter.requires_grad_(index % 2 == 0)
        parameter.note = "frozen"


def replace(training: Training) -> None:
    """Put other objects where the user's were."""
    for module in list(training.model.modules()):
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(torch.zeros_like(parameter)))
        for name, child in list(module.named_children()):
            setattr(module, name, nn.Sequential(child, nn.Identity()))
    training.model.register_buffer("added", torch.zeros(1), persistent=False)
    training.model.extra = nn.Linear(1, 1)


def move(training: Training) -> None:
    """Give the parameters other memory and another dtype."""
    training.model.double()
    for parameter in training.model.parameters():
        parameter.data = torch.zeros(3)


def regroup(training: Training) -> None:
    training.optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))]})
    training.optimizer.param_groups[0]["new key"] = 1
    training.optimizer.param_groups[0].pop("lr")
    training.optimizer.param_groups[0]["params"].reverse()
    training.optimizer.defaults["lr"] = 77.0


def reload(training: Training) -> None:
    training.optimizer.load_state_dict(training.optimizer.state_dict())
    training.model.load_state_dict(training.model.state_dict(), assign=True)


def forget(training: Training) -> None:
    training.optimizer.state.clear()
    training.optimizer.param_groups.clear()


WRECKS = [
    train, evaluate, draw, reseed, poison, hook, change_gradients, zero_gradients, freeze, replace,
    move, regroup, reload, forget,
]  # fmt: skip


def wreck_all(training: Training) -> None:
    train(training)
    for act in WRECKS:
        if isinstance(training.optimizer, torch.optim.LBFGS) and act is regroup:
            continue  # it refuses a second group
        act(training)
