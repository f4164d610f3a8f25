"""What is decided together: in order, without contradictions, and with parts of it switched off."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from graphmorph.training.adapnet import AdapNetConfig, GroupDecisions, Protection, decide
from graphmorph.training.adapnet.evidence import LayerEvidence

CONFIG = AdapNetConfig()
SPREAD = [0.26, 0.26, 0.26, 0.22]
# 0 and 1 are alike and uniform, 2 and 3 are alike, 4 and 5 are not.
COSINES = np.full((6, 6), 0.1)
for one, other in ((0, 1), (2, 3)):
    COSINES[one, other] = COSINES[other, one] = 0.95
EVIDENCE = LayerEvidence(np.array([0.95, 0.2, 0.2, 0.2, 0.2, 0.95]), np.array([SPREAD] * 6), COSINES)
KSE = np.full((1, 6), 0.4)


def decided(
    config: AdapNetConfig = CONFIG, protection: Protection | None = None, evidence: LayerEvidence = EVIDENCE
) -> GroupDecisions:
    random = np.random.default_rng(0)
    return decide([evidence], KSE, protection or Protection(6), "inverse", beta=0.9, config=config, random=random)


def test_a_filter_is_in_one_decision_at_most() -> None:
    found = decided()
    assert [one.filter for one in found.prunings] == [0, 5]
    assert [(one.first, one.second) for one in found.mergings] == [(2, 3)]
    assert [one.master in (1, 4) for one in found.insertions] == [True]


def test_the_log_has_one_record_of_each() -> None:
    records = json.loads(json.dumps(list(decided().records())))
    assert [one["decision"] for one in records] == ["pruning", "pruning", "merging", "insertion"]
    assert {key: records[0][key] for key in ("filter", "uniformity", "beta", "kse", "threshold")} == {
        "filter": 0,
        "uniformity": [0.95],
        "beta": 0.9,
        "kse": 0.4,
        "threshold": 0.6,
    }
    assert records[3]["correlation"] == "inverse"


def test_parts_can_be_switched_off() -> None:
    assert decided(replace(CONFIG, merging=False)).mergings == ()
    assert decided(replace(CONFIG, insertion=False)).insertions == ()


def test_protected_and_frozen_filters_are_in_none() -> None:
    protection = Protection(6)
    protection.freeze([0, 2])
    protection.left[4] = 1
    found = decided(protection=protection)
    assert [one.filter for one in found.prunings] == [5]
    assert found.mergings == ()
    assert [one.master in (1, 3) for one in found.insertions] == [True]


@pytest.mark.parametrize(("least", "gone"), [(1, 3), (4, 2), (5, 1), (6, 0)])
def test_enough_filters_are_left(least: int, gone: int) -> None:
    found = decided(replace(CONFIG, least_filters=least, insertion=False))
    assert len(found.prunings) + len(found.mergings) == (gone if least > 3 else 3)


def test_frozen_filters_are_not_left() -> None:
    protection = Protection(6)
    protection.freeze([1, 2, 3, 4])
    assert len(decided(protection=protection).prunings) == 1
