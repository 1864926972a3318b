"""Whether two trainings are the same to the last bit, asked without the code under test."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch.amp.grad_scaler import GradScaler
    from torch.optim import Optimizer
    from torch.utils.data import DataLoader


@dataclass
class Training:
    """A training loop's parts, and one step of it."""

    model: nn.Module
    optimizer: Optimizer
    loader: DataLoader[Any]
    scheduler: Any = None
    scaler: GradScaler | None = None
    autocast: torch.dtype | None = None
    loss: Callable[[nn.Module, Any], Tensor] | None = None

    @property
    def parts(self) -> tuple[object, ...]:
        return self.model, self.optimizer, self.loader, self.scheduler, self.scaler

    def batches(self) -> Iterator[Any]:
        while True:
            yield from self.loader

    def step(self, batch: Any) -> Tensor:
        """One update; a finder's or a user's, it is the same loop."""

        def closure() -> Tensor:
            self.optimizer.zero_grad()
            with torch.autocast("cpu", self.autocast, enabled=self.autocast is not None):
                loss = (self.loss or mean_squared_error)(self.model, batch)
            (self.scaler.scale(loss) if self.scaler else loss).backward()
            return loss

        if isinstance(self.optimizer, torch.optim.LBFGS):
            loss = self.optimizer.step(closure)
        else:
            loss = closure()
            if self.scaler:
                self.scaler.step(self.optimizer)
                self.scaler.update()
            else:
                self.optimizer.step()
        if isinstance(self.scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.scheduler.step(loss.detach())
        elif self.scheduler is not None:
            self.scheduler.step()
        return loss.detach()


def mean_squared_error(model: nn.Module, batch: Any) -> Tensor:
    inputs, targets = batch
    return nn.functional.mse_loss(model(inputs).float(), targets)


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  the global generator is what is guarded
    torch.manual_seed(seed)


def bits(value: Any) -> Any:
    """Plain Python that is equal exactly where the value is the same to the last bit."""
    if isinstance(value, torch.nn.parameter.UninitializedTensorMixin):
        return type(value).__name__, value.dtype
    if isinstance(value, Tensor):
        return tensor_bits(value)
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.strides, value.tobytes()
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, dict):
        return [(bits(key), bits(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(bits, value)]
    if isinstance(value, (int, str, bytes, bool, type(None))):
        return value
    if isinstance(value, torch.Generator):
        return bits(value.get_state())
    if isinstance(value, random.Random):
        return bits(value.getstate())
    if isinstance(value, np.random.Generator):
        return bits(value.bit_generator.state)
    return type(value).__qualname__


def tensor_bits(tensor: Tensor) -> tuple[Any, ...]:
    about = (type(tensor).__name__, str(tensor.dtype), str(tensor.device), tuple(tensor.shape))
    if tensor.layout == torch.sparse_coo:
        parts = [tensor._indices(), tensor._values()]
        return *about, tensor.is_coalesced(), *(tensor_bits(part) for part in parts)
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        parts = [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
        return *about, *(tensor_bits(part) for part in parts)
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        parts = [tensor.ccol_indices(), tensor.row_indices(), tensor.values()]
        return *about, *(tensor_bits(part) for part in parts)
    values = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1).clone()
    raw = values.view(torch.uint8).numpy().tobytes() if values.numel() else b""
    return (
        *about,
        tensor.stride(),
        tensor.storage_offset(),
        tensor.requires_grad,
        tensor.is_conj(),
        raw,
    )


def contents(training: Training) -> dict[str, Any]:
    """All state by value: equal between two trainings that went the same way."""
    found: dict[str, Any] = {}
    for name, module in training.model.named_modules(remove_duplicate=False):
        found[f"{name} class, mode"] = type(module).__name__, module.training
        found[f"{name} hooks"] = [
            list(hooks)
            for key, hooks in vars(module).items()
            if key.endswith("_hooks") and isinstance(hooks, dict)
        ]
        found[f"{name} attributes"] = {
            key: bits(value) for key, value in vars(module).items() if not key.startswith("_")
        }
        found[f"{name} not saved"] = sorted(module._non_persistent_buffers_set)
        for key, tensor in [*module._parameters.items(), *module._buffers.items()]:
            found[f"{name}.{key}"] = bits(tensor)
            if tensor is not None:
                found[f"{name}.{key}.grad"] = bits(tensor.grad)
                found[f"{name}.{key}.hooks"] = bits(tensor._backward_hooks), bits(vars(tensor))
    optimizer = training.optimizer
    order = [p for group in optimizer.param_groups for p in group["params"]]
    found["groups"] = bits(
        [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    )
    found["group sizes"] = [len(group["params"]) for group in optimizer.param_groups]
    found["optimizer state"] = [
        bits(dict(optimizer.state[p])) if p in optimizer.state else None for p in order
    ]
    found["optimizer hooks"] = [
        list(vars(optimizer)[kind])
        for kind in ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
    ]
    found["defaults"] = bits(optimizer.defaults)
    if training.scheduler is not None:
        found["scheduler"] = bits(training.scheduler.state_dict())
    if training.scaler is not None:
        keys = ("_scale", "_growth_tracker", "_init_scale", "_enabled")
        found["scaler"] = [bits(vars(training.scaler)[key]) for key in keys]
        found["scaler per optimizer"] = len(training.scaler._per_optimizer_states)
    found["loader"] = bits(
        [training.loader.generator, getattr(training.loader.sampler, "generator", None)]
    )
    found["random"] = random_bits()
    return found


def random_bits() -> dict[str, Any]:
    """The process' random generators."""
    return {
        "python": random.getstate(),
        "numpy": bits(np.random.get_state()),  # noqa: NPY002  the same
        "torch": bits(torch.get_rng_state()),
    }


def identities(training: Training) -> dict[str, Any]:
    """Which objects the state is made of: equal before and after for the same training."""
    found: dict[str, Any] = {}
    for name, module in training.model.named_modules(remove_duplicate=False):
        found[name] = id(module)
        for key, tensor in [*module._parameters.items(), *module._buffers.items()]:
            found[f"{name}.{key}"] = tensor_identity(tensor)
    for index, group in enumerate(training.optimizer.param_groups):
        found[f"group {index}"] = id(group), [id(p) for p in group["params"]]
        found[f"group {index} tensors"] = {
            key: tensor_identity(value) for key, value in group.items() if key != "params"
        }
        for number, p in enumerate(group["params"]):
            state = training.optimizer.state.get(p)
            found[f"state {index} {number}"] = state is not None and {
                key: tensor_identity(value) for key, value in state.items()
            }
    found["optimizer"] = id(training.optimizer.state), id(training.optimizer.param_groups)
    found["iterator"] = id(vars(training.loader)["_iterator"])
    found["loader"] = sorted(vars(training.loader))
    if training.scaler is not None:
        found["scale"] = tensor_identity(training.scaler._scale)
    return found


def tensor_identity(value: Any) -> Any:
    if isinstance(value, torch.nn.parameter.UninitializedTensorMixin):
        return id(value)
    if not isinstance(value, Tensor):
        return None
    address = value.data_ptr() if value.layout == torch.strided else 0
    return id(value), address, value._version, id(value.grad) if value.is_leaf else None


def assert_same(now: dict[str, Any], before: dict[str, Any]) -> None:
    """Equal, or the names of what differs; the values themselves would fill pages."""
    assert now.keys() == before.keys(), now.keys() ^ before.keys()
    different = [name for name in before if now[name] != before[name]]
    assert not different, f"changed: {different}"
