"""A loop of another kind: two networks, two optimizers, one hand-written step.

A small GAN learns eight spots on a circle. Its own losses say nothing about its quality, so the
step is judged by the energy distance between a generated and a real batch.

Find its rate:       etastar find examples/gan_step.py:task
Find and train it:   python examples/gan_step.py

Shapes: B points per batch.
"""

import math

import torch
from torch import nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader, TensorDataset

import etastar as es

STEPS = 600
NOISE = 8


def circle(count):
    """Points scattered around eight spots of the unit circle, (count, 2)."""
    angles = torch.randint(8, (count,)) * (math.pi / 4)
    return torch.stack([angles.cos(), angles.sin()], 1) + 0.05 * torch.randn(count, 2)


def network(inputs, outputs):
    return nn.Sequential(
        nn.Linear(inputs, 64),
        nn.LeakyReLU(0.2),
        nn.Linear(64, 64),
        nn.LeakyReLU(0.2),
        nn.Linear(64, outputs),
    )


def energy_distance(ones, others):
    """Zero where both sets of points are drawn from one distribution, else above (Székely)."""
    between = torch.cdist(ones, others).mean()
    return 2 * between - torch.cdist(ones, ones).mean() - torch.cdist(others, others).mean()


torch.manual_seed(0)
batches = DataLoader(TensorDataset(circle(4096)), batch_size=128, shuffle=True)
held_out, held_out_noise = circle(1000), torch.randn(1000, NOISE)
generator, critic = network(NOISE, 2), network(2, 1)
# The critic learns twice as fast. The ratio stays; the level of both is what is to be found.
generator_optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.9))
critic_optimizer = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.5, 0.9))


def step(batch):
    real = batch[0].requires_grad_()
    fake = generator(torch.randn(len(real), NOISE))

    critic_optimizer.zero_grad()
    critic_loss(real, fake.detach()).backward()
    critic_optimizer.step()

    generator_optimizer.zero_grad()
    softplus(-critic(fake)).mean().backward()
    generator_optimizer.step()
    return energy_distance(fake.detach(), real.detach())


def critic_loss(real, fake):
    """Tells real from fake; its slope at real points is kept small (R1, arXiv:1801.04406)."""
    score = critic(real)
    (slope,) = torch.autograd.grad(score.sum(), real, create_graph=True)
    doubt = softplus(-score) + softplus(critic(fake))
    return doubt.mean() + 0.5 * slope.square().sum(1).mean()


@torch.no_grad()
def evaluate():
    return energy_distance(generator(held_out_noise), held_out)


task = es.Task.from_step(
    step,
    state=[generator, critic],
    optimizers=[generator_optimizer, critic_optimizer],
    train=batches,
    evaluate=evaluate,
    steps=STEPS,
    name="gan",
)


def main():
    finding = es.find(task)
    print(finding)
    if finding.schedule is None:
        raise SystemExit(3)

    # One found multiplier moves both: the critic's schedule is the generator's, doubled.
    schedules = [
        es.attach(generator_optimizer, lr=finding.schedule),
        es.attach(critic_optimizer, lr=finding.schedule.scale(2)),
    ]
    done = 0
    while done < STEPS:
        for batch in batches:
            step(batch)
            for schedule in schedules:
                schedule.step()
            done += 1
            if done == STEPS:
                break
    print(f"energy distance to held-out points {evaluate().item():.4f}")


if __name__ == "__main__":
    main()
