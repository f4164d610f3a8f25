"""Equations of einsum, ellipses spelt out: torch gives the same for both."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.torch_door.einsum_equation import explicit_equation, from_sublists


@pytest.mark.parametrize(
    ("equation", "ranks", "expected"),
    [
        ("ij,jk->ik", [2, 2], (["ij", "jk"], "ik")),
        ("b a , a", [2, 1], (["ba", "a"], "b")),
        ("...i,...i->...", [3, 2], (["ABi", "Bi"], "AB")),
        ("i...->i", [3], (["iAB"], "i")),
        ("A...,B", [2, 1], (["AC", "B"], "CAB")),
        ("zBa", [3], (["zBa"], "Baz")),
        ("...", [0], ([""], "")),
    ],
)
def test_spelling_out(equation, ranks, expected):
    assert explicit_equation(equation, ranks) == expected


@pytest.mark.parametrize(
    ("equation", "ranks"), [("ij,jk", [2]), ("ij", [3]), ("ijk...", [2]), ("i1", [2]), ("i..j", [3]), ("i", [2])]
)
def test_equations_that_do_not_fit(equation, ranks):
    with pytest.raises(ValueError, match="einsum equation"):
        explicit_equation(equation, ranks)


def test_too_many_indices():
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"
    with pytest.raises(ValueError, match="too many indices"):
        explicit_equation(f"...{letters}", [len(letters) + 2])


def test_sublists():
    assert from_sublists(["x", [0, 27], "y", [..., 1]]) == ("Ab,...B", ["x", "y"])
    assert from_sublists(["x", [0, 1], [1, 0]]) == ("AB->BA", ["x"])


subscripts = st.lists(st.sampled_from(["a", "Q", "k", "..."]), max_size=4).filter(lambda term: term.count("...") < 2)


@given(st.lists(subscripts, min_size=1, max_size=3), st.integers(0, 2), st.integers(0, 2**31))
def test_the_explicit_equation_is_torchs(terms, width, seed):
    sizes = {"a": 2, "Q": 3, "k": 4}
    equation = ",".join("".join(term) for term in terms)
    generator = torch.Generator().manual_seed(seed)
    operands = []
    for term in terms:
        shape = [size for name in term for size in ([5, 6][:width] if name == "..." else [sizes[name]])]
        operands.append(torch.randint(-3, 4, shape, generator=generator))
    spelt, output = explicit_equation(equation, [operand.ndim for operand in operands])
    explicit = torch.einsum(f"{','.join(spelt)}->{output}", *operands)
    assert torch.equal(explicit, torch.einsum(equation, *operands))
