"""transformers' Trainer takes an attached schedule, and resumes it from its checkpoint."""

import numpy as np
import pytest
import torch

from etastar import schedules as es
from etastar.training.attach import attach

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

SCHEDULE = es.Cosine(steps=8, peak=0.1, warmup_steps=2)


class Model(torch.nn.Module):
    """A line with its loss inside, as the Trainer wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def forward(self, x, labels):
        output = self.line(x)
        return {"loss": ((output - labels) ** 2).mean(), "logits": output}


def trainer(folder, seen: list[float]):
    torch.manual_seed(0)
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.5)
    optimizer.register_step_pre_hook(lambda *_: seen.append(optimizer.param_groups[0]["lr"]))
    data = [{"x": torch.ones(1), "labels": torch.zeros(1)} for _ in range(16)]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        max_steps=8,
        save_steps=3,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=2,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    return transformers.Trainer(
        model=model,
        args=arguments,
        train_dataset=data,
        optimizers=(optimizer, attach(optimizer, lr=SCHEDULE)),
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # theirs
def test_the_trainer_drives_saves_and_resumes_it(tmp_path):
    whole: list[float] = []
    trainer(tmp_path, whole).train()
    np.testing.assert_allclose(whole, SCHEDULE(np.arange(8)), rtol=1e-15)
    rest: list[float] = []
    trainer(tmp_path, rest).train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    assert rest == whole[3:]
