"""The hyper-parameters: those of the paper, and no senseless ones."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from graphmorph.errors import UsageError
from graphmorph.training.adapnet import AdapNetConfig


def test_defaults_are_those_of_table_2_and_the_text() -> None:
    config = AdapNetConfig()
    assert (config.beta, config.beta_step, config.beta_epochs, config.least_beta) == (0.9, 0.06, 5, 0.18)
    assert (config.kse_threshold, config.chebyshev_threshold, config.similarity_factor) == (0.6, 0.8, 2.0)
    assert (config.startup_epochs, config.finetune_epochs, config.lsep) == (50, 10, 150)
    assert (config.quiet_lseps, config.quiet_pruned, config.protected_lseps, config.dsc_epochs) == (2, 3, 2, 2)
    assert (config.border_share, config.margin, config.active_share, config.focus) == (0.2, 0.75, 0.3, 0.7)


def test_subsampling_is_off() -> None:
    config = AdapNetConfig()
    assert (config.points, config.samples, config.map_side, config.evidence) == (None, None, None, None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lsep": 0}, "lsep 0: must be at least 1"),
        ({"points": 0}, "points 0: must be at least 1"),
        ({"seed": -1}, "seed -1: must be at least 0"),
        ({"beta": 1.5}, "beta 1.5: must be between 0 and 1"),
        ({"least_beta": 0.95}, "least_beta 0.95 is above beta 0.9"),
        ({"kse_threshold": float("nan")}, "kse_threshold nan"),
        ({"fewest_clusters": 65}, "fewest_clusters 65 exceeds most_clusters 64"),
        ({"focus": 1.0}, "active_share and focus: between 0 and 1"),
        ({"lambda1": 0.0}, "lambda1, lambda2 and dsc_learning_rate must be above 0"),
        ({"dsc_kernel": 4}, "dsc_kernel 4: an odd number"),
        ({"border_share": 0.0}, "a cluster needs border points"),
    ],
)
def test_senseless_numbers_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        replace(AdapNetConfig(), **wrong)
