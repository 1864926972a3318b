"""Pictures of schedules, drawn without a display."""

import io

import numpy as np

from etastar import schedules as es
from etastar.report.schedule_figure import diff_figure, gallery, gallery_figure, schedule_figure
from etastar.report.schedule_text import curve
from etastar.schedules.base import FAMILIES


def kinds(schedule) -> set[str]:
    inner = [*getattr(schedule, "parts", ()), *filter(None, [getattr(schedule, "part", None)])]
    return {schedule.kind}.union(*(kinds(part) for part in inner))


def test_the_gallery_shows_every_family():
    ours = {kind for kind, cls in FAMILIES.items() if cls.__module__.startswith("etastar.")}
    shown = set().union(*(kinds(schedule) for schedule in gallery().values()))
    assert shown == {kind for kind in ours if "." not in kind} - {"cut"}
    assert len(gallery_figure().axes) == len(gallery())


def test_lines_are_the_schedules_values():
    schedule = es.Cosine(steps=100, peak=0.1, warmup_steps=10)
    (axes,) = schedule_figure({"cosine": schedule}).axes
    x, y = axes.lines[0].get_data()
    np.testing.assert_array_equal(y, schedule(np.asarray(x)))


def test_the_difference_is_marked_where_it_is_largest():
    figure = diff_figure(es.Cosine(steps=100), es.Linear(steps=100), ("cosine", "linear"))
    assert figure.axes[1].get_title(loc="left") == "difference: up to 0.105, at step 22"
    target = io.BytesIO()
    figure.savefig(target, format="png")
    assert target.getvalue().startswith(b"\x89PNG")


def test_equal_schedules_are_drawn_as_well():
    figure = diff_figure(es.Constant(steps=9), es.Constant(steps=9), ("a", "b"))
    assert np.isfinite(figure.axes[1].get_ylim()).all()


def test_the_terminal_curve_has_the_size_asked_for():
    for dots in (True, False):
        lines = curve(es.OneCycle(steps=500, peak=0.3), columns=60, rows=8, dots=dots)
        assert len(lines) == 9
        assert max(len(line) for line in lines) <= 60 + 6
        assert lines[0].strip().startswith("0.3 |")
    stopped = curve(es.compat.torch.OneCycleLR(max_lr=1.0, total_steps=50))
    assert stopped[0].strip().startswith("1 |")
    assert curve(es.Constant(steps=5) * 0.0)
