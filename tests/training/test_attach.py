"""attach: a schedule on an optimizer, counted in applied updates."""

import copy
import gc
import io
import pickle
import weakref

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import LRScheduler

from etastar import schedules as es
from etastar.errors import ScheduleError
from etastar.testing.schedules import schedules
from etastar.training.attach import attach
from etastar.training.attach_layers import layer_groups

SHAPE = es.Cosine(steps=20, peak=0.1, warmup_steps=5)


def parameters(count: int = 1) -> list[torch.nn.Parameter]:
    made = [torch.nn.Parameter(torch.ones(2)) for _ in range(count)]
    for parameter in made:
        parameter.grad = torch.ones(2)
    return made


def sgd(*lrs: float | torch.Tensor, **options) -> torch.optim.SGD:
    groups = [{"params": [p], "lr": lr} for p, lr in zip(parameters(len(lrs)), lrs, strict=True)]
    return torch.optim.SGD(groups, lr=0.1, **options)


def drive(optimizer, scheduler, steps: int, key: str = "lr") -> np.ndarray:
    """The value of every group at every update; (S, groups)."""
    rows = []
    for _ in range(steps):
        rows.append([float(group[key]) for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return np.array(rows)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(schedules(max_steps=30))
def test_attached_equals_the_array(schedule):
    optimizer = sgd(0.3)
    scheduler = attach(optimizer, lr=schedule, relative=False)
    steps = min(schedule.steps + 5, 120)
    values = drive(optimizer, scheduler, steps)[:, 0]
    assert np.array_equal(values, schedule(np.arange(steps)))


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(schedules(max_steps=15), st.data())
def test_resume_at_every_k_equals_uninterrupted(schedule, data):
    """At every k of the run, through a state loaded with weights_only=True."""
    steps = min(schedule.steps + 5, 25)
    optimizer = sgd(0.3)
    whole = drive(optimizer, attach(optimizer, lr=schedule, relative=False), steps)
    for k in range(steps):
        first = sgd(0.3)
        scheduler = attach(first, lr=schedule, relative=False)
        drive(first, scheduler, k)
        file = io.BytesIO()
        torch.save({"optimizer": first.state_dict(), "schedule": scheduler.state_dict()}, file)
        file.seek(0)
        saved = torch.load(file, weights_only=True)
        second = sgd(0.3)
        again = attach(second, lr=schedule, relative=False)
        parts = [(second, saved["optimizer"]), (again, saved["schedule"])]
        for part, state in parts if k % 2 else reversed(parts):
            part.load_state_dict(state)
        assert np.array_equal(drive(second, again, steps - k), whole[k:])


def test_chunks_of_the_table_join_without_a_seam():
    optimizer = sgd(0.3)
    schedule = es.Linear(steps=10_000, peak=0.5)
    scheduler = attach(optimizer, lr=schedule)
    values = drive(optimizer, scheduler, 9000)[:, 0]
    assert np.array_equal(values, schedule(np.arange(9000)))


def test_it_is_a_torch_scheduler_and_leaves_step_alone():
    optimizer = sgd(0.3)
    scheduler = attach(optimizer, lr=SHAPE)
    assert isinstance(scheduler, LRScheduler)
    assert "step" not in vars(optimizer)
    assert scheduler.get_last_lr() == [SHAPE(0)]
    assert scheduler.get_lr() == [SHAPE(0)]
    assert scheduler.base_lrs == [0.3]


def test_ratios_are_kept_and_zero_stays_zero():
    optimizer = sgd(0.0, 0.01, 0.1)
    rows = drive(optimizer, attach(optimizer, lr=SHAPE), 25)
    expected = SHAPE(np.arange(25))
    np.testing.assert_array_equal(rows[:, 0], 0.0)
    np.testing.assert_allclose(rows[:, 1], expected, rtol=1e-15)
    np.testing.assert_allclose(rows[:, 2], 10 * expected, rtol=1e-15)


def test_a_shape_multiplies_each_groups_own_rate():
    optimizer = sgd(0.01, 0.2)
    rows = drive(optimizer, attach(optimizer, lr=es.Linear(steps=10)), 12)
    shape = es.Linear(steps=10)(np.arange(12))
    np.testing.assert_allclose(rows, np.outer(shape, [0.01, 0.2]), rtol=1e-15)
    other = sgd(0.01, 0.2)
    rows = drive(other, attach(other, lr=es.Linear(steps=10), relative=False), 12)
    np.testing.assert_allclose(rows, np.outer(shape, [1.0, 20.0]), rtol=1e-14)


def test_multipliers_and_schedules_per_group():
    optimizer = sgd(0.1, 0.1)
    rows = drive(optimizer, attach(optimizer, lr=SHAPE, multipliers=[1.0, 0.25]), 10)
    np.testing.assert_allclose(rows[:, 1], 0.25 * rows[:, 0], rtol=1e-15)
    optimizer = sgd(0.1, 0.1, 0.7)
    own = [SHAPE, es.Constant(steps=20, peak=0.3), None]
    rows = drive(optimizer, attach(optimizer, lr=own), 10)
    np.testing.assert_array_equal(rows[:, 0], SHAPE(np.arange(10)))
    np.testing.assert_array_equal(rows[:, 1:], [[0.3, 0.7]] * 10)


def test_layer_wise_decay():
    layers = [torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)]
    optimizer = torch.optim.AdamW(layer_groups(layers, decay=0.5), lr=0.3)
    scheduler = attach(optimizer, lr=SHAPE)
    assert len(optimizer.param_groups) == 3
    np.testing.assert_allclose(scheduler.get_last_lr(), SHAPE(0) * np.array([0.125, 0.5, 1.0]))
    shared = layer_groups([layers[0], [*layers[0].parameters(), *layers[3].parameters()]], 0.5)
    assert [len(group["params"]) for group in shared] == [2, 2]


@pytest.mark.parametrize("lr", [0.02, torch.tensor(0.02)])
def test_a_group_added_later_gets_its_rate_before_its_first_update(lr):
    optimizer = sgd(0.1)
    scheduler = attach(optimizer, lr=SHAPE)
    drive(optimizer, scheduler, 12)
    late = parameters()[0]
    optimizer.add_param_group({"params": [late], "lr": lr})
    before = late.detach().clone()
    optimizer.step()
    moved = float((before - late.detach())[0])
    assert moved == pytest.approx(SHAPE(12) * 0.2, rel=1e-6)
    scheduler.step()
    assert float(optimizer.param_groups[1]["lr"]) == pytest.approx(0.2 * SHAPE(13), rel=1e-6)


def test_a_late_group_on_the_optimizers_own_tensor_starts_from_its_first_value():
    optimizer = torch.optim.SGD(parameters(), lr=torch.tensor(0.1))
    scheduler = attach(optimizer, lr=es.Linear(steps=10))
    drive(optimizer, scheduler, 6)
    optimizer.add_param_group({"params": parameters()})
    optimizer.step()
    scheduler.step()
    assert [float(group["lr"]) for group in optimizer.param_groups] == pytest.approx([0.03, 0.03])


@pytest.mark.parametrize("lrs", [[0.1], [0.1, 0.1], [0.1, 0.02, 0.0]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_tensor_rates_are_written_in_place(lrs, dtype):
    tensors = [torch.tensor(lr, dtype=dtype) for lr in lrs]
    optimizer = sgd(*tensors)
    scheduler = attach(optimizer, lr=SHAPE)
    last = copy.deepcopy(scheduler.get_last_lr())
    for _ in range(7):
        optimizer.step()
        scheduler.step()
    held = [group["lr"] for group in optimizer.param_groups]
    assert all(now is before for now, before in zip(held, tensors, strict=True))
    expected = SHAPE(7) * torch.tensor(lrs, dtype=torch.float64) / lrs[0]
    tolerance = 1e-2 if dtype is torch.bfloat16 else 1e-6
    assert torch.allclose(torch.stack(held).double(), expected, rtol=tolerance)
    assert scheduler.get_last_lr()[0] is not held[0]
    assert last != scheduler.get_last_lr()


def test_a_shared_tensor_is_parted_where_two_values_are_needed():
    shared = torch.tensor(0.1)
    optimizer = sgd(shared, shared)
    scheduler = attach(optimizer, lr=SHAPE, multipliers=[1.0, 0.5])
    drive(optimizer, scheduler, 3)
    first, second = (group["lr"] for group in optimizer.param_groups)
    assert first is shared
    assert float(second) == pytest.approx(0.5 * float(first))


def test_momentum_goes_by_the_right_name():
    cycle = es.OneCycle(steps=20, peak=0.1)
    for optimizer, read in (
        (torch.optim.SGD(parameters(), lr=0.1, momentum=0.9), lambda g: g["momentum"]),
        (torch.optim.AdamW(parameters(), lr=0.1), lambda g: g["betas"][0]),
        (torch.optim.RMSprop(parameters(), lr=0.1, momentum=0.9), lambda g: g["momentum"]),
    ):
        momentum = cycle.momentum(high=0.9)
        scheduler = attach(optimizer, lr=cycle, momentum=momentum)
        values = []
        for _ in range(22):
            values.append(read(optimizer.param_groups[0]))
            optimizer.step()
            scheduler.step()
        np.testing.assert_allclose(values, momentum(np.arange(22)), rtol=1e-15)
    assert optimizer.param_groups[0].get("betas", (0, 0.999))[1] == 0.999


def test_any_number_can_be_scheduled():
    optimizer = torch.optim.AdamW(parameters(2), lr=0.1, weight_decay=0.05, eps=1e-6)
    scheduler = attach(
        optimizer,
        weight_decay=es.Linear(steps=10, peak=0.1),
        eps=es.Constant(steps=10),
        beta2=es.Constant(steps=10, peak=0.99),
    )
    drive(optimizer, scheduler, 5)
    group = optimizer.param_groups[0]
    assert group["weight_decay"] == pytest.approx(0.05)
    assert group["eps"] == 1e-6
    assert group["betas"] == (0.9, 0.99)
    assert group["lr"] == 0.1


def test_groups_without_weight_decay_stay_without():
    groups = [{"params": parameters(), "weight_decay": w} for w in (0.0, 0.1)]
    optimizer = torch.optim.AdamW(groups, lr=0.1)
    rows = drive(optimizer, attach(optimizer, weight_decay=es.Linear(steps=10)), 10, "weight_decay")
    assert (rows[:, 0] == 0).all()
    np.testing.assert_allclose(rows[:, 1], 0.1 * es.Linear(steps=10)(np.arange(10)))


# ---------------------------------------------------------------------------- the clock


def test_a_skipped_amp_update_does_not_advance():
    optimizer = sgd(0.1)
    scheduler = attach(optimizer, lr=SHAPE)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    weight = optimizer.param_groups[0]["params"][0]
    for skip in (True, False, True, False, False):
        before = scheduler.last_epoch
        optimizer.zero_grad()
        scaler.scale((weight * (float("inf") if skip else 1.0)).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
        assert scheduler.last_epoch == before + (not skip)
        assert optimizer.param_groups[0]["lr"] == SHAPE(scheduler.last_epoch)


def test_a_fused_optimizer_that_skips_by_itself_does_not_advance():
    optimizer = torch.optim.AdamW(parameters(), lr=0.1, fused=True)
    scheduler = attach(optimizer, lr=SHAPE)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    weight = optimizer.param_groups[0]["params"][0]
    for skip in (True, False, True, False):
        before, held = scheduler.last_epoch, weight.detach().clone()
        optimizer.zero_grad()
        scaler.scale((weight * (float("inf") if skip else 1.0)).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
        assert torch.equal(held, weight.detach()) == skip
        assert scheduler.last_epoch == before + (not skip)


def test_steps_are_updates_however_often_the_scheduler_is_called():
    """Per rank (Accelerate), per batch of an accumulation, or per epoch: the clock is the same."""
    optimizer = sgd(0.1)
    scheduler = attach(optimizer, lr=SHAPE)
    for update in range(1, 8):
        optimizer.step()
        for _ in range(4):
            scheduler.step()
        assert scheduler.last_epoch == update
    for _ in range(3):
        optimizer.step()
    scheduler.step()
    assert scheduler.last_epoch == 10
    assert optimizer.param_groups[0]["lr"] == SHAPE(10)


def test_calls_can_be_counted_instead():
    optimizer = sgd(0.1)
    scheduler = attach(optimizer, lr=SHAPE, counts="calls")
    for _ in range(6):
        scheduler.step()
    assert scheduler.last_epoch == 6
    optimizer.step()  # goes on its own clock, not the optimizer's as well
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] in {SHAPE(7), SHAPE(8)}


def test_a_scheduler_that_never_hears_of_an_update_says_so():
    scheduler = attach(sgd(0.1), lr=SHAPE)
    for _ in range(99):
        scheduler.step()
    with pytest.warns(UserWarning, match="has reported no update"):
        scheduler.step()


def test_step_goes_to_a_step_when_told():
    optimizer = sgd(0.1)
    scheduler = attach(optimizer, lr=SHAPE)
    scheduler.step(11)
    assert optimizer.param_groups[0]["lr"] == SHAPE(11)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == SHAPE(12)


def test_a_closure_is_one_update():
    optimizer = torch.optim.LBFGS(parameters(), lr=0.1, max_iter=4)
    scheduler = attach(optimizer, lr=SHAPE)
    weight = optimizer.param_groups[0]["params"][0]

    def closure():
        optimizer.zero_grad()
        loss = (weight**2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    scheduler.step()
    assert scheduler.last_epoch == 1


# ---------------------------------------------------------------------------- state


def trained(steps: int, schedule=SHAPE, **options):
    optimizer = torch.optim.AdamW(parameters(), lr=0.3)
    scheduler = attach(optimizer, lr=schedule, **options)
    drive(optimizer, scheduler, steps)
    return optimizer, scheduler


def test_construction_does_not_disturb_a_loaded_optimizer():
    old, old_scheduler = trained(9)
    fresh = torch.optim.AdamW(parameters(), lr=0.3)
    fresh.load_state_dict(old.state_dict())
    scheduler = attach(fresh, lr=SHAPE)
    assert fresh.param_groups[0]["lr"] == old.param_groups[0]["lr"] == SHAPE(9)
    scheduler.load_state_dict(old_scheduler.state_dict())
    assert fresh.param_groups[0]["lr"] == SHAPE(9)
    assert scheduler.base_lrs == [0.3]
    drive(fresh, scheduler, 2)
    assert fresh.param_groups[0]["lr"] == SHAPE(11)


def test_a_new_schedule_on_a_loaded_optimizer_starts_with_the_first_update():
    old, _ = trained(9)
    fresh = torch.optim.AdamW(parameters(), lr=0.3)
    fresh.load_state_dict(old.state_dict())
    scheduler = attach(fresh, lr=SHAPE)
    seen = []
    fresh.register_step_pre_hook(lambda *_: seen.append(fresh.param_groups[0]["lr"]))
    fresh.step()
    scheduler.step()
    assert seen == [SHAPE(0)]
    assert fresh.param_groups[0]["lr"] == SHAPE(1)


def test_the_state_is_the_step_and_the_specs_in_plain_types():
    _, scheduler = trained(4)
    state = scheduler.state_dict()
    assert state == {
        "etastar_scheduler": 1,
        "step": 4,
        "schedules": {"lr": SHAPE.to_spec()},
    }

    def plain(value) -> bool:
        if isinstance(value, dict):
            return all(plain(item) for item in value.values())
        return type(value) in {int, float, str, bool, list, type(None)}

    assert plain(state)


def test_on_change_error_names_both_schedules():
    _, old = trained(4)
    _, new = trained(0, es.Cosine(steps=40, peak=0.1, warmup_steps=5))
    with pytest.raises(ScheduleError, match=r"steps=20.*steps=40.*on_change="):
        new.load_state_dict(old.state_dict())


def test_on_change_keep_takes_the_saved_schedule():
    _, old = trained(4)
    optimizer, new = trained(0, es.Linear(steps=40, peak=0.7), on_change="keep")
    new.load_state_dict(old.state_dict())
    assert new.schedules == {"lr": SHAPE}
    assert optimizer.param_groups[0]["lr"] == SHAPE(4)


def test_on_change_new_takes_the_new_schedule_at_the_saved_step():
    _, old = trained(4)
    longer = es.Linear(steps=40, peak=0.7)
    optimizer, new = trained(0, longer, on_change="new")
    new.load_state_dict(old.state_dict())
    assert optimizer.param_groups[0]["lr"] == longer(4)


def test_on_change_extend_goes_on_without_a_jump_and_ends_at_the_new_horizon():
    _, old = trained(12)
    optimizer, new = trained(0, es.Cosine(steps=40, peak=0.1, warmup_steps=5), on_change="extend")
    new.load_state_dict(old.state_dict())
    assert optimizer.param_groups[0]["lr"] == SHAPE(12)
    values = drive(optimizer, new, 29)[:, 0]
    assert np.all(np.diff(values) <= 0)
    assert values[-1] == 0.0
    assert new.schedules["lr"](11) == SHAPE(11)


def test_extend_of_a_stable_phase_moves_the_cooldown():
    stable = es.WarmupStableDecay(steps=20, peak=0.1, warmup_steps=2, decay_steps=4)
    _, old = trained(12, stable)
    longer = es.WarmupStableDecay(steps=50, peak=0.1, warmup_steps=2, decay_steps=4)
    _, new = trained(0, longer, on_change="extend")
    new.load_state_dict(old.state_dict())
    assert new.schedules["lr"] == longer


def test_a_state_that_is_not_ours_or_newer_is_refused_in_words():
    _, scheduler = trained(0)
    with pytest.raises(ScheduleError, match="not saved by a scheduler of etastar"):
        scheduler.load_state_dict({"last_epoch": 3})
    with pytest.raises(ScheduleError, match="newer etastar"):
        scheduler.load_state_dict(scheduler.state_dict() | {"etastar_scheduler": 2})


def test_pickle_and_deepcopy_go_on_where_they_were():
    optimizer, scheduler = trained(6)
    for again in (pickle.loads(pickle.dumps(scheduler)), copy.deepcopy(scheduler)):
        assert again.last_epoch == 6
        assert again.optimizer is not optimizer
        drive(again.optimizer, again, 3)
        assert again.get_last_lr() == [SHAPE(9)]
    assert scheduler.last_epoch == 6


def test_nothing_is_kept_alive():
    optimizer, scheduler = trained(3)
    gone = weakref.ref(scheduler)
    del scheduler
    gc.collect()
    assert gone() is None
    optimizer.step()


def test_detached_it_no_longer_follows():
    optimizer, scheduler = trained(3)
    scheduler.detach()
    optimizer.step()
    scheduler.step()
    assert scheduler.last_epoch == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "no schedule"),
        ({"lr": 0.1}, "give a schedule"),
        ({"learning_rate": SHAPE}, "schedule one of lr"),
        ({"lr": [SHAPE, SHAPE]}, "give one for each"),
        ({"lr": SHAPE, "multipliers": [1.0, 2.0]}, "give one for each"),
        ({"nesterov": SHAPE}, "only numbers"),
        ({"momentum": SHAPE}, "at least one group a value above 0"),
        ({"lr": SHAPE, "betas": SHAPE}, "schedule one of"),
        ({"lr": SHAPE, "on_change": "maybe"}, "'error', 'keep', 'new', 'extend'"),
        ({"lr": SHAPE, "counts": "epochs"}, "'updates', 'calls'"),
    ],
)
def test_bad_input_is_refused_and_leaves_the_optimizer_alone(arguments, words):
    optimizer = sgd(0.1)
    before = optimizer.state_dict()
    with pytest.raises(ScheduleError, match=words):
        attach(optimizer, **arguments)
    assert optimizer.state_dict() == before
    assert not optimizer._optimizer_step_pre_hooks
    with pytest.raises(ScheduleError, match="give the optimizer itself"):
        attach(torch.nn.Linear(1, 1), lr=SHAPE)
