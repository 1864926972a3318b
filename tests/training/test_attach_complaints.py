"""What users of other schedulers complain about, thread by thread, and what happens here.

Where it takes a line or two, the library's own behaviour is asserted beside ours: the day a
thread is fixed there, its test says so.
"""

import io
import pickle
import warnings

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler as torch_lr

from etastar import schedules as es
from etastar.errors import ScheduleError
from etastar.schedules import compat
from etastar.training.attach import attach

WARM_COSINE = es.Cosine(steps=100, peak=0.1, warmup_steps=10)


def sgd(*lrs: float, momentum: float = 0.9) -> torch.optim.SGD:
    groups = []
    for lr in lrs or (0.1,):
        weight = torch.nn.Parameter(torch.ones(2))
        weight.grad = torch.ones(2)
        groups.append({"params": [weight], "lr": lr})
    return torch.optim.SGD(groups, lr=0.1, momentum=momentum)


def run(optimizer, scheduler, steps: int) -> list[float]:
    values = []
    for _ in range(steps):
        values.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return values


def saved_and_loaded(optimizer, scheduler, new_schedule=WARM_COSINE, **options):
    """A new process: everything through a file that is loaded with weights_only=True."""
    file = io.BytesIO()
    torch.save([optimizer.state_dict(), scheduler.state_dict()], file)
    file.seek(0)
    states = torch.load(file, weights_only=True)
    fresh = sgd(*(0.1 for _ in optimizer.param_groups))
    again = attach(fresh, lr=new_schedule, **options)
    fresh.load_state_dict(states[0])
    again.load_state_dict(states[1])
    return fresh, again


# ------------------------------------------------------------------------ resume and extend


def test_pytorch_162591_a_sequence_resumes_inside_its_second_part():
    parts = es.LinearWarmup(steps=5, peak=0.1) >> es.Exponential(steps=20, peak=0.1, gamma=0.9)
    optimizer = sgd()
    scheduler = attach(optimizer, lr=parts)
    whole = run(optimizer, scheduler, 7) + run(*saved_and_loaded(optimizer, scheduler, parts), 10)
    np.testing.assert_array_equal(whole, parts(np.arange(17)))


def test_pytorch_60265_a_cosine_does_not_jump_on_resume():
    optimizer = sgd()
    scheduler = attach(optimizer, lr=WARM_COSINE)
    before = run(optimizer, scheduler, 60)
    after = run(*saved_and_loaded(optimizer, scheduler), 60)
    np.testing.assert_array_equal(before + after, WARM_COSINE(np.arange(120)))


def test_pytorch_78003_a_schedule_is_not_stuck_at_0_after_a_new_start():
    optimizer = sgd()
    run(optimizer, attach(optimizer, lr=WARM_COSINE), 110)
    assert optimizer.param_groups[0]["lr"] == 0.0
    scheduler = attach(optimizer, lr=WARM_COSINE)  # from the top, on the same optimizer
    assert run(optimizer, scheduler, 20)[1:] == [WARM_COSINE(step) for step in range(1, 20)]


def test_lightning_4655_1772_resume_is_not_off_by_one():
    for k in (1, 9, 10, 11, 99, 100):
        optimizer = sgd()
        scheduler = attach(optimizer, lr=WARM_COSINE)
        run(optimizer, scheduler, k)
        fresh, again = saved_and_loaded(optimizer, scheduler)
        assert again.last_epoch == k
        assert fresh.param_groups[0]["lr"] == WARM_COSINE(k)


def test_lightning_4655_saved_between_the_updates_step_and_the_schedulers():
    optimizer = sgd()
    scheduler = attach(optimizer, lr=WARM_COSINE)
    run(optimizer, scheduler, 30)
    optimizer.step()  # a checkpoint taken here has seen 31 updates
    fresh, _ = saved_and_loaded(optimizer, scheduler)
    assert fresh.param_groups[0]["lr"] == WARM_COSINE(31)


def test_onetrainer_1604_open_clip_413_a_rebuilt_length_does_not_raise_the_rate():
    theirs = sgd()
    cosine = torch_lr.CosineAnnealingLR(theirs, T_max=100)
    run(theirs, cosine, 100)
    state = cosine.state_dict() | {"T_max": 150}
    longer = torch_lr.CosineAnnealingLR(sgd(), T_max=150)
    longer.load_state_dict(state)
    assert longer._get_closed_form_lr()[0] > 0.02  # from 0 back up

    optimizer = sgd()
    scheduler = attach(optimizer, lr=WARM_COSINE)
    run(optimizer, scheduler, 80)
    rebuilt = es.Cosine(steps=150, peak=0.1, warmup_steps=10)
    with pytest.raises(ScheduleError, match="on_change"):
        saved_and_loaded(optimizer, scheduler, rebuilt)
    values = run(*saved_and_loaded(optimizer, scheduler, rebuilt, on_change="extend"), 75)
    assert values[0] == WARM_COSINE(80)
    assert np.all(np.diff(values) <= 0)


