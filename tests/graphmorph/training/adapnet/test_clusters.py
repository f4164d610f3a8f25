"""Incremental k-means: centres are means of all that was seen, and new clusters come in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.training.adapnet.clusters import NEW_FROM, IncrementalClusters

RNG = np.random.default_rng(0)


def around(place: int, count: int, spread: float = 0.05) -> np.ndarray:
    points: np.ndarray = np.eye(6)[place] + spread * RNG.normal(size=(count, 6))
    return points


def test_a_new_cluster_is_more_than_45_degrees_away() -> None:
    angle = np.pi / 4
    assert np.linalg.norm([1 - np.cos(angle), np.sin(angle)]) == pytest.approx(NEW_FROM)


@given(st.integers(0, 1000))
def test_centres_are_the_means_of_all_points_and_counts_their_numbers(seed: int) -> None:
    random = np.random.default_rng(seed)
    clusters = IncrementalClusters(4, 0)
    clusters.centres, clusters.counts = np.eye(4)[:3], np.zeros(3)
    seen: list[list[np.ndarray]] = [[], [], []]
    for _ in range(4):
        points = random.normal(size=(9, 4))
        for point in points:
            seen[int(np.square(clusters.centres - point).sum(axis=1).argmin())].append(point)
        clusters.learn(points)
        for place, members in enumerate(seen):
            mean = np.mean(members, axis=0) if members else np.eye(4)[place]
            np.testing.assert_allclose(clusters.centres[place], mean, atol=1e-9)
            assert clusters.counts[place] == len(members)


def test_clusters_are_discovered_once() -> None:
    clusters = IncrementalClusters(6, 0)
    first = np.concatenate([around(0, 10), around(1, 10)])
    assert clusters.discover(first, 2) == 2
    clusters.learn(first)
    before = clusters.centres.copy()
    second = np.concatenate([around(1, 10), around(4, 10)])
    assert clusters.discover(second, 2) == 1
    assert np.array_equal(clusters.centres[:2], before)
    assert np.allclose(clusters.centres[2], np.eye(6)[4], atol=0.1)
    clusters.learn(second)
    assert sorted(clusters.counts.tolist()) == [10, 10, 20]
    assert clusters.discover(np.concatenate([first, second]), 3) == 0


@pytest.mark.parametrize(("degrees", "new"), [(44, 0), (46, 1)])
def test_less_than_45_degrees_away_is_known(degrees: float, new: int) -> None:
    clusters = IncrementalClusters(6, 0)
    clusters.discover(around(0, 10, 0.0), 1)
    angle = np.deg2rad(degrees)
    assert clusters.discover(np.tile(np.cos(angle) * np.eye(6)[0] + np.sin(angle) * np.eye(6)[1], (5, 1)), 1) == new


def test_there_are_no_more_clusters_than_dimensions() -> None:
    clusters = IncrementalClusters(2, 0)
    points = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    assert clusters.discover(points, 4) == 2
    assert clusters.labels(points).tolist() == clusters.labels(points.copy()).tolist()


def test_equal_points_are_one_cluster() -> None:
    clusters = IncrementalClusters(3, 0)
    assert clusters.discover(np.ones((5, 3)), 2) == 1


def test_state_goes_on_alike() -> None:
    first, second = np.concatenate([around(0, 9), around(2, 7)]), np.concatenate([around(2, 5), around(3, 8)])
    clusters = IncrementalClusters(6, 1)
    clusters.discover(first, 2)
    clusters.learn(first)
    again = IncrementalClusters(6, 1).restore(clusters.state())
    for one in (clusters, again):
        one.discover(second, 2)
        one.learn(second)
    assert np.array_equal(clusters.centres, again.centres)
    assert np.array_equal(clusters.counts, again.counts)
