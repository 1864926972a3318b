"""A straight line by full-batch gradient descent: the one task whose answer is known exactly."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from etastar.schedules import Constant
from etastar.tasks.task import Task

STEPS = 100


def line() -> Task:
    r"""Least squares of y = a·x + b on 17 points with mean(x) = 0 and mean(x²) = 3/8.

    The loss mean((a·x + b − y)²) has curvature 2·mean(x²) = 0.75 along a and 2 along b, so
    gradient descent converges below the rate 2/2 = 1.0, circles there, and diverges above it.
    Fastest is 2/(2 + 0.75) ≈ 0.73, where both errors shrink by 0.45 per step. Along b a step
    multiplies the error by 1 − 2·lr.

    The targets scatter around the line, so the loss ends above 0: at 0 it would be rounding.

    Returns:
        100 steps at a constant rate, judged on the training loss.
    """
    return Task(
        partial(nn.Linear, 1, 1),
        partial(torch.optim.SGD, lr=0.1),
        criterion=nn.functional.mse_loss,
        train=[points()],
        steps=STEPS,
        schedule=Constant(steps=STEPS),
        name="line",
    )


def points() -> tuple[Tensor, Tensor]:
    """The 17 points.

    Returns:
        x from −1 to 1 in eighths, exact in binary, and y, both (17, 1) float32.
    """
    x = torch.arange(-8, 9).unsqueeze(1) / 8
    scatter = 0.1 * torch.cos(37 * x)
    return x, 2 * x + 1 + scatter
