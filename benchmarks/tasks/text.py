"""Four networks that read Shakespeare by the letter.

Shapes: B windows per batch, T characters per window, D channels, H heads, A letters.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from etastar.schedules import Constant, Cosine, Linear, WarmupStableDecay
from etastar.tasks import Task
from etastar.tasks.data.shakespeare import RandomWindows, even_windows, shakespeare

if TYPE_CHECKING:
    from collections.abc import Callable

    from etastar.schedules import Schedule

BATCH, LENGTH, WIDTH, HEADS = 8, 32, 48, 4
RANK = 4


def gpt() -> Task:
    """Two transformer layers by AdamW, warmed up, cosine, clipped."""
    return _task("text-gpt", GPT, _adamw(), Cosine(steps=1000, warmup_steps=50))


def gpt_wsd() -> Task:
    """Two transformer layers by AdamW, warmup, stable, decay."""
    shape = WarmupStableDecay(steps=1200, warmup_steps=60, decay_steps=240)
    return _task("text-gpt-wsd", GPT, _adamw(), shape)


def gru() -> Task:
    """A gated recurrent net by Adam at a constant rate."""
    return _task("text-gru", Recurrent, partial(torch.optim.Adam, lr=1e-3), Constant(steps=1000))


def lora() -> Task:
    """Low-rank updates teach a net that knows only small letters the real text, AdamW, linear."""
    adamw = partial(torch.optim.AdamW, lr=1e-3, weight_decay=0.0)
    return _task("text-lora", _adapted, adamw, Linear(steps=800, warmup_steps=40))


def _adamw() -> Callable[..., torch.optim.Optimizer]:
    return partial(torch.optim.AdamW, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)


def _task(
    name: str,
    model: Callable[[int], nn.Module],
    optimizer: Callable[..., torch.optim.Optimizer],
    schedule: Schedule,
) -> Task:
    text = shakespeare()
    return Task(
        partial(model, len(text.alphabet)),
        optimizer,
        _cross_entropy,
        RandomWindows(text.train, size=BATCH, length=LENGTH),
        valid=even_windows(text.valid, size=128, length=LENGTH, batches=2),
        steps=schedule.steps,
        schedule=schedule,
        clip_norm=1.0,
        name=name,
    )


class GPT(nn.Module):
    """Reads characters and predicts, at each place, the one that follows."""

    def __init__(self, alphabet: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(alphabet, WIDTH)
        self.places = nn.Embedding(LENGTH, WIDTH)
        self.layers = nn.Sequential(Layer(), Layer())
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, alphabet, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits, (B, T, A)."""
        places = torch.arange(codes.shape[-1])
        return self.head(self.norm(self.layers(self.characters(codes) + self.places(places))))


class Layer(nn.Module):
    """Attention over the past, then a two-layer network per character."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.queries_keys_values = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.projection = nn.Linear(WIDTH, WIDTH, bias=False)
        self.network = nn.Sequential(
            nn.LayerNorm(WIDTH),
            nn.Linear(WIDTH, 4 * WIDTH, bias=False),
            nn.GELU(),
            nn.Linear(4 * WIDTH, WIDTH, bias=False),
        )

    def forward(self, stream: Tensor) -> Tensor:
        """(B, T, D), like the stream."""
        windows, length, width = stream.shape
        heads = self.queries_keys_values(self.norm(stream))
        heads = heads.view(windows, length, 3, HEADS, width // HEADS)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (B, H, T, D/H)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        stream = stream + self.projection(mixed.transpose(1, 2).reshape(windows, length, width))
        return stream + self.network(stream)


class Recurrent(nn.Module):
    """A GRU that predicts, at each place, the next character."""

    def __init__(self, alphabet: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(alphabet, 24)
        self.reader = nn.GRU(24, 64, batch_first=True)
        self.head = nn.Linear(64, alphabet)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits, (B, T, A)."""
        states, _ = self.reader(self.characters(codes))
        return self.head(states)


class LowRank(nn.Module):
    """A frozen linear layer with a trained update of rank `RANK` (arXiv:2106.09685)."""

    def __init__(self, frozen: nn.Linear) -> None:
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(RANK, frozen.in_features) / frozen.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(frozen.out_features, RANK))

    def forward(self, inputs: Tensor) -> Tensor:
        """What the frozen layer gives, plus the update."""
        return self.frozen(inputs) + inputs @ self.down.T @ self.up.T


def _adapted(alphabet: int) -> nn.Module:
    model = GPT(alphabet)
    model.load_state_dict(_lowercase())
    model.requires_grad_(False)
    for layer in model.layers:
        assert isinstance(layer, Layer)
        layer.queries_keys_values = _low_rank(layer.queries_keys_values)
        layer.projection = _low_rank(layer.projection)
        layer.network[1] = _low_rank(layer.network[1])
        layer.network[3] = _low_rank(layer.network[3])
    model.head = _low_rank(model.head)
    return model


def _low_rank(layer: Any) -> Any:
    return LowRank(layer)


@cache
def _lowercase() -> dict[str, Tensor]:
    """Weights after reading the text in small letters, the same in every run."""
    text = shakespeare()
    table = torch.tensor([text.alphabet.index(letter.lower()) for letter in text.alphabet])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GPT(len(text.alphabet))
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        batches = iter(RandomWindows(table[text.train], size=BATCH, length=LENGTH))
        for step in range(800):
            for group in optimizer.param_groups:
                group["lr"] = 3e-3 * (1 - step / 800)
            optimizer.zero_grad()
            _cross_entropy(model, next(batches)).backward()
            optimizer.step()
    return {name: value.clone() for name, value in model.state_dict().items()}


def _cross_entropy(model: Callable[[Tensor], Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
    inputs, targets = batch
    return nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
