"""Law 1: what runs inside `preserved` leaves no trace in the training around it.

Each training is run twice from the same seed: alone, and with something destructive inside
`preserved` halfway. Losses and all state must agree to the last bit, at once and after training
on.
"""

from __future__ import annotations

import copy
import signal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.bitwise import (
    Training,
    assert_same,
    bits,
    contents,
    identities,
    random_bits,
    seed_everything,
)
from tests.training.trainings import TRAININGS, WRECKS, Stateful, mlp, poison, train, wreck_all
from torch import Tensor, nn

from etastar.errors import TaskError, TaskFailedError
from etastar.training.preserved import RandomState, Snapshot, preserved

if TYPE_CHECKING:
    from collections.abc import Callable

every_training = pytest.mark.parametrize("make", TRAININGS.values(), ids=TRAININGS.keys())


class Injected(Exception):
    """Raised on purpose."""


def run(
    make: Callable[[], Training],
    *blocks: Callable[[Training], None],
    steps: int = 3,
    on_disk: bool = False,
) -> list[Any]:
    """Losses and all state of a training, with each of `blocks` under `preserved` halfway."""
    seed_everything(1)
    training = make()
    batches = training.batches()
    losses = [training.step(next(batches)) for _ in range(steps)]
    before = contents(training), identities(training)
    for block in blocks:
        try:
            with preserved(*training.parts, on_disk=on_disk):
                block(training)
        except (Injected, KeyboardInterrupt, SystemExit):
            pass
        assert_same(contents(training), before[0])
        assert_same(identities(training), before[1])
    losses += [training.step(next(batches)) for _ in range(8)]
    return [bits(losses), contents(training)]


@pytest.mark.parametrize(
    ("steps", "on_disk"),
    [(0, False), (3, False), (3, True)],
    ids=["fresh", "midway", "midway-disk"],
)
@every_training
def test_whatever_happens_inside_the_training_goes_on_as_if_alone(
    make: Callable[[], Training], steps: int, on_disk: bool
) -> None:
    alone, disturbed = run(make, steps=steps), run(make, wreck_all, steps=steps, on_disk=on_disk)
    assert disturbed[0] == alone[0]
    assert_same(disturbed[1], alone[1])


@pytest.mark.parametrize("act", WRECKS)
def test_each_disturbance_is_one_that_the_comparison_sees(
    act: Callable[[Training], None],
) -> None:
    seed_everything(1)
    training = TRAININGS["batchnorm-dropout"]()
    train(training, 3)
    before = contents(training), identities(training)
    act(training)
    assert (contents(training), identities(training)) != before


# --- faults at every step ----------------------------------------------------------------------


def fail(training: Training) -> None:
    raise Injected


def interrupt(training: Training) -> None:
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, handler)


def leave(training: Training) -> None:
    raise SystemExit(3)


@pytest.mark.parametrize("fault", [fail, interrupt, leave, poison])
@pytest.mark.parametrize("kind", ["batchnorm-dropout", "scaler-float16", "one-cycle"])
def test_a_fault_at_any_of_twenty_steps_leaves_no_trace(
    kind: str, fault: Callable[[Training], None]
) -> None:
    def faulty(at: int) -> Callable[[Training], None]:
        def block(training: Training) -> None:
            for step, batch in zip(range(20), training.batches(), strict=False):
                if step == at:
                    fault(training)
                training.step(batch)

        return block

    make = TRAININGS[kind]
    alone, disturbed = run(make), run(make, *(faulty(at) for at in range(20)))
    assert disturbed[0] == alone[0]
    assert_same(disturbed[1], alone[1])


def test_a_fault_within_the_optimizers_step_leaves_no_trace() -> None:
    """Half of the parameters have moved, the state of the others has not been made yet."""

    def block(training: Training) -> None:
        updated = 0

        def fail_halfway(*_: Any) -> None:
            raise Injected

        def count(parameter: Tensor) -> None:
            nonlocal updated
            updated += 1
            if updated == 2:
                raise Injected

        for parameter in training.model.parameters():
            parameter.register_post_accumulate_grad_hook(count)
        train(training)

    alone, disturbed = run(TRAININGS["adamw"], steps=0), run(TRAININGS["adamw"], block, steps=0)
    assert disturbed[0] == alone[0]


