"""The learning rate for a training loop of your own: handwritten digits, a few seconds.

Run: python examples/own_loop.py
"""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import etastar as es

EPOCHS = 30

torch.manual_seed(0)
pixels, classes = load_digits(return_X_y=True)
data = TensorDataset(torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(classes))
training, held_out = random_split(data, [1078, 719])
train = DataLoader(training, batch_size=64, shuffle=True, drop_last=True)
valid = DataLoader(held_out, batch_size=719)

model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def loss(model, batch):
    inputs, targets = batch
    return nn.functional.cross_entropy(model(inputs), targets)


# Everything above is an ordinary script. These three lines find the rate and follow it.
finding = es.find(model, optimizer, loss, train, valid=valid, steps=EPOCHS * len(train))
print(finding)
schedule = es.attach(optimizer, lr=finding.schedule)

for _epoch in range(EPOCHS):
    for batch in train:
        optimizer.zero_grad()
        loss(model, batch).backward()
        optimizer.step()
        schedule.step()

with torch.no_grad():
    print(f"held-out loss {sum(loss(model, batch).item() for batch in valid):.4f}")
