"""Einsum of two tensors: attention written as equations."""

from __future__ import annotations

import numpy as np
import pytest

from tests.graphmorph.channels.values.oracle import check, constants, duplicates
from tests.graphmorph.channels.values.planted import planted
from tests.passes.text_models import Weight

FLAT: dict[str, Weight] = {"flat": np.array([0, 6, 64])}
ATTENTION = """r = Reshape(t, flat) s = Einsum<equation="b c i, b c j -> b i j">(r, r)
    a = Softmax<axis=AXIS>(s) y = Einsum<equation="b i j, b c j -> b c i">(a, r)"""


@pytest.mark.parametrize(("axis", "known"), [(-1, True), (2, True), (1, False)])
def test_attention_averages(axis: int, known: bool) -> None:
    values = check(planted(ATTENTION.replace("AXIS", str(axis)), FLAT))
    found = constants(values, "y")
    assert found[2] == 0
    assert (found[3] == pytest.approx(0.75)) == known
    assert duplicates(values, "y") == [(0, 1)]


def test_the_shares_may_come_second() -> None:
    text = ATTENTION.replace("AXIS", "-1").replace('"b i j, b c j -> b c i">(a, r)', '"b c j, b i j -> b c i">(r, a)')
    assert constants(check(planted(text, FLAT)), "y")[3] == pytest.approx(0.75)


@pytest.mark.parametrize(
    "equation",
    ["bci,bcj->bc", "bci,bdi->bcd", "bci,bdi->bdc", "bci,bdj->cd", "bci,bdi->d", "bci,bci->bci", "bci,bci->cb"],
)
def test_equations(equation: str) -> None:
    """Every claim is held against runs; a zero channel stays one, where the result has channels."""
    values = check(planted(f'r = Reshape(t, flat) y = Einsum<equation="{equation}">(r, r)', FLAT, shape="2,4,8,8"))
    assert values.constant("y") is not None


def test_rows_and_columns_of_one_tensor_are_not_the_same() -> None:
    """x_cd + x_dc is symmetric; x_cd times a constant is not, though both operands have the same numbers."""
    text = """r = Reshape(t, flat) g = Einsum<equation="bci,bdi->bcd">(r, w)
        one = Einsum<equation="bcd,bcd->bcd">(g, g) two = Einsum<equation="bcd,bdc->bcd">(g, g) y = Sub(one, two)"""
    weight = np.random.default_rng(0).standard_normal((2, 6, 64))
    values = check(planted(text, {**FLAT, "w": weight}, shape="2,4,8,8"))
    one, two = values.number("one"), values.number("two")
    assert one is not None
    assert two is not None
    assert not np.intersect1d(one[:, [0, 1, 4, 5]], two[:, [0, 1, 4, 5]]).size


@pytest.mark.parametrize("equation", ["bii,bcj->bc", "...i,...j->...ij", "bci,bcj", "bci->bc"])
def test_other_equations_say_nothing(equation: str) -> None:
    operands = "r, r" if "," in equation else "r"
    square = {"flat": np.array([0, 6, 8, 8])} if "..." in equation else {"flat": np.array([0, 64, 6])}
    text = f'r = Reshape(t, flat) y = Einsum<equation="{equation}">({operands})'
    if equation.startswith("bii"):
        square, text = {}, 'q = ReduceMean<axes=[1], keepdims=0>(t) y = Einsum<equation="bii,bcj->bc">(q, q)'
    values = check(planted(text, dict(square), shape="2,4,8,8"))
    found = values.constant("y")
    assert found is not None
    assert np.isnan(found).all()