def test_composer_1384_a_finished_schedule_is_not_silently_trained_at_0():
    optimizer = sgd()
    scheduler = attach(optimizer, lr=WARM_COSINE)
    run(optimizer, scheduler, 100)
    longer = es.Cosine(steps=200, peak=0.1, warmup_steps=10)
    with pytest.raises(ScheduleError, match="a schedule that has ended is replaced by a new one"):
        saved_and_loaded(optimizer, scheduler, longer, on_change="extend")
    fresh, _ = saved_and_loaded(optimizer, scheduler, longer, on_change="new")
    assert fresh.param_groups[0]["lr"] == longer(100)


def test_optax_1036_the_step_is_restored_from_one_number():
    optimizer = sgd()
    scheduler = attach(optimizer, lr=WARM_COSINE)
    scheduler.step(40)
    assert scheduler.state_dict()["step"] == 40
    assert optimizer.param_groups[0]["lr"] == WARM_COSINE(40)


def test_pytorch_constructors_do_not_overwrite_a_loaded_rate():
    optimizer = sgd()
    scheduler = attach(optimizer, lr=WARM_COSINE)
    run(optimizer, scheduler, 40)
    fresh = sgd()
    fresh.load_state_dict(optimizer.state_dict())
    attach(fresh, lr=WARM_COSINE)
    assert fresh.param_groups[0]["lr"] == WARM_COSINE(40)
    torch_lr.LinearLR(fresh, start_factor=0.5)
    assert fresh.param_groups[0]["lr"] != WARM_COSINE(40)  # torch's does


# ------------------------------------------------------------------------------ off by one


def test_transformers_34754_torchtune_2010_the_first_update_is_not_made_at_0():
    assert (
        compat.transformers.get_scheduler("cosine", num_warmup_steps=10, num_training_steps=100)(0)
        == 0
    )
    assert WARM_COSINE(0) == pytest.approx(0.1 / 10)


def test_gpt_neox_1373_the_first_two_updates_differ():
    optimizer = sgd()
    first, second = run(optimizer, attach(optimizer, lr=WARM_COSINE), 2)
    assert (first, second) == (WARM_COSINE(0), WARM_COSINE(1))
    assert first < second


def test_spd_642_a_port_between_libraries_keeps_the_denominator():
    cosine = es.Cosine(steps=100, peak=0.1)
    in_torch, in_optax = (es.convert(cosine, library).schedule for library in ("torch", "optax"))
    assert in_torch is not None
    assert in_optax is not None
    steps = np.arange(101)
    np.testing.assert_allclose(in_torch(steps), in_optax(steps), rtol=0, atol=1e-15)


def test_optax_415_the_count_begins_at_0():
    optimizer = sgd()
    scheduler = attach(optimizer, lr=WARM_COSINE)
    assert scheduler.last_epoch == 0
    assert optimizer.param_groups[0]["lr"] == WARM_COSINE(0)


@pytest.mark.parametrize("phases", [2, 3])
@pytest.mark.parametrize("steps", range(1, 12))
def test_optax_1403_a_one_cycle_of_a_few_steps_is_finite(steps, phases):
    values = es.OneCycle(steps=steps, peak=0.1, phases=phases)(np.arange(steps + 3))
    assert np.isfinite(values).all()
    assert values.max() == 0.1
    assert values[-1] == pytest.approx(0.1 / 25 / 1e4)


def test_pytorch_185872_a_milestone_at_0_is_refused():
    with pytest.raises(ScheduleError, match="a change at step 0 is the peak"):
        es.MultiStep(steps=10, milestones=(0, 5))


def test_growsp_11_one_step_past_the_end_is_no_crash():
    cycle = es.OneCycle(steps=10, peak=0.1)
    optimizer = sgd()
    assert run(optimizer, attach(optimizer, lr=cycle), 15)[-1] == cycle(10)
    theirs = sgd()
    scheduler = torch_lr.OneCycleLR(theirs, 0.1, 10)
    with pytest.raises(ValueError, match="Tried to step 11 times"):
        run(theirs, scheduler, 11)


def test_pytorch_185872_timm_torch_keras_a_milestone_means_the_same_step_through_convert():
    ours = es.MultiStep(steps=90, peak=0.1, milestones=(30, 60))
    for library in ("torch", "timm", "optax"):
        other = es.convert(ours, library).schedule
        assert other is not None
        np.testing.assert_allclose(ours(np.arange(90)), other(np.arange(90)), rtol=1e-12)


# ----------------------------------------------------------------------------- composition


