"""Four networks on scikit-learn's handwritten digits. Shapes: B images per batch, (1, 8, 8)."""

from __future__ import annotations

from functools import cache, partial

import torch
from torch import Tensor, nn

from etastar.schedules import Cosine, Linear, OneCycle
from etastar.tasks import Task
from etastar.tasks.data.batches import ShuffledBatches
from etastar.tasks.data.bundled import digits

smoothed = partial(nn.functional.cross_entropy, label_smoothing=0.1)


def one_cycle() -> Task:
    """Plain convolutions by SGD with momentum, 1cycle."""
    train, valid = digits()
    return Task(
        _cnn,
        partial(torch.optim.SGD, lr=0.01, momentum=0.9, weight_decay=1e-3),
        criterion=smoothed,
        train=ShuffledBatches(*train, size=32),
        valid=[valid],
        steps=900,
        schedule=OneCycle(steps=900),
        name="digits-1cycle",
    )


def gru() -> Task:
    """Images read row by row by a gated recurrent net, RMSprop, linear decay."""
    train, valid = digits()
    return Task(
        partial(Rows, width=32),
        partial(torch.optim.RMSprop, lr=1e-2),
        criterion=smoothed,
        train=ShuffledBatches(*train, size=32),
        valid=[valid],
        steps=800,
        schedule=Linear(steps=800),
        clip_norm=5.0,
        name="digits-gru",
    )


def noisy_labels() -> Task:
    """A perceptron whose training labels are wrong in a third of the cases, RMSprop, cosine."""
    (images, classes), valid = digits()
    generator = torch.Generator().manual_seed(0)
    wrong = torch.rand(len(classes), generator=generator) < 1 / 3
    shifts = torch.randint(1, 10, (len(classes),), generator=generator)
    labels = torch.where(wrong, (classes + shifts) % 10, classes)
    return Task(
        _mlp,
        partial(torch.optim.RMSprop, lr=1e-2),
        criterion=nn.functional.cross_entropy,
        train=ShuffledBatches(images, labels, size=64),
        valid=[valid],
        steps=600,
        schedule=Cosine(steps=600),
        name="digits-noisy-labels",
    )


def finetune() -> Task:
    """A net that knows 0 to 4 learns 5 to 9 by AdamW, warmed up, linear decay."""
    (images, classes), (valid_images, valid_classes) = digits()
    new, valid_new = classes >= 5, valid_classes >= 5
    return Task(
        _pretrained,
        partial(torch.optim.AdamW, lr=1e-3, weight_decay=1e-2),
        criterion=smoothed,
        train=ShuffledBatches(images[new], classes[new] - 5, size=32),
        valid=[(valid_images[valid_new], valid_classes[valid_new] - 5)],
        steps=600,
        schedule=Linear(steps=600, warmup_steps=30),
        name="digits-finetune",
    )


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def _cnn(classes: int = 10) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, classes),
    )


class Rows(nn.Module):
    """A GRU over the eight rows of an image."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reader = nn.GRU(8, width, batch_first=True)
        self.head = nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores, (B, 10)."""
        states, _ = self.reader(images.flatten(1, 2))
        return self.head(states[:, -1])


@cache
def _known() -> dict[str, Tensor]:
    """Weights after learning the digits 0 to 4, the same in every run."""
    (images, classes), _ = digits()
    old = classes < 5
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = _cnn(5)
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        batches = ShuffledBatches(images[old], classes[old], size=64)
        for _ in range(20):
            for inputs, targets in batches:
                optimizer.zero_grad()
                smoothed(model(inputs), targets).backward()
                optimizer.step()
    return {name: value.clone() for name, value in model.state_dict().items()}


def _pretrained() -> nn.Module:
    model = _cnn(5)
    body = {name: value for name, value in _known().items() if not name.startswith("7.")}
    model.load_state_dict(body, strict=False)  # the head is new
    return model