def test_the_exception_of_the_block_comes_through() -> None:
    with pytest.raises(Injected), preserved(mlp()):
        raise Injected


# --- any sequence of acts ----------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(sorted(TRAININGS.keys() - {"lbfgs"})),
    acts=st.lists(st.sampled_from(WRECKS), max_size=6),
    steps=st.integers(0, 4),
    nested=st.booleans(),
    on_disk=st.booleans(),
)
def test_any_sequence_of_acts_leaves_no_trace(
    kind: str, acts: list[Any], steps: int, nested: bool, on_disk: bool
) -> None:
    def block(training: Training) -> None:
        for act in acts:
            try:
                if nested:
                    with preserved(*training.parts):
                        wreck_all(training)
                act(training)
            except (RuntimeError, ValueError, KeyError, IndexError, AssertionError, UserWarning):
                pass  # torch refuses some sequences; that too is a fault to come back from

    run(TRAININGS[kind], block, steps=steps, on_disk=on_disk)


def test_restoring_again_and_again_starts_each_trial_from_the_same_state() -> None:
    seed_everything(1)
    training = TRAININGS["batchnorm-dropout"]()
    train(training, 3)
    before = contents(training)
    outcomes = []
    with preserved(*training.parts) as snapshot:
        for _ in range(4):
            snapshot.restore()
            assert_same(contents(training), before)
            train(training, 4)
            outcomes.append(contents(training))
    for outcome in outcomes[1:]:
        assert_same(outcome, outcomes[0])
    assert_same(contents(training), before)


# --- what belongs to the state -----------------------------------------------------------------


def test_random_generators_come_back() -> None:
    seed_everything(5)
    before, state = random_bits(), RandomState()
    for _ in range(2):
        np.random.normal()  # noqa: NPY002  the global generator is what is guarded
        seed_everything(6)
        state.restore()
        assert random_bits() == before


def test_taking_a_snapshot_draws_no_random_number() -> None:
    training = TRAININGS["module-state"]()
    before = random_bits()
    Snapshot(*training.parts).close()
    assert random_bits() == before


def test_modes_come_back_module_by_module() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())
    model[1].eval()
    with preserved(model):
        model.eval()
        model[1].train()
    assert [module.training for module in model.modules()] == [True, True, False, True]


def test_gradients_keep_their_identity() -> None:
    model = nn.Linear(2, 2)
    model.weight.grad = gradient = torch.ones(2, 2)
    with preserved(model):
        model.weight.grad.fill_(3)
        model.weight.grad = None
        model.bias.grad = torch.ones(2)
    assert model.weight.grad is gradient
    assert torch.equal(gradient, torch.ones(2, 2))
    assert model.bias.grad is None


def test_hooks_added_inside_are_gone_and_those_from_before_still_run() -> None:
    model, calls = nn.Linear(2, 2), []
    kept = model.register_forward_hook(lambda *_: calls.append("module"))
    model.weight.register_hook(lambda gradient: calls.append("tensor"))
    with preserved(model):
        kept.remove()
        model.register_forward_hook(lambda *_: calls.append("wrong"))
        model.weight.register_hook(lambda gradient: calls.append("wrong"))
        model.bias.register_hook(lambda gradient: calls.append("wrong"))
        model.bias.register_post_accumulate_grad_hook(lambda _: calls.append("wrong"))
    model(torch.ones(1, 2)).sum().backward()
    assert calls == ["module", "tensor"]


def test_a_module_with_extra_state_of_its_own() -> None:
    class Outside:
        value = 1

    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.outside = Outside()

        def get_extra_state(self) -> dict[str, int]:
            return {"value": self.outside.value}

        def set_extra_state(self, state: dict[str, int]) -> None:
            self.outside.value = state["value"]

    model = Holder()
    with preserved(model):
        model.outside.value = 2
    assert model.outside.value == 1


