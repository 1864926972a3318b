"""Gradient clipping, for every slice by itself.

Shapes: K slices, one per learning rate; … the shape of a weight.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def clip_norm(gradients: Sequence[Tensor], limit: float) -> list[Tensor]:
    """Scale every slice's gradients so that their global norm is at most `limit`.

    As `torch.nn.utils.clip_grad_norm_` does for one model, but not in place: gradients may
    share memory.

    Args:
        gradients: each (K, …).
        limit: upper bound on the norm.

    Returns:
        Each (K, …).
    """
    if not gradients:
        return []
    norms = [torch.linalg.vector_norm(g.reshape(len(g), -1), dim=1) for g in gradients]
    total = torch.linalg.vector_norm(torch.stack([norm.to(norms[0]) for norm in norms]), dim=0)
    scale = (limit / (total + 1e-6)).clamp(max=1.0)  # (K,)
    return [g * scale.to(g.device, g.dtype).view(-1, *[1] * (g.dim() - 1)) for g in gradients]


def clip_value(gradients: Sequence[Tensor], limit: float) -> list[Tensor]:
    """Bound the magnitude of every number by `limit`.

    Returns:
        Each (K, …).
    """
    return [gradient.clamp(-limit, limit) for gradient in gradients]
