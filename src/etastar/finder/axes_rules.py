"""How the best rate moves with another setting: the known scaling rules, as priors.

References:
    batch size: Goyal et al., Accurate, Large Minibatch SGD (arXiv:1706.02677), linear for SGD;
    Malladi et al., On the SDEs and Scaling Rules for Adaptive Gradient Algorithms
    (arXiv:2205.10287), square root for Adam and RMSprop.
    momentum: a step's whole effect is `lr / (1 - momentum)` for SGD (arXiv:1803.09820); Adam's
    average does not add up, so its rate stays.
    weight decay: Wang & Aitchison, How to set AdamW's weight decay (arXiv:2405.13698): the
    time `1 / (lr * wd)` over which weights are forgotten is what counts; for SGD with
    normalised layers the product is the effective rate (arXiv:1706.05350).
    warmup: the peak hardly moves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from etastar.records.axis import AxisName

MOST_MOMENTUM = 1 - 1e-6


@dataclass(frozen=True)
class Rule:
    """Where the best rate is expected at a value, in octaves from that of another value."""

    octaves: float
    spread: float  # standard deviation
    words: str


def rule(name: AxisName, optimizer: str, own: float, value: float, *, decoupled: bool) -> Rule:
    """The prior on the move of the best rate.

    Args:
        name: of the setting.
        optimizer: its name.
        own: the value at which the best rate is known.
        value: the one at which it is looked for.
        decoupled: whether weight decay acts apart from the gradient's step.

    Returns:
        The move from `own` to `value`.
    """
    kind = optimizer.lower()
    if name == "batch_size":
        return _batch(math.log2(value / own), sgd="sgd" in kind)
    if name == "momentum":
        adds_up = "sgd" in kind or "rmsprop" in kind
        return _momentum(own, value) if adds_up else Rule(0.0, 0.5, "the rate hardly moves")
    if name == "weight_decay":
        return _decay(own, value, product="sgd" in kind or decoupled)
    return Rule(0.0, 0.4, "the rate hardly moves")


def _batch(doublings: float, *, sgd: bool) -> Rule:
    if sgd:
        octaves, words = doublings, "rate and batch size in proportion"
    else:
        octaves, words = doublings / 2, "the rate as the square root of the batch size"
    return Rule(octaves, 0.25 + 0.3 * abs(doublings), words)


def _momentum(own: float, value: float) -> Rule:
    octaves = math.log2((1 - min(value, MOST_MOMENTUM)) / (1 - min(own, MOST_MOMENTUM)))
    return Rule(octaves, 0.3 + 0.15 * abs(octaves), "rate / (1 − momentum) constant")


def _decay(own: float, value: float, *, product: bool) -> Rule:
    if not product:
        return Rule(0.0, 1.0, "the rate may move either way")
    words = "rate × weight decay constant"
    if own == 0 or value == 0:  # the product says nothing of none
        return Rule(0.0, 0.75, words)
    octaves = math.log2(own / value)
    # it holds where decay decides; where decay hardly acts the rate stays: both are within reach
    return Rule(octaves, 0.5 + 0.5 * abs(octaves), words)
