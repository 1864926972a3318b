"""The sharpness of a training: the largest curvature that its optimizer sees.

For an optimizer that moves along -lr·P⁻¹·g, that is the largest eigenvalue of P^-½·H·P^-½, H the
Hessian of the loss; P is 1 for gradient descent. H itself is never formed: products with a vector
are two backward passes, and Lanczos' method needs a dozen of them.

References: Cohen et al., 2021. arXiv:2103.00065; Cohen et al., 2022. arXiv:2207.14484
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch.nn.attention import SDPBackend, sdpa_kernel

from etastar.training.preserved import RandomState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etastar.tasks import Batch
    from etastar.training.live import Judge

    Floats = NDArray[np.float64]

DENSE = 24
"""With so few weights the matrix is formed."""

_BASIS = 12
_TOLERANCE = 3e-3
_ROUNDS = 12

_STEP = 1e-3
"""How far the check looks to either side, as a share of the weights."""

_AGREES = 0.5
"""Corners of piecewise linear networks change the gradient and have no second derivative."""

_ROUNDING = 1e-5


class NoCurvatureError(Exception):
    """The loss cannot be differentiated twice; says why."""


def sharpness(
    judge: Judge,
    batches: Sequence[Batch],
    parameters: Sequence[torch.nn.Parameter],
    *,
    scale: Sequence[torch.Tensor | float],
    decay: Sequence[float],
    start: Floats | None = None,
    check: bool = False,
) -> tuple[float, Floats]:
    """The largest eigenvalue of S·(H + D)·S at the weights as they are.

    Args:
        judge: computes the loss; its model is left as it was, buffers and random numbers too.
        batches: over which the loss is averaged.
        parameters: with respect to which it is curved.
        scale: the diagonal S = P^-½, per parameter.
        decay: D, the weight decay that the optimizer adds to the gradient, per parameter.
        start: where to look first; the eigenvector of the last call saves half the work.
        check: compare the second derivative with differences of gradients, once per task: it
            may be wrong in silence.

    Returns:
        The eigenvalue and its eigenvector, (P,) float64.

    Raises:
        NoCurvatureError: the loss cannot be differentiated twice, or is not finite.
    """
    with _undisturbed(judge.model):
        seen = _Seen(judge, batches, parameters, scale, decay, RandomState())
        try:
            value, vector = _largest(seen.product(), start, sum(p.numel() for p in parameters))
            if check:
                _check(seen, value, vector)
        except (RuntimeError, NotImplementedError) as error:
            said = str(error).strip().splitlines()[0]
            raise NoCurvatureError(f"{type(error).__name__}: {said}") from error
    return value, vector


@dataclass(frozen=True)
class _Seen:
    """A loss as an optimizer sees it, always with the same random numbers."""

    judge: Judge
    batches: Sequence[Batch]
    parameters: Sequence[torch.nn.Parameter]
    scale: Sequence[torch.Tensor | float]
    decay: Sequence[float]
    random: RandomState

    def scaled(self, vector: Floats) -> list[torch.Tensor]:
        """S·vector, in parts like the parameters."""
        parts = _split(vector, self.parameters)
        return [s * part for s, part in zip(self.scale, parts, strict=True)]

    def losses(self) -> Iterator[torch.Tensor]:
        """The loss of each batch at the weights as they are.

        Yields:
            Scalars.

        Raises:
            NoCurvatureError: one is not finite.
        """
        self.random.restore()
        # the fast attention kernels have no second derivative
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            for batch in self.batches:
                with self.judge.autocast():
                    loss = self.judge.loss(batch)
                if not torch.isfinite(loss).all():
                    raise NoCurvatureError("the loss is not finite")
                yield loss

    def product(self) -> Callable[[Floats], Floats]:
        """Products with S·(H + D)·S: the graph of the gradient is built once, for all of them."""
        gradients = [
            torch.autograd.grad(loss, self.parameters, create_graph=True, materialize_grads=True)
            for loss in self.losses()
        ]

        def multiply(vector: Floats) -> Floats:
            along = self.scaled(vector)
            total = [d * part for d, part in zip(self.decay, along, strict=True)]
            for gradient in gradients:
                attached = [i for i, part in enumerate(gradient) if part.requires_grad]
                if not attached:
                    continue  # a loss linear in the weights
                curved = torch.autograd.grad(
                    [gradient[i] for i in attached],
                    self.parameters,
                    [along[i] for i in attached],
                    retain_graph=True,
                    materialize_grads=True,
                )
                share = 1 / len(gradients)
                total = [have + share * part for have, part in zip(total, curved, strict=True)]
            return _joined([s * part for s, part in zip(self.scale, total, strict=True)])

        return multiply

    def slope(self, along: Sequence[torch.Tensor]) -> float:
        """The derivative of the mean loss in a direction."""
        total = 0.0
        for loss in self.losses():
            gradient = torch.autograd.grad(loss, self.parameters, materialize_grads=True)
            total += sum(float((g * a).sum()) for g, a in zip(gradient, along, strict=True))
        return total / len(self.batches)


def _largest(
    product: Callable[[Floats], Floats], start: Floats | None, size: int
) -> tuple[float, Floats]:
    if size <= DENSE:
        matrix = np.column_stack([product(column) for column in np.eye(size)])
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        return float(values[-1]), vectors[:, -1]
    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)  # pyright: ignore[reportCallIssue]
    begin = np.random.default_rng(0).normal(size=size) if start is None else start
    solve: Any = eigsh  # its stubs want whole numbers
    try:
        values, vectors = solve(
            operator, k=1, which="LA", v0=begin, ncv=_BASIS, tol=_TOLERANCE, maxiter=_ROUNDS
        )
    except ArpackNoConvergence as error:
        raise NoCurvatureError("its largest eigenvalue was not found") from error
    return float(values[0]), vectors[:, 0]


def _check(seen: _Seen, value: float, vector: Floats) -> None:
    """Compare the curvature along the eigenvector with how the gradient changes along it.

    A function without a second derivative is often passed over in silence (torch's
    `once_differentiable` is, where it does not lead to the weights themselves).

    Raises:
        NoCurvatureError: the two are far apart.
    """
    along = seen.scaled(vector)
    before = [parameter.detach().clone() for parameter in seen.parameters]
    far = _STEP * max(_norm(before), 1.0) / max(_norm(along), 1e-30)
    slopes: list[float] = []
    try:
        for sign in (1, -1):
            with torch.no_grad():
                for parameter, then, part in zip(seen.parameters, before, along, strict=True):
                    parameter.copy_(then + sign * far * part)
            slopes.append(seen.slope(along))
    finally:
        with torch.no_grad():
            for parameter, then in zip(seen.parameters, before, strict=True):
                parameter.copy_(then)
    pulled = sum(d * _norm([part]) ** 2 for d, part in zip(seen.decay, along, strict=True))
    measured = (slopes[0] - slopes[1]) / (2 * far) + pulled
    noise = _ROUNDING * (abs(slopes[0]) + abs(slopes[1])) / far
    if not abs(measured - value) <= _AGREES * max(abs(measured), abs(value)) + noise:
        raise NoCurvatureError(
            f"the second derivative is {value:.3g} where gradients change by {measured:.3g}"
        )


def _norm(parts: Iterable[torch.Tensor]) -> float:
    return sum(float(part.detach().double().square().sum()) for part in parts) ** 0.5


def _split(vector: Floats, parameters: Iterable[torch.nn.Parameter]) -> list[torch.Tensor]:
    parts: list[torch.Tensor] = []
    begin = 0
    for parameter in parameters:
        part = torch.from_numpy(np.ascontiguousarray(vector[begin : begin + parameter.numel()]))
        parts.append(part.to(parameter).view_as(parameter))
        begin += parameter.numel()
    return parts


def _joined(parts: Iterable[torch.Tensor]) -> Floats:
    flat = [part.detach().reshape(-1).to("cpu", torch.float64) for part in parts]
    return torch.cat(flat).numpy()


@contextmanager
def _undisturbed(model: torch.nn.Module) -> Generator[None]:
    """Compute losses beside a training: running statistics and random numbers come back.

    Yields:
        Nothing.
    """
    random = RandomState()
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        random.restore()
