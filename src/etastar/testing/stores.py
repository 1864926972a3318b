"""The contract of stores as a test class, run over every database they lie in.

    class TestMine(StoreContract):
        def place(self):
            return "postgresql://..."   # of a new, empty database for every test

pytest runs every law on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from etastar.errors import StoreError
from etastar.records import LossCurve, TaskSummary, Trial
from etastar.schedules import Cosine
from etastar.store import Store, Study, check, export_study, import_study, open_store

FINGERPRINT = "0123456789abcdef" * 2
OTHER_FINGERPRINT = "f" * 32


class StoreContract:
    """The laws of `etastar.store`; subclass it, name the class `Test…`, give `place`."""

    def place(self) -> str | Path:
        """Where the store under test lies.

        Returns:
            A path or URL where there is no store yet; in one test always the same.

        Raises:
            NotImplementedError: the subclass does not say.
        """
        raise NotImplementedError("return the place of a new store")

    def test_a_new_store_is_empty(self) -> None:
        """Opening makes it, and opening it again finds the same."""
        for _ in range(2):
            with open_store(self.place()) as store:
                _hold(store.studies() == [], "a new store has no studies")

    def test_what_is_added_comes_back(self) -> None:
        """To the last bit, NaN and infinities as what they are, through another handle too."""
        trials = [
            trial(),
            trial(lr=5e-324, seed=2**70, steps=10**12),
            trial(lr=0.1, status="diverged", losses=(1.0, -math.inf, math.inf, math.nan)),
            trial(lr=0.2, settings={"weight_decay": 1e-300, "beta1": 1 - 2**-53}),
            trial(lr=0.3, status="stopped", losses=()),
            trial(lr=1 / 3, shape="abc"),
        ]
        with open_store(self.place()) as store:
            study = begin(store)
            for one in trials:
                study.add(one)
            _hold(study.trials() == trials, "the same handle reads what it wrote")
        with open_store(self.place()) as store:
            study = begin(store)
            _hold(study.trials() == trials, "another handle reads it")
            _hold(study.count == len(trials), "all are counted", study.count)
            _hold(study.summary == summary(), "the summary comes back", study.summary)
            for one in trials:
                _hold(found(study, one) == one, "a trial is found by its terms", one)
                losses = study.trials()[trials.index(one)].curve.losses
                same = losses.tobytes() == one.curve.losses.tobytes()
                _hold(same, "losses come back bit for bit", losses)

    def test_every_trial_is_kept_once(self) -> None:
        """Adding it again, alone or among others, changes nothing."""
        with open_store(self.place()) as store:
            study = begin(store)
            for _ in range(2):
                study.add(trial())
                study.add(trial(final_loss=9.0))
                study.add_all([trial(), trial(seed=1), trial(seed=1)])
            _hold(study.trials() == [trial(), trial(seed=1)], "nothing twice", study.trials())

    def test_trials_are_told_apart_by_all_their_terms(self) -> None:
        """And by nothing else: the order of settings is none of them."""
        others = [
            trial(lr=math.nextafter(0.5, 1)),
            trial(seed=-1),
            trial(steps=5),
            trial(shape="abd"),
            trial(settings={"momentum": 0.9}),
            trial(settings={"momentum": math.nextafter(0.9, 1)}),
            trial(settings={"momentum": 0.9, "eps": 1e-8}),
        ]
        with open_store(self.place()) as store:
            study = begin(store)
            study.add(trial())
            for number, other in enumerate(others):
                _hold(found(study, other) is None, "another trial is not found", other)
                study.add(other)
                _hold(study.count == number + 2, "another trial is kept", other)
            turned = study.get(0.5, 0, 4, "", {"eps": 1e-8, "momentum": 0.9})
            _hold(turned == others[-1], "settings are found in any order", turned)

    def test_more_of_a_trial_takes_the_place_of_less(self) -> None:
        """Stopped gives way to stopped later, and to the end; nothing else gives way."""
        ways = [
            trial(status="stopped", losses=(3.0,)),
            trial(status="stopped", losses=(3.0, 2.0)),
            trial(),
        ]
        with open_store(self.place()) as store:
            study = begin(store)
            for number, one in enumerate(ways):
                study.add(one)
                for less in ways[:number]:
                    study.add(less)
                _hold(study.trials() == [one], "more is kept, less is not", study.trials())
            study.add(trial(status="diverged", losses=(3.0, math.nan)))
            _hold(study.trials() == [ways[-1]], "what ended stays", study.trials())

    def test_a_study_holds_one_task(self) -> None:
        """Another task's trials are refused, or go to a study of their own."""
        with open_store(self.place()) as store:
            begin(store).add(trial())
            error = _refused(lambda: store.study("digits", OTHER_FINGERPRINT, summary()))
            _hold("of another task" in error and "'digits'" in error, "it says why", error)
            store.study("digits", OTHER_FINGERPRINT, summary(), on_change="new").add(trial(seed=5))
            other = store.study("digits", OTHER_FINGERPRINT, summary(), on_change="new")
            _hold((other.name, other.count) == ("digits-2", 1), "it is found again", other.name)
            _hold(begin(store).trials() == [trial()], "studies do not mix")
            _hold(begin(store, on_change="new").name == "digits", "the first one is found")
            third = store.study("digits", "e" * 32, summary(), on_change="new")
            names = [study.name for study in store.studies()]
            _hold(names == ["digits", "digits-2", "digits-3"], "all are listed", (names, third))

    def test_a_deleted_study_is_gone_with_its_trials(self) -> None:
        """And a handle on it writes nowhere."""
        with open_store(self.place()) as store:
            old, kept = begin(store), store.study("kept", FINGERPRINT, summary())
            old.add(trial())
            kept.add(trial())
            store.delete("digits")
            store.delete("digits")
            _hold([study.name for study in store.studies()] == ["kept"], "it is gone")
            new = begin(store)
            _hold(new.count == 0, "one begun anew is empty", new.count)
            error = _refused(lambda: old.add(trial()))
            _hold("deleted" in error, "it says so", error)
            _hold((new.count, kept.count) == (0, 1), "nothing went astray")
            _hold("no study 'x'; it has 'kept'" in _refused(lambda: store.open("x")), "names")

    def test_names_that_are_none_are_refused(self) -> None:
        """Before anything is written."""
        with open_store(self.place()) as store:
            for name in ("", " ", "a\nb", "a\0b", "x" * 201):
                bad = name
                error = _refused(lambda: store.study(bad, FINGERPRINT, summary()))  # noqa: B023
                _hold("name" in error, "it says so", error)
            odd = "η★ 'quoted' \"twice\" %s :x ; DROP TABLE etastar_trials"
            store.study(odd, FINGERPRINT, summary()).add(trial())
            _hold(store.open(odd).trials() == [trial()], "any other name is one", odd)

    def test_many_hands_on_one_study(self) -> None:
        """Handles that write the same and different trials at once: each trial once."""
        place = self.place()
        trials = [trial(lr=0.01 * (1 + i), losses=(1.0, i, 2.0, 3.0)) for i in range(24)]

        def write(offset: int) -> None:
            with open_store(place) as store:
                study = begin(store)
                for one in trials[offset:] + trials[:offset]:
                    study.add(one)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, (0, 6, 12, 18)))
        with open_store(place) as store:
            study = begin(store)
            order = sorted(study.trials(), key=lambda one: one.lr)
            _hold(order == trials, "every trial once", study.count)
            _hold(check(store).problems == (), "nothing is damaged", check(store))

    def test_a_study_goes_out_as_lines_and_comes_back(self) -> None:
        """Under any name, as often as one likes, beside what is there."""
        trials = [trial(), trial(seed=1, status="diverged", losses=(math.nan,))]
        with open_store(self.place()) as store:
            study = begin(store)
            study.add_all(trials)
            lines = list(export_study(study))
            for _ in range(2):
                back = import_study(store, lines, name="copy")
                _hold(back.trials() == trials, "the copy is equal", back.trials())
            study.add(trial(seed=7))
            import_study(store, lines)
            _hold(study.count == 3, "what is there stays", study.count)
            for cut in ([], lines[:1], lines[:-1], [*lines[:1], *lines[2:]], lines[1:]):
                error = _refused(lambda: import_study(store, cut, name="cut"))  # noqa: B023
                _hold("the text" in error, "a part is refused", error)
            changed = [line.replace('"seed": 1', '"seed": 2') for line in lines]
            error = _refused(lambda: import_study(store, changed, name="cut"))
            _hold("was changed" in error, "a change is refused", error)
            names = [one.name for one in store.studies()]
            _hold(names == ["digits", "copy"], "nothing of the refused is there", names)


