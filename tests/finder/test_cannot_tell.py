"""Where there is nothing to find, the finder does not claim to have found it."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

import etastar as es
from etastar.tasks import Task
from etastar.tasks.data.batches import ShuffledBatches


def classifier() -> nn.Module:
    return nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 4))


def coin_flips(**changes: object) -> Task:
    """Labels that have nothing to do with the inputs."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(512, 12, generator=generator)
    labels = torch.randint(0, 4, (512,), generator=generator)
    parts = {
        "model": classifier,
        "optimizer": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
        "criterion": nn.functional.cross_entropy,
        "train": ShuffledBatches(inputs[:256], labels[:256], size=32),
        "valid": [(inputs[256:], labels[256:])],
        "steps": 600,
        **changes,
    }
    return Task(**parts)  # type: ignore[arg-type]


def test_random_labels_give_no_confident_answer() -> None:
    for seed in range(3):
        finding = es.find(coin_flips(), seed=seed, progress=False)
        assert finding.verdict in {"no_answer", "uncertain"}


def frozen() -> nn.Module:
    """Trains a bias that cancels in the softmax: whatever it becomes, the loss stays."""

    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = classifier().requires_grad_(False)
            self.shift = nn.Parameter(torch.zeros(1))

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.body(inputs) + self.shift

    return Shifted()


def test_a_frozen_model_gives_no_answer() -> None:
    finding = es.find(coin_flips(model=frozen), progress=False)
    assert finding.verdict == "no_answer"
    assert finding.lr is None
    assert "too little to tell rates apart" in finding.reason