def test_lazy_modules_become_lazy_again() -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = bits(model.state_dict()), list(model.parameters())
    for _ in range(2):
        with preserved(model, optimizer):
            model(torch.ones(4, 5)).sum().backward()
            optimizer.step()
            assert isinstance(model[0], nn.Linear)
        assert type(model[0]) is nn.LazyLinear
        assert bits(model.state_dict()) == before[0]
        assert all(a is b for a, b in zip(model.parameters(), before[1], strict=True))
    assert model(torch.ones(4, 7)).shape == (4, 3)


def test_a_graph_recorded_before_the_block_still_runs_after_it() -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    twin = copy.deepcopy(model)
    inputs = torch.ones(1, 6)
    twin(inputs).sum().backward()
    loss = model(inputs).sum()
    with preserved(model, optimizer):
        model(inputs).sum().backward()
        optimizer.step()
    loss.backward()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert bits(ours.grad) == bits(theirs.grad)


def test_parametrized_and_normalized_weights() -> None:
    model = nn.Sequential(
        nn.utils.parametrizations.spectral_norm(nn.Linear(6, 6)),
        nn.utils.parametrizations.weight_norm(nn.Linear(6, 2)),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.append(plain := nn.Linear(2, 2))
    before = bits(model.state_dict())
    with preserved(model, optimizer):
        nn.utils.parametrizations.orthogonal(plain)
        model(torch.ones(3, 6)).sum().backward()
        optimizer.step()
    assert type(plain) is nn.Linear
    assert bits(model.state_dict()) == before
    model(torch.ones(3, 6)).sum().backward()


def test_scripted_modules() -> None:
    with pytest.warns(DeprecationWarning, match="script"):
        model = torch.jit.script(nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4)))
    linear, norm = model.children()
    norm.eval()
    before = bits(model.state_dict())
    with preserved(model):
        model.train()
        model(torch.ones(3, 6)).sum().backward()
        torch.nn.init.zeros_(linear.weight)
    assert bits(model.state_dict()) == before
    assert [model.training, linear.training, norm.training] == [True, True, False]
    assert linear.weight.grad is None
    model(torch.ones(3, 6))
    assert norm.num_batches_tracked == 0


def test_recurrent_and_averaged_models() -> None:
    model = nn.LSTM(3, 4, 2)
    average = torch.optim.swa_utils.AveragedModel(model)
    before = bits([model.state_dict(), average.state_dict()])
    with preserved(model, average):
        torch.nn.init.zeros_(model.weight_hh_l0)
        average.update_parameters(model)
        average.update_parameters(model)
    assert bits([model.state_dict(), average.state_dict()]) == before
    assert model._flat_weights[0] is model.weight_ih_l0


def test_optimizer_step_is_still_wrapped_once_by_its_scheduler() -> None:
    optimizer = torch.optim.SGD(mlp().parameters(), lr=0.1)
    with preserved(optimizer):
        torch.optim.lr_scheduler.StepLR(optimizer, 1)
    assert "step" not in vars(optimizer)
    assert "initial_lr" not in optimizer.param_groups[0]


def test_adversarial_trainings_preserve_several_models_and_optimizers() -> None:
    nets = {"generator": mlp(), "critic": mlp()}
    optimizers = [torch.optim.Adam(net.parameters()) for net in nets.values()]
    before = bits([net.state_dict() for net in nets.values()])
    with preserved(nets, optimizers, None):
        for net, optimizer in zip(nets.values(), optimizers, strict=True):
            net(torch.ones(1, 6)).sum().backward()
            optimizer.step()
        del nets["critic"]
        optimizers.clear()
    assert list(nets) == ["generator", "critic"]
    assert bits([net.state_dict() for net in nets.values()]) == before
    assert [len(optimizer.state) for optimizer in optimizers] == [0, 0]


