"""Draw the pictures of docs/schedules.md.

python docs/draw_schedules.py
"""

from __future__ import annotations

from pathlib import Path

from etastar.report.schedule_figure import gallery_figure, save, schedule_figure
from etastar.schedules import Cosine, compat

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    save(gallery_figure(), str(IMAGES / "schedules.png"))
    waves = {
        "etastar Cosine: held": Cosine(steps=100, warmup_steps=10),
        "torch CosineAnnealingLR: climbs again": compat.torch.CosineAnnealingLR(T_max=100),
        "transformers cosine: climbs again": compat.transformers.get_scheduler(
            "cosine", num_warmup_steps=10, num_training_steps=100
        ),
        "timm CosineLRScheduler: never at its peak": compat.timm.CosineLRScheduler(
            t_initial=100, warmup_t=10
        ),
    }
    save(schedule_figure(waves, past=0.6), str(IMAGES / "schedule_ends.png"))


if __name__ == "__main__":
    main()
