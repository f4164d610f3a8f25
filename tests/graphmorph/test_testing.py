"""`assert_equivalent`, as others' tests use it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphmorph.testing import assert_equivalent
from tests.graphmorph.proof.small_models import FOLDED, convnet, folded_convnet, folded_weights, store


def test_equivalent_models_pass_and_return_the_proof(tmp_path: Path) -> None:
    assert assert_equivalent(convnet(tmp_path), folded_convnet(tmp_path)).verdict == "equal"


def test_different_models_fail_with_a_table(tmp_path: Path) -> None:
    weights = folded_weights()
    weights["w2"][0, 0, 0, 0] += 1
    candidate = store(tmp_path, "candidate", FOLDED, weights)
    with pytest.raises(AssertionError) as failure:
        assert_equivalent(convnet(tmp_path), candidate, shapes={"x": (1, 3, 8, 8)})
    text = str(failure.value)
    assert "models are different" in text
    assert "first tensor that differs: y" in text
    assert "FAIL  y" in text
    assert "x[1, 3, 8, 8]" in text


def test_what_cannot_be_compared_fails(tmp_path: Path) -> None:
    weights = folded_weights()
    weights["b2"][:] = np.nan
    path = store(tmp_path, "nan", FOLDED, weights)
    with pytest.raises(AssertionError, match="models are inconclusive"):
        assert_equivalent(path, path)
