"""The code a page offers, run as it is: plain PyTorch, Lightning, Trainer."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch

from etastar.report.page.code import snippets
from etastar.report.page.words import LANGUAGES, Words
from etastar.schedules import Cosine, Schedule

SCHEDULE = Cosine(steps=6, peak=0.0123456789)


def code(
    framework: str, settings: dict[str, float] | None = None, schedule: Schedule = SCHEDULE
) -> str:
    (found,) = [s for s in snippets(schedule, Words("en"), settings) if s.id == framework]
    return found.code


def rates(schedule: Schedule = SCHEDULE) -> list[float]:
    return [schedule(step) for step in range(schedule.steps)]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_plain_torch_trains_under_the_schedule(lang: str) -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    seen: list[float] = []

    def update() -> None:
        seen.append(optimizer.param_groups[0]["lr"])
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()

    (found, *_) = snippets(SCHEDULE, Words(lang))
    train = found.code.replace("    ...  #", "    update()  #")
    assert train != found.code
    exec(train, {"optimizer": optimizer, "train": range(6), "update": update})
    assert seen == pytest.approx(rates())


def test_settings_are_written_into_the_optimizer() -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
    text = code("torch", {"beta1": 0.8, "weight_decay": 0.01}).partition("for batch")[0]
    exec(text, {"optimizer": optimizer})
    group = optimizer.param_groups[0]
    assert group["betas"] == (0.8, 0.999)
    assert group["weight_decay"] == 0.01
    assert group["lr"] == pytest.approx(rates()[0])


def test_settings_keep_the_ratios_of_groups() -> None:
    """As the trials did: what had no weight decay gets none."""
    weight, bias = torch.nn.Linear(2, 1).parameters()
    groups = [{"params": [weight]}, {"params": [bias], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.5, weight_decay=0.01)
    text = code("torch", {"weight_decay": 5.0}).partition("for batch")[0]
    exec(text, {"optimizer": optimizer})
    assert [group["weight_decay"] for group in optimizer.param_groups] == [5.0, 0.0]


def test_names_of_settings_stay_text() -> None:
    text = code("torch", {"'] = exit() #\u202e": 1.0}).partition("for batch")[0]
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([{"params": [weight], "'] = exit() #\u202e": 0.5}], lr=0.1)
    lines = [line for line in text.splitlines() if "attach" not in line]
    exec("\n".join(lines), {"optimizer": optimizer})
    assert optimizer.param_groups[0]["'] = exit() #\u202e"] == 1.0
    assert "\u202e" not in text


def test_lightning_trains_under_the_schedule() -> None:
    lightning = pytest.importorskip("lightning.pytorch")
    scope: dict[str, Any] = {"torch": torch}
    yours = "optimizer = torch.optim.SGD(self.parameters(), lr=0.5)"
    exec(code("lightning").replace("optimizer = ...", yours), scope)
    seen: list[float] = []

    class Module(lightning.LightningModule):
        configure_optimizers = scope["configure_optimizers"]

        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def training_step(self, batch: torch.Tensor, _: int) -> torch.Tensor:
            seen.append(self.optimizers().param_groups[0]["lr"])
            return self.layer(batch).sum()

    batches = torch.utils.data.DataLoader(torch.ones(6, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about workers and loggers of this toy
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        trainer = lightning.Trainer(
            max_steps=6, accelerator="cpu", enable_model_summary=False, **quiet
        )
        trainer.fit(Module(), batches)
    assert seen == pytest.approx(rates())


def test_the_trainer_trains_under_the_schedule(tmp_path: Any) -> None:
    transformers = pytest.importorskip("transformers")
    seen: list[float] = []

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            seen.append(scope["optimizer"].param_groups[0]["lr"])
            return {"loss": self.layer(x).sum()}

    model = Model()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about this machine
        args = transformers.TrainingArguments(
            output_dir=str(tmp_path),
            max_steps=6,
            per_device_train_batch_size=1,
            report_to=[],
            use_cpu=True,
            save_strategy="no",
            disable_tqdm=True,
        )
        rows = [{"x": torch.ones(2)} for _ in range(6)]
        scope: dict[str, Any] = {"torch": torch, "model": model, "args": args, "train": rows}
        yours = "optimizer = torch.optim.SGD(model.parameters(), lr=0.5)"
        exec(code("trainer").replace("optimizer = ...", yours), scope)
        scope["trainer"].train()
    assert seen == pytest.approx(rates())
