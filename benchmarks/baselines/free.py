"""Trainers without a rate: Prodigy, D-Adaptation, Schedule-Free and DoG, by their own packages.

Each takes the place of the task's optimizer and keeps its parameter groups, weight decay and,
where it has them, momentum and betas. Everything else of the task stays.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from etastar.engine import Sequential
from etastar.engine.sequential import tail_steps
from etastar.tasks.checks import base_rates
from etastar.training.batches import Stream, move, samples
from etastar.training.live import FORWARD_COST, LiveTask, living
from etastar.training.loss import batch_loss

from .contract import AbstractTrainer
from .parts import model_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from etastar.tasks import Task

    from .contract import Meter

WARMUP = 0.05
"""Share of the run over which Schedule-Free warms up; its authors recommend a warmup."""

RECALIBRATION = 50
"""Batches that renew batch norm's statistics before Schedule-Free is judged, as it advises."""


class Prodigy(AbstractTrainer):
    """Prodigy at its rate of 1, under the task's schedule.

    Its authors advise no schedule or a cosine to zero, and `safeguard_warmup` with a warmup.

    References: Mishchenko & Defazio, 2024. arXiv:2306.06101
    """

    name = "Prodigy"

    def run(self, task: Task, seed: int, meter: Meter) -> float:
        """Train with it."""
        from prodigyopt import Prodigy as Optimizer

        warms_up = float(task.shape(0)) < 0.999 * float(task.shape.maximum)

        def new(old: torch.optim.Optimizer) -> torch.optim.Optimizer:
            return Optimizer(
                groups(old), decouple=decoupled(old), safeguard_warmup=warms_up, **betas(old)
            )

        return scheduled(task, new, seed, meter)


@dataclass(frozen=True)
class DAdaptation(AbstractTrainer):
    """DAdaptSGD for SGD, DAdaptAdam for all else, at their rate of 1, under the task's schedule.

    Its authors advise the schedule one would use anyway. It has no Nesterov momentum.

    Args:
        adam: DAdaptAdam for SGD, too.

    References: Defazio & Mishchenko, 2023. arXiv:2301.07733
    """

    adam: bool = False

    @property
    def name(self) -> str:
        """What tables call it."""
        return "D-Adaptation, always Adam" if self.adam else "D-Adaptation"

    def run(self, task: Task, seed: int, meter: Meter) -> float:
        """Train with it."""
        from dadaptation import DAdaptAdam, DAdaptSGD

        def new(old: torch.optim.Optimizer) -> torch.optim.Optimizer:
            if isinstance(old, torch.optim.SGD) and not self.adam:
                return DAdaptSGD(groups(old), momentum=old.param_groups[0]["momentum"])
            return DAdaptAdam(groups(old), decouple=decoupled(old), **betas(old))

        return scheduled(task, new, seed, meter)


class ScheduleFree(AbstractTrainer):
    """SGDScheduleFree or AdamWScheduleFree at the package's default rate, with its own warmup.

    It trains in its `train()` mode and is judged in its `eval()` mode; forgetting to switch
    would judge the wrong weights. Without validation data the loss is that of the training mode.

    References: Defazio et al., 2024. arXiv:2405.15682
    """

    name = "Schedule-Free"

    def run(self, task: Task, seed: int, meter: Meter) -> float:
        """Train with it."""
        from schedulefree import AdamWScheduleFree, SGDScheduleFree

        warmup = round(WARMUP * task.horizon)

        def new(old: torch.optim.Optimizer) -> torch.optim.Optimizer:
            if isinstance(old, torch.optim.SGD):
                return SGDScheduleFree(groups(old, rate=1.0), warmup_steps=warmup)
            rate = 0.0025
            return AdamWScheduleFree(groups(old, rate=rate), warmup_steps=warmup, **betas(old))

        with living(replaced(task, new)) as live:
            live.begin(seed)
            optimizer: Any = live.optimizers[0]
            optimizer.train()
            losses = constant(live, task.horizon)
            if math.isfinite(losses[-1]):
                optimizer.eval()
                recalibrate(task, model_of(live), meter)
            return judged(live, losses, meter)


