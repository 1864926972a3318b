"""Other libraries' schedules: their names, their parameters, their clocks, their ends.

Each module is named after its library and imports nothing of it:

>>> from etastar.schedules import compat
>>> compat.torch.CosineAnnealingLR(lr=0.1, T_max=100)(50)
0.05
>>> compat.transformers.get_scheduler("linear", num_warmup_steps=2, num_training_steps=10)(1)
0.5
"""

from __future__ import annotations

from etastar.schedules.compat import keras, optax, timm, torch, transformers
from etastar.schedules.compat.foreign import Foreign

__all__ = ["Foreign", "keras", "optax", "timm", "torch", "transformers"]
