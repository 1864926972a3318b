"""Parts of a task that cannot be batched."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from etastar.engine.vectorized.optimizer import LINEAR
from etastar.engine.vectorized.slices import places
from etastar.engine.vectorized.weights import loss_modules
from etastar.tasks import Task
from etastar.training.live import Parts
from etastar.training.update import needs_closure


def task_obstacle(task: Task) -> str | None:
    """What of a task stands in the way, as far as it shows before anything is built.

    Returns:
        The reason in a few words; None where there is none.
    """
    if task.step is not None:
        return "its step(batch) does the whole update itself"
    if task.scaler is not None or task.autocast == "float16":
        return "a GradScaler watches the gradients of a single model"
    return None


def obstacle(task: Task, parts: Parts) -> str | None:
    """What of a built task stands in the way.

    Returns:
        The reason in a few words; None where there is none.
    """
    (optimizer,) = parts.optimizers
    kind = type(optimizer).__name__
    if needs_closure(optimizer):
        return f"{kind} evaluates the loss several times per step"
    if type(optimizer) not in LINEAR:
        known = ", ".join(known.__name__ for known in LINEAR)
        return f"{kind} is not known to move weights in proportion to the rate, as {known} do"
    if _hooks(optimizer, "_optimizer_step_pre_hooks", "_optimizer_step_post_hooks"):
        return "hooks on its optimizer expect a single model"
    if parts.judge is None:
        return "its loss is not known"
    return _module_obstacle(task, parts, parts.judge.model)


def _module_obstacle(task: Task, parts: Parts, model: nn.Module) -> str | None:
    modules = loss_modules(task, model)
    trained = list(parts.trained())
    inner = [part for module in modules for part in module.modules()]
    if any("_parameters" not in vars(part) for part in inner):
        return "TorchScript keeps the weights of its model to itself"
    held = {id(weight) for weight in parts.parameters()}
    loose = [p for p in model.parameters() if id(p) not in held]
    found = {
        "some of its layers get their shape from the first batch": any(map(is_lazy, trained)),
        "its optimizer holds weights that are not the model's": not all(places(modules, trained)),
        "hooks on its weights expect a single model": any(
            _hooks(weight, "_backward_hooks", "_post_accumulate_grad_hooks") for weight in trained
        ),
        "backward hooks in its model expect a single model": any(
            _hooks(part, "_backward_hooks", "_backward_pre_hooks") for part in inner
        ),
        "its embeddings have sparse gradients": any(
            getattr(part, "sparse", False) is True for part in inner
        ),
        "gradients that its optimizer does not use count in the clipped norm": (
            task.clip_norm is not None and any(p.requires_grad or p.grad is not None for p in loose)
        ),
    }
    return next((reason for reason, stands in found.items() if stands), None)


def _hooks(holder: Any, *names: str) -> bool:
    return any(getattr(holder, name, None) for name in names)