def test_pytorch_67957_a_sequence_may_hold_a_product_and_a_sequence():
    nested = (es.Constant(steps=5, peak=0.1) * es.Linear(steps=5)) >> (
        es.Constant(steps=5, peak=0.1) >> es.Cosine(steps=10, peak=0.1)
    )
    optimizer = sgd()
    values = run(optimizer, attach(optimizer, lr=nested), 25)
    np.testing.assert_array_equal(values, nested(np.arange(25)))
    theirs = sgd()
    chained = torch_lr.ChainedScheduler([torch_lr.ConstantLR(theirs), torch_lr.LinearLR(theirs)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sequence = torch_lr.SequentialLR(
            theirs, [torch_lr.ConstantLR(theirs), chained], milestones=[5]
        )
        with pytest.raises(NotImplementedError):
            run(theirs, sequence, 10)


def test_pytorch_129565_a_product_keeps_every_factor_across_restarts():
    product = es.CosineRestarts(steps=40, cycle_steps=10, peak=0.1) * es.Exponential(
        steps=40, gamma=0.9
    )
    optimizer = sgd()
    values = run(optimizer, attach(optimizer, lr=product), 40)
    assert values[10] == pytest.approx(0.1 * 0.9**10)
    assert values[30] == pytest.approx(0.1 * 0.9**30)


def test_pytorch_162359_a_tensor_rate_is_no_alias_of_the_initial_one():
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=torch.tensor(0.1))
    scheduler = attach(optimizer, lr=WARM_COSINE)
    run(optimizer, scheduler, 50)
    assert scheduler.base_lrs == [pytest.approx(0.1)]
    assert optimizer.param_groups[0]["initial_lr"] == pytest.approx(0.1)


# ------------------------------------------------------------------------ units, ranks, AMP


@pytest.mark.parametrize("split_batches", [False, True])
def test_accelerate_2926_1096_ltx_67_four_processes_do_not_run_four_times_as_fast(split_batches):
    scheduler_module = pytest.importorskip("accelerate.scheduler")
    state = pytest.importorskip("accelerate.state")
    state.AcceleratorState._reset_state(reset_partial_state=True)
    pytest.importorskip("accelerate").Accelerator(cpu=True)
    try:
        for shared in (state.PartialState, state.AcceleratorState):
            shared._shared_state["num_processes"] = 4
        optimizer = sgd()
        optimizer.step_was_skipped = False
        wrapped = scheduler_module.AcceleratedScheduler(
            attach(optimizer, lr=WARM_COSINE),
            optimizer,
            step_with_optimizer=True,
            split_batches=split_batches,
        )
        assert run(optimizer, wrapped, 100) == list(WARM_COSINE(np.arange(100)))
        wrapped.gradient_state._set_sync_gradients(False)  # a batch that is only accumulated
        wrapped.step()
        wrapped.gradient_state._set_sync_gradients(True)
        assert wrapped.scheduler.last_epoch == 100

        theirs = sgd()
        theirs.step_was_skipped = False
        ended = scheduler_module.AcceleratedScheduler(
            torch_lr.LinearLR(theirs, 1.0, 0.01, total_iters=100), theirs, True, split_batches
        )
        run(theirs, ended, 26)
        assert (theirs.param_groups[0]["lr"] < 0.002) == (not split_batches)
    finally:
        state.AcceleratorState._reset_state(reset_partial_state=True)


def test_lightning_1476_21491_accumulated_batches_are_no_steps():
    optimizer = sgd()
    scheduler = attach(optimizer, lr=WARM_COSINE)
    for batch in range(1, 41):
        if batch % 4 == 0:
            optimizer.step()
        scheduler.step()  # called on every batch
    assert scheduler.last_epoch == 10
    assert optimizer.param_groups[0]["lr"] == WARM_COSINE(10)


def test_stable_worldmodel_280_a_horizon_in_steps_survives_calls_by_epoch():
    optimizer = sgd()
    scheduler = attach(optimizer, lr=WARM_COSINE)
    for _ in range(5):
        for _ in range(20):
            optimizer.step()
        scheduler.step()  # once per epoch
    assert optimizer.param_groups[0]["lr"] == WARM_COSINE(100) == 0.0


def test_pytorch_44511_lightning_16228_a_skipped_first_update_needs_no_warning():
    optimizer = sgd()
    scheduler = attach(optimizer, lr=WARM_COSINE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()  # the scaler has skipped the very first update
        assert optimizer.param_groups[0]["lr"] == WARM_COSINE(0)
        run(optimizer, scheduler, 3)
    assert optimizer.param_groups[0]["lr"] == WARM_COSINE(3)


def test_olmo_411_a_schedule_in_tokens():
    written = es.parse('cosine(peak=3e-4, steps="2e9 tokens", warmup="1e8 tokens")')
    schedule = written.on(es.Horizon(tokens=2e9, tokens_per_step=2**20))
    assert schedule == es.Cosine(steps=1907, peak=3e-4, warmup_steps=95)


# --------------------------------------------------------------- groups and hyperparameters


def test_pytorch_83159_22343_67761_any_key_can_be_scheduled():
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))], lr=0.1, weight_decay=0.1)
    scheduler = attach(optimizer, lr=WARM_COSINE, weight_decay=es.Linear(steps=100, peak=0.2))
    run(optimizer, scheduler, 50)
    assert optimizer.param_groups[0]["weight_decay"] == 0.1
    assert optimizer.param_groups[0]["lr"] == WARM_COSINE(50)


