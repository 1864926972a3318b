"""Data sets that come with scikit-learn, split and standardised. No network.

Shapes: N examples, F features. Statistics come from the training part alone.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch

from etastar.tasks.data.batches import Split, held_out
from etastar.tasks.data.extras import needs

if TYPE_CHECKING:
    from torch import Tensor

# A small held-out part makes its loss a lottery between seeds; 40 % keeps it comparable.
HELD_OUT = 0.4


@cache
def digits() -> Split:
    """1,797 handwritten digits of 8 × 8 pixels.

    Returns:
        Pixels in [0, 1], (N, 1, 8, 8) float32, and classes 0 to 9, (N,) int64.
    """
    with needs("scikit-learn"):
        from sklearn.datasets import load_digits
    pixels, classes = load_digits(return_X_y=True)
    inputs = torch.tensor(pixels / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    return _split(inputs, torch.tensor(classes, dtype=torch.int64))


@cache
def diabetes() -> Split:
    """442 patients: ten measurements, and the progression of the disease one year later.

    Returns:
        Standardised features, (N, 10) float32, and standardised progression, (N, 1) float32.
    """
    with needs("scikit-learn"):
        from sklearn.datasets import load_diabetes
    features, progression = load_diabetes(return_X_y=True)
    split = _split(_float32(features), _float32(progression).unsqueeze(1))
    (train, train_y), (valid, valid_y) = split
    train, valid = _standardised(train, valid)
    train_y, valid_y = _standardised(train_y, valid_y)
    return Split((train, train_y), (valid, valid_y))


@cache
def cancer() -> Split:
    """569 tumours: thirty measurements of cell nuclei, benign (1) or malignant (0).

    Returns:
        Standardised features, (N, 30) float32, and labels 0 or 1, (N, 1) float32.
    """
    with needs("scikit-learn"):
        from sklearn.datasets import load_breast_cancer
    features, labels = load_breast_cancer(return_X_y=True)
    (train, train_y), (valid, valid_y) = _split(_float32(features), _float32(labels).unsqueeze(1))
    train, valid = _standardised(train, valid)
    return Split((train, train_y), (valid, valid_y))


def _float32(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def _split(inputs: Tensor, targets: Tensor) -> Split:
    train, valid = held_out(len(inputs), HELD_OUT)
    return Split((inputs[train], targets[train]), (inputs[valid], targets[valid]))


def _standardised(train: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    mean, deviation = train.mean(0), train.std(0)
    return (train - mean) / deviation, (valid - mean) / deviation
