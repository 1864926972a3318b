"""Compiled optimizer steps read scheduled tensor rates without being compiled again."""

import pytest
import torch
from torch._dynamo.utils import counters

from etastar import schedules as es
from etastar.training.attach import attach


@pytest.mark.filterwarnings("ignore:.*torch.jit.*is deprecated:DeprecationWarning")  # torch's own
@pytest.mark.parametrize("compiled_method", [False, True])
def test_at_most_one_recompilation_over_50_steps(compiled_method):
    torch._dynamo.reset()
    counters.clear()
    weights = [torch.nn.Parameter(torch.ones(3)) for _ in range(2)]
    groups = [
        {"params": [w], "lr": torch.tensor(lr)} for w, lr in zip(weights, (0.1, 0.2), strict=True)
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.1)
    schedule = es.Cosine(steps=50, peak=0.1, warmup_steps=5)
    scheduler = attach(optimizer, lr=schedule)
    for weight in weights:
        weight.grad = torch.ones(3)
    # The backend only records what is compiled: how often is the question, not into what.
    update = torch.compile(
        optimizer.step if compiled_method else lambda: optimizer.step(), backend="eager"
    )
    for step in range(50):
        assert float(optimizer.param_groups[0]["lr"]) == pytest.approx(schedule(step), rel=1e-6)
        update()
        scheduler.step()
    assert scheduler.last_epoch == 50
    graphs = counters["stats"]["unique_graphs"]
    assert 1 <= graphs <= 2
    torch._dynamo.reset()
