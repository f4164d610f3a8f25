"""Algorithm 1: clusters that are not uniform and stay clear of the border of the next concept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphmorph.training.adapnet.border import border_points
from graphmorph.training.adapnet.concepts import ConceptVerdict, detect_concepts

RNG = np.random.default_rng(0)
ANGLE, RADIUS = RNG.uniform(0, 2 * np.pi, 300), np.sqrt(RNG.uniform(0, 1, 300))
DISC = np.stack([RADIUS * np.cos(ANGLE), RADIUS * np.sin(ANGLE)], axis=1)


def verdicts(centres: list[list[float]], concepts: list[int], uniformity: list[float]) -> list[ConceptVerdict]:
    is_concept = np.zeros(len(centres), np.bool_)
    is_concept[concepts] = True
    options: dict[str, Any] = {"beta": 0.9, "border_share": 0.2, "margin": 0.75}
    labels = np.zeros(len(DISC), np.int64)
    return detect_concepts(np.array(centres), is_concept, np.array(uniformity), DISC, labels, **options)


def test_a_uniform_cluster_is_none() -> None:
    assert verdicts([[0.0, 0.0]], [], [0.95]) == [ConceptVerdict(0, False, 0.95)]


def test_the_first_concept_has_nothing_in_its_way() -> None:
    assert verdicts([[0.0, 0.0]], [], [0.1]) == [ConceptVerdict(0, True, 0.1)]


@pytest.mark.parametrize(("place", "accepted"), [(3.0, True), (1.8, True), (1.4, False), (0.95, False)])
def test_a_cluster_keeps_clear_of_the_border(place: float, accepted: bool) -> None:
    (found,) = verdicts([[0.0, 0.0], [place, 0.0]], [0], [0.0, 0.1])
    border = DISC[border_points(DISC, 0.2)]
    distance = min(float(np.hypot(x - place, y)) for x, y in border)
    needed = 0.75 * sum(float(np.hypot(x, y)) for x, y in border) / len(border)
    assert (found.nearest, found.accepted) == (0, accepted)
    assert (found.distance, found.needed) == pytest.approx((distance, needed))


def test_one_that_was_accepted_counts_for_the_next() -> None:
    found = verdicts([[0.0, 0.0], [0.95, 0.0], [0.0, 5.0]], [], [0.1, 0.1, 0.1])
    assert [(one.accepted, one.nearest) for one in found] == [(True, None), (False, 0), (True, 0)]


def test_a_concept_without_maps_has_no_border() -> None:
    found = verdicts([[0.0, 0.0], [9.0, 0.0], [9.1, 0.0]], [1], [0.0, 0.0, 0.1])
    assert found[1] == ConceptVerdict(2, True, 0.1)