def test_objects_with_state_dict_and_load_state_dict() -> None:
    class Average:
        """Keeps its numbers where attributes do not show them."""

        __slots__ = ("value",)

        def __init__(self) -> None:
            self.value = torch.ones(2)

        def state_dict(self) -> dict[str, Tensor]:
            return {"value": self.value}

        def load_state_dict(self, state: dict[str, Tensor]) -> None:
            self.value = state["value"]

    average = Average()
    with preserved(average) as snapshot:
        for _ in range(2):
            average.value += 1
            snapshot.restore()
            assert torch.equal(average.value, torch.ones(2))


def test_a_rate_function_whose_variable_is_not_yet_assigned() -> None:
    factor = 1.0

    def rate(step: int) -> float:
        nonlocal factor
        factor = 0.5
        return factor

    optimizer = torch.optim.SGD(mlp().parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    (cell,) = rate.__closure__
    del cell.cell_contents
    with preserved(scheduler):
        optimizer.step()
        scheduler.step()
        assert cell.cell_contents == 0.5
    with pytest.raises(ValueError, match="empty"):
        cell.cell_contents  # noqa: B018  reading it is what raises


def test_state_that_draws_when_asked_and_replaces_what_it_should_fill() -> None:
    class Careless:
        def __init__(self) -> None:
            self.seen = [1]

        def state_dict(self) -> dict[str, list[int]]:
            torch.rand(1)
            return {"seen": self.seen}

        def load_state_dict(self, state: dict[str, list[int]]) -> None:
            torch.rand(1)
            self.seen = state["seen"]

    careless = Careless()
    seen, before = careless.seen, random_bits()
    with preserved(careless):
        assert random_bits() == before
        careless.seen.append(2)
    assert careless.seen is seen
    assert seen == [1]
    assert random_bits() == before


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [3, "model", object(), len, mlp, nn.Linear, [object()], {"a": [object()]}],
    ids=lambda given: type(given).__name__,
)
def test_an_object_without_state_is_refused(given: object) -> None:
    with pytest.raises(TaskError, match=r"no state .* Give"):
        Snapshot(given)


@pytest.mark.parametrize(
    "given",
    [mlp().parameters(), iter([1]), zip([1], [2], strict=True)],
    ids=["generator", "iterator", "zip"],
)
def test_what_can_be_read_only_once_is_refused(given: object) -> None:
    with pytest.raises(TaskError, match="read only once"):
        Snapshot(given)


def test_an_object_whose_state_dict_raises_is_refused_by_name() -> None:
    class Broken:
        def state_dict(self) -> dict[str, int]:
            raise ValueError("not now")

        def load_state_dict(self, state: dict[str, int]) -> None: ...

    with pytest.raises(TaskError, match=r"Broken .* not now"):
        Snapshot(Broken())


def test_a_part_that_cannot_come_back_is_named_and_the_others_do() -> None:
    class Forgetful:
        def state_dict(self) -> dict[str, int]:
            return {}

        def load_state_dict(self, state: dict[str, int]) -> None:
            raise ValueError("lost")

    model = mlp()
    before = bits(model.state_dict()), random_bits()
    snapshot = Snapshot(Forgetful(), model)
    nn.init.zeros_(model[0].weight)
    torch.rand(1)
    with pytest.raises(TaskFailedError, match=r"Forgetful could not .* lost"):
        snapshot.restore()
    assert (bits(model.state_dict()), random_bits()) == before


def test_a_closed_snapshot_says_so() -> None:
    with Snapshot(mlp()) as snapshot:
        pass
    snapshot.close()
    with pytest.raises(TaskError, match="closed"):
        snapshot.restore()


def test_closing_does_not_restore() -> None:
    model = mlp()
    with Snapshot(model):
        nn.init.zeros_(model[0].weight)
    assert not model[0].weight.any()


def test_copies_are_freed_on_close() -> None:
    model = Stateful()
    model.linear.weight.grad = torch.ones_like(model.linear.weight)
    with preserved(model) as snapshot:
        model.linear.weight.grad = None
    model.linear.weight.grad = None
    assert not snapshot._inventory.tensors
