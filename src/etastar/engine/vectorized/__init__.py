"""Many rates in one batched pass, by `torch.func`.

Reading order: `engine` (what is called), `training` (trials side by side), `batched` (one step of
all slices), `slices`, `dropout`, `noise` and `optimizer` (the stacked weights, what falls out of
them, what each draws for itself, and what moves them), `seeds`, `stacking`, `watch` and `makes`
(several seeds at once, and whether they may be), `proof` and `obstacles` (whether a task can be
batched).
"""

from etastar.engine.vectorized.engine import Vectorized
from etastar.engine.vectorized.proof import why_not

__all__ = ["Vectorized", "why_not"]