class DoG(AbstractTrainer):
    """Distance over gradients without a schedule, its averaged weights judged.

    The first step is 1e-6 of the weights' norm, 1e-4 with batch norm, as its authors advise.

    References: Ivgi, Hinder & Carmon, 2023. arXiv:2302.12022
    """

    name = "DoG"

    def run(self, task: Task, seed: int, meter: Meter) -> float:
        """Train with it."""
        from dog import DoG as Optimizer
        from dog import PolynomialDecayAverager

        def new(old: torch.optim.Optimizer) -> torch.optim.Optimizer:
            return Optimizer(groups(old), reps_rel=first_step)

        with living(task) as live:
            live.begin(seed)
            first_step = 1e-4 if normalises(model_of(live)) else 1e-6
        with living(replaced(task, new)) as live:
            live.begin(seed)
            model = model_of(live)
            averager = PolynomialDecayAverager(model)
            losses = constant(live, task.horizon, after=averager.step)
            model.load_state_dict(averager.averaged_model.state_dict())
            return judged(live, losses, meter)


def groups(old: torch.optim.Optimizer, rate: float = 1.0) -> list[dict[str, Any]]:
    """The optimizer's groups with their weight decay, all at one rate; those at 0 stay there."""
    return [
        {
            "params": [p for p in group["params"] if p.requires_grad],
            "lr": rate if base > 0 else 0.0,
            "weight_decay": group.get("weight_decay", 0.0),
        }
        for group, base in zip(old.param_groups, base_rates([old]), strict=True)
    ]


def decoupled(old: torch.optim.Optimizer) -> bool:
    """Whether weight decay acts beside the gradient (AdamW) rather than within it."""
    group = old.param_groups[0]
    return bool(group.get("decoupled_weight_decay")) or isinstance(old, torch.optim.AdamW)


def betas(old: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimizer's own betas, where it has any."""
    found = old.param_groups[0].get("betas")
    return {} if found is None else {"betas": tuple(found)}


def replaced(task: Task, new: Callable[[torch.optim.Optimizer], torch.optim.Optimizer]) -> Task:
    """The task with another optimizer over the same groups."""
    model, optimizer = task.model, task.optimizer
    if optimizer is None:  # the model's factory makes both

        def both() -> tuple[Any, torch.optim.Optimizer]:
            module, old = model()
            return module, new(old)

        return dataclasses.replace(task, model=both)
    return dataclasses.replace(task, optimizer=lambda params: new(optimizer(params)))


def scheduled(
    task: Task,
    new: Callable[[torch.optim.Optimizer], torch.optim.Optimizer],
    seed: int,
    meter: Meter,
) -> float:
    """A full run at a rate of 1 under the task's schedule."""
    (trial,) = Sequential().train(replaced(task, new), [1.0], [seed], task.horizon)
    meter.pay(trial.sample_gradients)
    return trial.final_loss


def constant(live: LiveTask, steps: int, after: Callable[[], object] | None = None) -> list[float]:
    """Training losses of a run at the optimizer's own rate, up to the first that is not finite."""
    losses: list[float] = []
    for _ in range(steps):
        losses.append(live.step(live.rates.reference))
        if not math.isfinite(losses[-1]):
            break
        if after is not None:
            after()
    return losses


def judged(live: LiveTask, losses: list[float], meter: Meter) -> float:
    """The final loss as trials are judged; NaN where the run was lost."""
    try:
        if not math.isfinite(losses[-1]):
            return math.nan
        loss = live.evaluate()
        if loss is None:
            loss = float(np.mean(losses[-tail_steps(len(losses)) :]))
        return loss if live.sound else math.nan
    finally:
        meter.pay(live.sample_gradients)


def normalises(model: nn.Module) -> bool:
    """Whether the model has batch norm."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())


def recalibrate(task: Task, model: nn.Module, meter: Meter) -> None:
    """Renew batch norm's statistics at the present weights."""
    if not normalises(model):
        return
    device = next(model.parameters()).device
    loss, stream = batch_loss(task, model), Stream(task.train, "train")
    model.train()
    with torch.no_grad():
        for _ in range(RECALIBRATION):
            batch = move(stream.next(), device)
            loss(batch)
            meter.pay(FORWARD_COST * samples(batch))
    stream.close()
