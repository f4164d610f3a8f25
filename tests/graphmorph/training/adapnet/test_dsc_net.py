"""DSC-Net: equation 2, determinism, any size, and a refusal."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from graphmorph.errors import UsageError
from graphmorph.training.adapnet import AdapNetConfig
from graphmorph.training.adapnet.dsc_net import DscNet, unit_maps
from tests.graphmorph.training.adapnet.streams import points_in, subspaces

CONFIG = AdapNetConfig()
ZERO = np.array(0)
LABELS = np.repeat(np.arange(3), 15)


def three_subspaces(noise: float = 0.1) -> np.ndarray:
    random = np.random.default_rng(1)
    return points_in(subspaces(3, random), LABELS, random, noise)


def test_the_loss_is_equation_2() -> None:
    net = DscNet(CONFIG, 0)
    points = torch.from_numpy(unit_maps(three_subspaces()))[:, None]
    coefficients = torch.from_numpy(net.coefficients(points))
    features = net.autoencoder.encode(points)
    z = features.flatten(1).T.double()
    rebuilt = net.autoencoder.decode((z @ coefficients).T.float().view_as(features), points.shape[2:])
    direct = (
        0.5 * (points - rebuilt).double().norm() ** 2
        + CONFIG.lambda1 * coefficients.norm() ** 2
        + CONFIG.lambda2 / 2 * (z - z @ coefficients).norm() ** 2
    )
    whole = net.loss(points, coefficients.float(), torch.arange(45))
    assert whole.item() == pytest.approx(direct.item(), rel=1e-5)
    parts = [net.loss(points, coefficients.float(), part).item() for part in torch.arange(45).split(20)]
    assert sum(parts) == pytest.approx(direct.item(), rel=1e-5)


def test_training_lowers_the_loss() -> None:
    maps, net = three_subspaces(), DscNet(CONFIG, 0)
    points = torch.from_numpy(unit_maps(maps))[:, None]

    def loss() -> float:
        coefficients = torch.from_numpy(net.coefficients(points).astype(np.float32))
        return net.loss(points, coefficients, torch.arange(len(points))).item()

    before = loss()
    for _ in range(5):
        net.train(maps)
    assert loss() < 0.9 * before


def test_the_same_seed_gives_the_same_and_another_does_not() -> None:
    maps = three_subspaces()
    nets = [DscNet(CONFIG, seed) for seed in (3, 3, 4)]
    first, again, other = (net.train(maps) for net in nets)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_net_that_was_restored_goes_on_alike() -> None:
    config = AdapNetConfig(dsc_batch=8)
    maps, net = three_subspaces(), DscNet(config, 3)
    net.train(maps)
    saved = net.state()
    again, in_another_order = DscNet(config, 3).restore(saved), DscNet(config, 3).restore(saved | {"trainings": ZERO})
    found = net.train(maps)
    assert np.array_equal(found, again.train(maps))
    assert not np.array_equal(found, in_another_order.train(maps))


def test_self_expression_stays_within_subspaces_however_long_it_trains() -> None:
    """Without features of length 1 nothing is left of C after some LSEPs."""
    net = DscNet(AdapNetConfig(dsc_epochs=100), 0)
    coefficients = np.abs(net.train(three_subspaces(noise=0.3)))
    same = LABELS[:, None] == LABELS
    assert coefficients[same].mean() > 3 * coefficients[~same].mean()
    assert coefficients.sum(axis=0).min() > 0.1


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (3, 2), (5, 7), (8, 8)])
def test_any_size_of_maps(size: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).normal(size=(6, *size)).astype(np.float32)
    coefficients = DscNet(CONFIG, 0).train(maps)
    assert coefficients.shape == (6, 6)
    assert np.isfinite(coefficients).all()


def test_maps_have_length_1_and_zeros_stay() -> None:
    maps = np.stack([np.full((2, 2), -7.0), np.zeros((2, 2))]).astype(np.float32)
    assert unit_maps(maps).tolist() == [[[-0.5, -0.5], [-0.5, -0.5]], [[0.0, 0.0], [0.0, 0.0]]]


def test_more_points_than_c_is_made_for_are_refused() -> None:
    net = DscNet(AdapNetConfig(most_points=5), 0)
    with pytest.raises(UsageError, match=re.escape("C has 6 x 6 entries, are more than most_points 5: set `points`")):
        net.train(np.ones((6, 4, 4), np.float32))
