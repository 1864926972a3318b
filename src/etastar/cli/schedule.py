"""`etastar schedule show|lint|diff|convert`: schedules on the command line."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from etastar.schedules import Schedule

PROBLEMS = 3

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show, check, compare and convert schedules.",
    epilog='SPEC is a short form, "cosine(peak=1e-3, steps=10000, warmup=500)", or JSON.',
)

Spec = Annotated[
    str,
    typer.Argument(help='A short form, "cosine(peak=1e-3, steps=10000, warmup=500)", or JSON.'),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Picture = Annotated[str | None, typer.Option("--plot", help="Draw a picture into this file.")]
Steps = Annotated[
    int | None, typer.Option("--steps", help="The run's applied updates, for durations like 5%.")
]
PerEpoch = Annotated[float | None, typer.Option(help="Applied updates in an epoch.")]
PerSample = Annotated[float | None, typer.Option(help="Samples in an update, of all ranks.")]
PerToken = Annotated[float | None, typer.Option(help="Tokens in an update, of all ranks.")]


@app.command()
def show(
    spec: Spec,
    *,
    steps: Steps = None,
    steps_per_epoch: PerEpoch = None,
    samples_per_step: PerSample = None,
    tokens_per_step: PerToken = None,
    at: Annotated[list[int] | None, typer.Option(help="Print the value at this step.")] = None,
    png: Picture = None,
    as_json: Json = False,
) -> None:
    """Draw a schedule in the terminal, and to PNG; print its landmarks and its spec."""
    from etastar.report.schedule_text import curve, landmarks, sentence

    schedule = _read(spec, steps, steps_per_epoch, samples_per_step, tokens_per_step)
    if png is not None:
        from etastar.report.schedule_figure import save, schedule_figure

        save(schedule_figure({spec if len(spec) < 80 else schedule.kind: schedule}), png)
    values = {str(step): schedule(step) for step in at or ()}
    if as_json:
        marks = {"landmarks": landmarks(schedule), "at": values}
        _print_json({"spec": schedule.to_spec(), "fingerprint": schedule.fingerprint} | marks)
        return
    columns = min(shutil.get_terminal_size((80, 24)).columns, 100)
    for line in curve(schedule, columns, dots=_can_draw_dots()):
        print(line)
    print(sentence(schedule))
    for step, value in values.items():
        print(f"step {step}: {value:.10g}")
    print(f"fingerprint {schedule.fingerprint}")
    if png is not None:
        print(f"picture: {png}")


@app.command(epilog="Exit codes: 0 sound; 2 bad input; 3 problems found.")
def lint(
    spec: Spec,
    *,
    steps: Steps = None,
    ranks: Annotated[int, typer.Option(help="Processes of the run.", min=1)] = 1,
    edge: Annotated[float | None, typer.Option(help="The highest rate found stable.")] = None,
    steps_per_epoch: PerEpoch = None,
    samples_per_step: PerSample = None,
    tokens_per_step: PerToken = None,
    as_json: Json = False,
) -> None:
    """Say what is probably wrong with a schedule; --steps is the length of the run."""
    from etastar.schedules.lint import lint as find_problems

    schedule = _read(spec, steps, steps_per_epoch, samples_per_step, tokens_per_step, fixed=False)
    problems = find_problems(schedule, steps=steps, ranks=ranks, edge=edge)
    if as_json:
        found = [{"code": p.code, "step": p.step, "message": p.message} for p in problems]
        _print_json({"problems": found})
    else:
        for problem in problems:
            print(f"{problem.code}: {problem.message}")
        if not problems:
            print("No problems found.")
    if problems:
        raise typer.Exit(PROBLEMS)


@app.command()
def diff(
    left: Spec,
    right: Spec,
    *,
    steps: Steps = None,
    png: Picture = None,
    as_json: Json = False,
) -> None:
    """Compare two schedules in numbers, and in a picture."""
    from dataclasses import asdict

    from etastar.schedules.diff import diff as compare

    first, second = (_read(spec, steps, None, None, None) for spec in (left, right))
    found = compare(first, second)
    if png is not None:
        from etastar.report.schedule_figure import diff_figure, save

        save(diff_figure(first, second, (_label(left, first), _label(right, second))), png)
    if as_json:
        _print_json({"same": found.same} | asdict(found))
        return
    if found.same:
        print("The two give the same numbers at every step compared.")
    else:
        print(f"They first differ at step {found.first}.")
        print(f"They differ most at step {found.largest_at}: by {found.largest:.4g}.")
    for label, (a, b) in (("steps", found.steps), ("peak", found.peaks), ("held", found.ends)):
        print(f"{label:6} {a:<14.6g} {b:<14.6g}")
    if found.area_ratio is not None:
        print(f"The second trains {found.area_ratio:.4g} times the distance (sum of its values).")
    if png is not None:
        print(f"picture: {png}")


@app.command()
def convert(
    spec: Spec,
    *,
    to: Annotated[
        str | None, typer.Option(help="torch, transformers, timm, keras or optax; else all.")
    ] = None,
    steps: Steps = None,
    as_json: Json = False,
) -> None:
    """Write a schedule as code for another library, and say what is not the same there."""
    from typing import get_args

    from etastar.schedules.convert import Library
    from etastar.schedules.convert import convert as converted

    schedule = _read(spec, steps, None, None, None)
    libraries: list[Any] = [to] if to is not None else list(get_args(Library))
    answers = [converted(schedule, library) for library in libraries]
    if as_json:
        _print_json(
            {
                answer.library: {
                    "code": answer.code,
                    "equivalent": answer.schedule.to_spec() if answer.schedule else None,
                    "notes": list(answer.notes),
                }
                for answer in answers
            }
        )
        return
    for answer in answers:
        print(f"{answer.library}: {answer.code}")
        for note in answer.notes or ("the same numbers, during the run and after it",):
            print(f"  {note}")


def _read(
    spec: str,
    steps: int | None,
    steps_per_epoch: float | None,
    samples_per_step: float | None,
    tokens_per_step: float | None,
    *,
    fixed: bool = True,
) -> Schedule:
    """The schedule; `fixed` refuses a --steps that a schedule with its own length ignores."""
    from etastar.errors import ScheduleError
    from etastar.schedules import Horizon, Plan, parse

    parsed = parse(spec)
    if not isinstance(parsed, Plan):
        if steps is not None and fixed and steps != parsed.steps:
            raise ScheduleError(
                f"--steps {steps} was given and the schedule lasts {parsed.steps} steps itself: "
                "leave --steps out, or write the schedule without steps=…."
            )
        return parsed
    if steps is None:
        raise ScheduleError(
            f"{spec} does not say how long the run is: add --steps, or steps=… inside."
        )
    return parsed.on(
        Horizon(
            steps=steps,
            steps_per_epoch=steps_per_epoch,
            samples_per_step=samples_per_step,
            tokens_per_step=tokens_per_step,
        )
    )


def _label(spec: str, schedule: Schedule) -> str:
    return spec if len(spec) < 60 else schedule.kind


def _can_draw_dots() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") in {"utf8", "utf8sig"}


def _print_json(data: dict[str, Any]) -> None:
    print(json.dumps(data, indent=2, allow_nan=False))
