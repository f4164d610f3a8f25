"""Which branches each block has, and where they lie on the square."""

from __future__ import annotations

import pytest

from graphmorph.expansion import asymmetric, mobileone, repvgg
from graphmorph.expansion.branch import Branch


def shown(branches: tuple[Branch, ...]) -> list[tuple[str, tuple[int, int] | None, tuple[int, int]]]:
    return [(branch.name, branch.size, branch.begin) for branch in branches]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [("horizontal", (1, 3), (1, 0)), ("vertical", (3, 1), (0, 1))]),
        ({"vertical": False}, [("horizontal", (1, 3), (1, 0))]),
        ({"horizontal": False}, [("vertical", (3, 1), (0, 1))]),
        ({"shifted": True}, [("horizontal", (1, 3), (2, 0)), ("vertical", (3, 1), (0, 2))]),
    ],
)
def test_asymmetric(options: dict[str, bool], expected: list[object]) -> None:
    assert shown(asymmetric.branches(3, **options)) == [("", (3, 3), (0, 0)), *expected]


def test_short_asymmetric_kernels_lie_in_the_middle_of_a_large_one() -> None:
    """Section 4.2: 1 x 3 and 3 x 1 beside 11 x 11."""
    _, horizontal, vertical = shown(asymmetric.branches(11, asymmetric_size=3))
    assert horizontal == ("horizontal", (1, 3), (5, 4))
    assert vertical == ("vertical", (3, 1), (4, 5))


@pytest.mark.parametrize("with_identity", [True, False])
def test_repvgg(with_identity: bool) -> None:
    found = shown(repvgg.branches(5, with_identity=with_identity))
    assert found[:2] == [("", (5, 5), (0, 0)), ("pointwise", (1, 1), (2, 2))]
    assert found[2:] == [("identity", None, (2, 2))] * with_identity


@pytest.mark.parametrize(("size", "pointwise"), [(3, ["pointwise"]), (1, [])])
def test_mobileone(size: int, pointwise: list[str]) -> None:
    branches = mobileone.branches(size, count=4, with_identity=True)
    assert [branch.name for branch in branches] == ["", "branch2", "branch3", "branch4", *pointwise, "identity"]
    assert sum(branch.part for branch in branches[1:4]) == pytest.approx(1.0)


def test_mobileone_with_a_single_square() -> None:
    assert [b.name for b in mobileone.branches(3, count=1, with_identity=False)] == ["", "pointwise"]
