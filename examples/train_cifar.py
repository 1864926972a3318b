"""An ordinary CIFAR-10 training script, and what etastar adds to it.

Find its rate:       etastar find examples/train_cifar.py:task
Find and train it:   python examples/train_cifar.py --epochs 8

The images come from the folder named by ETASTAR_DATA, or are downloaded once (170 MB).
"""

import argparse
import dataclasses

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import etastar as es
from etastar.tasks.data.cifar10 import cifar10

EPOCHS = 8


class Net(nn.Module):
    """Three convolutions, batch normalisation, dropout."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(block(3, 16), block(16, 32), block(32, 64))
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(64 * 4 * 4, 10))

    def forward(self, images):
        """Images, (B, 3, 32, 32), to class scores, (B, 10)."""
        return self.head(self.features(images))


def block(narrow, wide):
    return nn.Sequential(
        nn.Conv2d(narrow, wide, 3, padding=1, bias=False),
        nn.BatchNorm2d(wide),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )


def loss(model, batch):
    images, classes = batch
    return nn.functional.cross_entropy(model(images), classes)


torch.manual_seed(0)
training, held_out = cifar10(train=5_000, valid=1_000)  # a tenth of it: a run of seconds
train_loader = DataLoader(TensorDataset(*training), batch_size=64, shuffle=True, drop_last=True)
valid_loader = DataLoader(TensorDataset(*held_out), batch_size=500)
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)

task = es.Task(
    model, optimizer, loss, train_loader, valid=valid_loader, epochs=EPOCHS, name="train_cifar"
)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Train on CIFAR-10 at the rate etastar finds.")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    epochs = parser.parse_args(arguments).epochs

    finding = es.find(dataclasses.replace(task, epochs=epochs))
    print(finding)
    if finding.schedule is None:  # no_answer: the loss never fell, or nothing was stable
        raise SystemExit(3)

    scheduler = es.attach(optimizer, lr=finding.schedule)
    for epoch in range(epochs):
        model.train()
        for batch in train_loader:
            optimizer.zero_grad()
            loss(model, batch).backward()
            optimizer.step()
            scheduler.step()
        print(f"epoch {epoch + 1}: accuracy on held-out images {accuracy():.1%}")


@torch.no_grad()
def accuracy():
    model.eval()
    right = [(model(images).argmax(1) == classes) for images, classes in valid_loader]
    return torch.cat(right).float().mean().item()


if __name__ == "__main__":
    main()
