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


def coin_flips(judged: slice = slice(256, None), **changes: object) -> Task:
    """Labels that have nothing to do with the inputs."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(512, 12, generator=generator)
    labels = torch.randint(0, 4, (512,), generator=generator)
    parts = {
        "model": classifier,
        "optimizer": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
        "criterion": nn.functional.cross_entropy,
        "train": ShuffledBatches(inputs[:256], labels[:256], size=32),
        "valid": [(inputs[judged], labels[judged])],
        "steps": 600,
        **changes,
    }
    return Task(**parts)  # type: ignore[arg-type]


def test_random_labels_give_no_confident_answer() -> None:
    for seed in range(3):
        finding = es.find(coin_flips(), seed=seed, progress=False)
        assert finding.verdict in {"no_answer", "uncertain"}


class Shifted(nn.Module):
    """A frozen net whose outputs alone can be moved."""

    def __init__(self, reach: float) -> None:
        super().__init__()
        self.body = classifier().requires_grad_(False)
        self.shift = nn.Parameter(torch.zeros(4 if reach else 1))
        self.reach = reach

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        moved = self.reach * torch.tanh(self.shift) if self.reach else self.shift
        return self.body(inputs) + moved


def test_a_frozen_model_gives_no_answer() -> None:
    """A shift of all outputs cancels in the softmax: what is left of it is rounding."""
    finding = es.find(coin_flips(model=partial(Shifted, 0.0)), progress=False)
    assert finding.verdict == "no_answer"
    assert finding.lr is None
    assert "the model may be trained already" in finding.reason


def test_a_model_that_hardly_learns_gives_no_answer() -> None:
    """Each output moves by a thousandth at most: the loss falls, and says nothing of rates."""
    learnt = coin_flips(judged=slice(256), model=partial(Shifted, 1e-3))
    finding = es.find(learnt, progress=False)
    assert finding.verdict == "no_answer"
    assert finding.lr is None
    assert "too little to tell rates apart" in finding.reason
