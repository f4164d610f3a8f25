"""The example of pruning with an auxiliary layer runs, and prunes."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from torch import nn

from graphmorph.training import MagnitudeMasks

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "auxiliary_layer.py"


def test_it_prunes(capsys: pytest.CaptureFixture[str]) -> None:
    names = runpy.run_path(str(EXAMPLE))
    masks, model = names["masks"], names["model"]
    assert isinstance(masks, MagnitudeMasks)
    assert isinstance(model, nn.Module)
    assert masks.module is model
    assert masks.remaining < 2_500 < 64 * 48 + 48 * 32 + 32 * 10
    assert names["accuracy"](model) >= names["acceptable"] - 1e-3
    assert "step 1: rate" in capsys.readouterr().out
