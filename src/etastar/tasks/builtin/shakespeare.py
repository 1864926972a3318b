"""A small transformer that writes Shakespeare one character at a time.

Shapes: B windows per batch, T characters per window, D channels, H heads.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from etastar.schedules import Cosine
from etastar.tasks.data.shakespeare import RandomWindows, even_windows, shakespeare
from etastar.tasks.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 32
LENGTH = 64  # characters a window holds
WIDTH = 96
HEADS = 4
LAYERS = 3


def gpt() -> Task:
    """A decoder of three layers by AdamW, warmed up, decayed by a cosine, gradients clipped.

    Returns:
        2,000 steps of 2,048 characters, four passes over the text.
    """
    text = shakespeare()
    steps = 2000
    return Task(
        partial(GPT, alphabet=len(text.alphabet)),
        partial(torch.optim.AdamW, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1),
        _cross_entropy,
        RandomWindows(text.train, size=BATCH, length=LENGTH),
        valid=even_windows(text.valid, size=4 * BATCH, length=LENGTH, batches=8),
        steps=steps,
        schedule=Cosine(steps=steps, warmup_steps=100),
        clip_norm=1.0,
        name="shakespeare-gpt",
    )


class GPT(nn.Module):
    """Reads characters and predicts, at each place, the one that follows.

    References: Radford et al., Language Models are Unsupervised Multitask Learners, 2019.
    """

    def __init__(self, alphabet: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(alphabet, WIDTH)
        self.places = nn.Embedding(LENGTH, WIDTH)
        self.layers = nn.Sequential(*(Layer() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, alphabet, bias=False)
        self.apply(_initialised)

    def forward(self, codes: Tensor) -> Tensor:
        """Scores of the next character after each prefix.

        Args:
            codes: characters as numbers, (B, T) int64 with T up to `LENGTH`.

        Returns:
            Logits, (B, T, alphabet).
        """
        places = torch.arange(codes.shape[-1], device=codes.device)
        stream = self.characters(codes) + self.places(places)  # (B, T, D)
        return self.head(self.norm(self.layers(stream)))


class Layer(nn.Module):
    """Attention over the past, then a two-layer network per character."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.queries_keys_values = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.projection = nn.Linear(WIDTH, WIDTH, bias=False)
        self.network = nn.Sequential(
            nn.LayerNorm(WIDTH),
            nn.Linear(WIDTH, 4 * WIDTH, bias=False),
            nn.GELU(),
            nn.Linear(4 * WIDTH, WIDTH, bias=False),
        )

    def forward(self, stream: Tensor) -> Tensor:
        """Adds what attention and the network find.

        Returns:
            (B, T, D), like the stream.
        """
        stream = stream + self._attended(self.attention_norm(stream))
        return stream + self.network(stream)

    def _attended(self, stream: Tensor) -> Tensor:
        windows, length, width = stream.shape
        heads = self.queries_keys_values(stream).view(windows, length, 3, HEADS, width // HEADS)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (B, H, T, D/H)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.projection(mixed.transpose(1, 2).reshape(windows, length, width))


def _initialised(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


def _cross_entropy(model: Callable[[Tensor], Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
    inputs, targets = batch
    return nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
