"""Moving pictures as GIFs: what stands still is drawn once, what moves is drawn over it.

A frame costs what moves in it, and all frames share one palette, so that sixty of them are made
in a second or two and weigh little.
"""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.artist import Artist
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

DPI = 96
"""Of the frames: a figure 8 inches wide is 768 pixels wide."""

_COLORS = 63
_UNCHANGED = _COLORS
"""The one index of 64 that is no colour, but what was there before."""

_ALMOST = 8
"""Of 255: colours as close as this are one."""

HOLD_MS = 2500
"""The last frame stands so long before the film begins again."""


@dataclass(frozen=True)
class Film:
    """A figure and what moves in it.

    `advance(i)` puts the `moving` artists where they are in frame i. All else stands still, axes
    and ticks included: keep their limits fixed. `colors` come out as they are, however few pixels
    have them.
    """

    figure: Figure
    moving: Sequence[Artist]
    advance: Callable[[int], object]
    frames: int
    frame_ms: int = 90
    colors: Sequence[str] = ()


def gif(film: Film) -> bytes:
    """Draw every frame.

    Returns:
        An endless GIF.
    """
    frames = [Image.fromarray(frame) for frame in _frames(film)]
    palette = _palette(frames, film.colors)
    pixels = [np.asarray(f.quantize(palette=palette, dither=Image.Dither.NONE)) for f in frames]
    changes = [pixels[0], *(_changed(now, last) for last, now in itertools.pairwise(pixels))]
    reduced = [Image.fromarray(change) for change in changes]
    colors = palette.getpalette() or []
    for image in reduced:
        image.putpalette(colors)
    target = io.BytesIO()
    reduced[0].save(
        target,
        format="GIF",
        save_all=True,
        append_images=reduced[1:],
        duration=[film.frame_ms] * (len(reduced) - 1) + [HOLD_MS],
        loop=0,
        transparency=_UNCHANGED,
        optimize=False,
        disposal=1,  # a frame is laid over the one before
    )
    return target.getvalue()


def last_frame(film: Film) -> Figure:
    """The film's figure as it ends.

    Returns:
        The figure, to be drawn as any other.
    """
    film.advance(film.frames - 1)
    return film.figure


def _frames(film: Film) -> list[NDArray[np.uint8]]:
    figure = film.figure
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    order = sorted(film.moving, key=lambda artist: artist.get_zorder())
    for artist in order:
        artist.set_animated(True)  # left out of the next drawing
    try:
        canvas.draw()
        still = canvas.copy_from_bbox(figure.bbox)
        drawn: list[NDArray[np.uint8]] = []
        for frame in range(film.frames):
            film.advance(frame)
            canvas.restore_region(still)
            for artist in order:
                figure.draw_artist(artist)
            drawn.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    finally:
        for artist in order:
            artist.set_animated(False)
    return drawn


def _changed(now: NDArray[np.uint8], last: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame, transparent where it is as the one before: long stretches of one value pack well."""
    return np.where(now == last, np.uint8(_UNCHANGED), now)


def _palette(frames: Sequence[Image.Image], kept: Sequence[str]) -> Image.Image:
    """The colours of the first, middle and last frame: between them they show everything."""
    shown = [frames[0], frames[len(frames) // 2], frames[-1]]
    width, height = shown[0].size
    together = Image.new("RGB", (width, height * len(shown)))
    for place, frame in enumerate(shown):
        together.paste(frame, (0, place * height))
    exact = np.round(255 * np.array([to_rgb(color) for color in kept])).astype(int)
    drawn = together.quantize(
        _COLORS - len(exact), method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )
    if not len(exact):
        return drawn
    others = np.reshape(drawn.getpalette() or [], (-1, 3))
    # one that is almost a kept colour would be taken in its place
    apart = np.abs(others[:, None] - exact).max(axis=-1)  # (others, kept)
    others = np.where(
        apart.min(axis=1, keepdims=True) < _ALMOST, exact[apart.argmin(axis=1)], others
    )
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([exact, others]).ravel().tolist()[: 3 * _COLORS])
    return palette
