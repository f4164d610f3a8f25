"""Eigenspaces of different LSEPs become one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ortho_group

from graphmorph.training.adapnet.eigenspace import Anchors

MAPS = np.random.default_rng(0).normal(size=(6, 2, 2)).astype(np.float32)
LABELS = np.array([0, 0, 1, 1, 1, 2])
CENTRES = np.eye(5)[:3]


def anchored() -> Anchors:
    anchors = Anchors()
    anchors.choose(MAPS, np.eye(5)[LABELS] + 0.01 * np.arange(6)[:, None], LABELS, CENTRES, 2)
    return anchors


def test_the_nearest_of_each_cluster_are_kept() -> None:
    anchors = anchored()
    assert anchors.labels.tolist() == [0, 0, 1, 1, 2]
    assert np.array_equal(anchors.maps, MAPS[[0, 1, 2, 3, 5]])


@pytest.mark.parametrize("seed", range(5))
def test_a_space_that_was_turned_is_turned_back_and_a_new_cluster_stays_apart(seed: int) -> None:
    anchors = anchored()
    turn = ortho_group.rvs(5, random_state=seed)
    new, old = np.eye(5)[[3, 3, 0]], np.eye(5)[anchors.labels]
    turned = anchors.turned(np.concatenate([new, old]) @ turn, CENTRES)
    np.testing.assert_allclose(turned[2:], np.concatenate([CENTRES[:1], old]), atol=1e-12)
    np.testing.assert_allclose(turned[:2] @ CENTRES.T, 0.0, atol=1e-12)
    np.testing.assert_allclose(turned[0], turned[1], atol=1e-12)


def test_without_anchors_nothing_is_turned() -> None:
    points = np.random.default_rng(0).normal(size=(4, 3))
    assert Anchors().turned(points, np.zeros((0, 3))) is points
    assert Anchors().with_maps(MAPS) is MAPS


def test_a_cluster_that_is_not_seen_keeps_its_anchors() -> None:
    anchors = anchored()
    every = anchors.with_maps(-MAPS[:2])
    labels = np.array([0, 0, 0, 0, 1, 1, 1])  # the anchor of cluster 2 now lies in 1
    points = np.eye(5)[labels]
    anchors.choose(every, points, labels, CENTRES, 1)
    assert anchors.labels.tolist() == [0, 1, 2]
    assert np.array_equal(anchors.maps[2], MAPS[5])


def test_state() -> None:
    anchors = anchored()
    again = Anchors.from_state(anchors.state())
    assert np.array_equal(again.maps, anchors.maps)
    assert np.array_equal(again.labels, anchors.labels)
