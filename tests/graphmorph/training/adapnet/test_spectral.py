"""Affinity, Laplacian, eigengap, embedding: known blocks are found."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.training.adapnet import AdapNetConfig
from graphmorph.training.adapnet.dsc_net import DscNet
from graphmorph.training.adapnet.spectral import affinity, eigengap, embedding, laplacian, spectrum
from tests.graphmorph.training.adapnet.streams import points_in, subspaces

RNG = np.random.default_rng(0)


def blocks(sizes: list[int], between: float = 0.0) -> np.ndarray:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    weights = np.where(labels[:, None] == labels, 1.0, between)
    np.fill_diagonal(weights, 0.0)
    return weights


def test_affinity_is_symmetric_and_of_sizes() -> None:
    coefficients = RNG.normal(size=(4, 4))
    found = affinity(coefficients)
    for i in range(4):
        for j in range(4):
            assert found[i, j] == pytest.approx(abs(coefficients[i, j]) + abs(coefficients[j, i]))


def test_laplacian_against_scipys() -> None:
    from scipy.sparse.csgraph import laplacian as reference

    weights = affinity(RNG.normal(size=(7, 7)) * (1 - np.eye(7)))
    np.testing.assert_allclose(laplacian(weights), reference(weights, normed=True), atol=1e-12)


def test_a_point_without_neighbours_is_no_cluster() -> None:
    weights = np.pad(blocks([4, 4]), (0, 1))
    values, _ = spectrum(weights, 5)
    assert values[:2] == pytest.approx([0.0, 0.0], abs=1e-12)
    assert values[2] > 0.9


@pytest.mark.parametrize("clusters", [2, 3, 6])
@pytest.mark.parametrize("between", [0.0, 0.02])
def test_the_eigengap_counts_blocks_and_their_points_coincide(clusters: int, between: float) -> None:
    sizes = [5 + i for i in range(clusters)]
    values, vectors = spectrum(blocks(sizes, between), 12)
    assert eigengap(values, 2) == clusters
    points = embedding(vectors, clusters, 12)
    labels = np.repeat(np.arange(clusters), sizes)
    cosines = points @ points.T
    assert cosines[labels[:, None] == labels].min() > 0.99
    assert cosines[labels[:, None] != labels].max() < 0.2
    assert not points[:, clusters:].any()


@pytest.mark.parametrize("clusters", [3, 5, 8])
def test_subspaces_of_feature_maps_are_counted(clusters: int) -> None:
    random = np.random.default_rng(clusters)
    labels = np.repeat(np.arange(clusters), 25)
    maps = points_in(subspaces(clusters, random), labels, random, noise=0.2)
    values, _ = spectrum(affinity(DscNet(AdapNetConfig(), 0).train(maps)), 30)
    assert eigengap(values, 2) == clusters


def test_the_gap_is_looked_for_from_the_fewest_on() -> None:
    values = np.array([0.0, 0.9, 0.91, 0.95, 0.96])
    assert eigengap(values, 1) == 1
    assert eigengap(values, 2) == 3