def test_deepspeed_7969_every_group_is_warmed_up():
    optimizer = sgd(0.1, 0.1, 0.01)
    scheduler = attach(optimizer, lr=WARM_COSINE)
    rates = [group["lr"] for group in optimizer.param_groups]
    np.testing.assert_allclose(rates, WARM_COSINE(0) * np.array([1, 1, 0.1]))
    assert scheduler.last_epoch == 0


def test_timm_1242_the_rate_does_not_drop_where_the_warmup_ends():
    theirs = compat.timm.CosineLRScheduler(lr=0.1, t_initial=30, warmup_t=10)
    assert theirs(10) < 0.1 - 0.02
    assert [problem.code for problem in es.lint(theirs)] == [
        "starts-at-zero",
        "warmup-short-of-peak",
    ]
    ours = WARM_COSINE(np.arange(8, 13))
    assert ours[1] == ours[2] == 0.1
    assert not [p for p in es.lint(WARM_COSINE) if p.code == "warmup-short-of-peak"]


def test_nemo_warmup_annealing_and_hf_defaults_no_group_takes_another_groups_rate():
    optimizer = sgd(0.01, 0.1)  # optimizer.defaults["lr"] is 0.1, the first group's rate 0.01
    schedule = es.Cosine(steps=10, peak=0.01, floor=0.001)
    run(optimizer, attach(optimizer, lr=schedule), 12)
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([0.001, 0.01])


# ------------------------------------------------------------------------ compile and pickle


@pytest.mark.filterwarnings("ignore:.*torch.jit.*is deprecated:DeprecationWarning")  # torch's own
def test_torchtune_2263_pytorch_107076_a_compiled_step_can_be_scheduled():
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    compiled = torch.optim.SGD([weight], lr=torch.tensor(0.1))
    compiled.step = torch.compile(compiled.step, backend="eager")
    plain = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1)
    plain.step = torch.compile(plain.step, backend="eager")
    with pytest.raises(AttributeError, match="__func__"):
        torch_lr.StepLR(plain, 10)
    scheduler = attach(compiled, lr=WARM_COSINE)
    values = run(compiled, scheduler, 12)
    np.testing.assert_allclose(values, WARM_COSINE(np.arange(12)), rtol=1e-6)
    torch._dynamo.reset()


def test_pytorch_133898_a_scheduled_beta_in_a_tensor_is_written_in_place():
    beta = torch.tensor(0.9)
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.Adam(
        [weight], lr=torch.tensor(0.1), betas=(beta, torch.tensor(0.999)), capturable=False
    )
    scheduler = attach(optimizer, momentum=es.Points(steps=10, at_steps=(0, 10), values=(0.9, 0.8)))
    scheduler.step(5)
    assert optimizer.param_groups[0]["betas"][0] is beta
    assert float(beta) == pytest.approx(0.85)


def test_transformers_21689_pytorch_110931_a_scheduler_can_be_pickled():
    optimizer = sgd()
    scheduler = attach(optimizer, lr=WARM_COSINE)
    run(optimizer, scheduler, 25)
    again = pickle.loads(pickle.dumps(scheduler))
    assert run(again.optimizer, again, 5) == list(WARM_COSINE(np.arange(25, 30)))
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickle.dumps(torch_lr.LambdaLR(sgd(), lambda step: 1.0))


def test_pytorch_68332_the_formula_is_a_function_of_the_step():
    values = WARM_COSINE(np.array([[0, 9], [55, 100]]))
    np.testing.assert_allclose(values, [[0.01, 0.1], [0.05, 0.0]], rtol=1e-15)


def test_pytorch_loading_does_not_overwrite_a_new_hyperparameter_in_silence():
    old = torch_lr.CosineAnnealingLR(sgd(), T_max=20)
    new = torch_lr.CosineAnnealingLR(sgd(), T_max=10)
    new.load_state_dict(old.state_dict())
    assert new.T_max == 20  # torch: the checkpoint wins, and nothing is said
    ours = attach(sgd(), lr=es.Cosine(steps=10, peak=0.1))
    with pytest.raises(ScheduleError, match="steps=20"):
        ours.load_state_dict(attach(sgd(), lr=es.Cosine(steps=20, peak=0.1)).state_dict())
