"""What a sweep is given beside its space: read as meant, or refused before any work."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tests.tasks.parts import task

import etastar as es
from etastar.errors import EtastarError
from etastar.sweeps.given import seeds_of


@pytest.mark.parametrize("seeds", [2, (0, 1), range(2), np.arange(2), iter([0, 1]), [0.0, 1.0]])
def test_seeds_are_whole_numbers_however_they_come(seeds: Any) -> None:
    assert seeds_of(seeds) == (0, 1)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"seeds": (math.nan,)}, "seeds holds nan"),
        ({"seeds": ("a",)}, "seeds holds 'a'"),
        ({"seeds": (2**70,)}, "from -9223372036854775807 to 9223372036854775807"),
        ({"seeds": "3"}, "seeds='3'"),
        ({"seeds": 2.5}, "seeds=2.5"),
        ({"seeds": ()}, "at least one"),
        ({"seeds": (1, 1)}, "each once"),
        ({"seed": -1}, "seed is -1: pass whole numbers from 0"),
        ({"seed": 2**32}, "to 4294967295"),
        ({"seed": 0.5}, "seed is 0.5"),
        ({"seed": "a"}, "seed is 'a'"),
        ({"budget": [1]}, r"budget=\[1\]"),
        ({"budget": "1"}, "budget='1'"),
        ({"budget": math.inf}, "budget=inf"),
        ({"trials": 0}, "trials=0"),
        ({"strategy": None}, "strategy=None is not known"),
        ({"engine": 3}, "engine=3: pass 'sequential'"),
        ({"store": 3}, "store=3: pass a file"),
        ({"task": "line"}, r"etastar.load_task\('line'\)"),
        ({"task": None}, "type NoneType: pass an etastar.Task"),
    ],
    ids=str,
)
def test_wrong_input_is_one_sentence(wrong: dict[str, Any], named: str) -> None:
    options: dict[str, Any] = {"task": task(), "strategy": "random", "progress": False, **wrong}
    with pytest.raises(EtastarError, match=named):
        es.sweep(**options)
