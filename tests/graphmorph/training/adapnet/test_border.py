"""Border points by reverse nearest neighbours."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.training.adapnet.border import border_points, reverse_neighbours


@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 999))
def test_reverse_neighbours_are_counted(count: int, neighbours: int, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(count, 3))
    direct = [0] * count
    for one in range(count):
        others = sorted(
            (i for i in range(count) if i != one), key=lambda i: float(np.sum((points[i] - points[one]) ** 2))
        )
        for near in others[:neighbours]:
            direct[near] += 1
    assert reverse_neighbours(points, neighbours).tolist() == direct


def test_the_rim_of_a_disc_is_its_border() -> None:
    random = np.random.default_rng(0)
    angle, radius = random.uniform(0, 2 * np.pi, 400), np.sqrt(random.uniform(0, 1, 400))
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    border = border_points(points, 0.2)
    assert border.size == 80
    inside = np.setdiff1d(np.arange(400), border)
    assert np.median(radius[border]) > 0.85
    assert radius[border].mean() > radius[inside].mean() + 0.15


def test_a_fifth_rounded_up_and_one_point_is_its_own_border() -> None:
    points = np.arange(11.0)[:, None] ** 2
    assert border_points(points, 0.2).size == 3
    assert border_points(points[:1], 0.2).tolist() == [0]
    assert border_points(points[:0], 0.2).tolist() == []


def test_equal_points() -> None:
    assert border_points(np.ones((9, 2)), 0.2).size == 2