def summary() -> TaskSummary:
    """A task in words.

    Returns:
        Always the same.
    """
    return TaskSummary(
        name="digits",
        steps=4,
        schedule=Cosine(steps=4),
        optimizer="SGD",
        parameters=7,
        group_ratios=(1.0, 0.1),
        objective="validation loss",
        default_lr=0.1,
        fingerprint=FINGERPRINT,
    )


def trial(losses: Sequence[float] = (4.0, 2.0, 1.5, 1.0), **changes: Any) -> Trial:
    """A trial of four steps at rate 0.5.

    Args:
        losses: of its curve.
        changes: other fields.

    Returns:
        The trial.
    """
    fields: dict[str, Any] = {
        "lr": 0.5,
        "seed": 0,
        "steps": 4,
        "status": "finished",
        "sample_gradients": 32.0,
        "seconds": 0.25,
    }
    fields |= changes
    fields.setdefault("final_loss", 1.0 if fields["status"] == "finished" else math.nan)
    rates = fields["lr"] * Cosine(steps=4)(np.arange(len(losses)))
    return Trial(curve=LossCurve(lrs=rates, losses=np.array(losses, dtype=float)), **fields)


def begin(store: Store, **options: Any) -> Study:
    """The study that the laws work on.

    Returns:
        The study, begun if need be.
    """
    return store.study("digits", FINGERPRINT, summary(), **options)


def found(study: Study, one: Trial) -> Trial | None:
    """What a study answers to a trial's terms.

    Returns:
        The trial kept under them.
    """
    return study.get(one.lr, one.seed, one.steps, one.shape, one.settings)


def _refused(act: Any) -> str:
    try:
        act()
    except StoreError as error:
        return str(error)
    raise AssertionError("nothing was refused where an error is due")


def _hold(condition: bool, law: str, found: object = "") -> None:
    if not condition:
        raise AssertionError(f"the law “{law}” does not hold: {found}")
