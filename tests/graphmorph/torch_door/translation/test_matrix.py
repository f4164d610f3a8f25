"""Gemm, MatMul and Einsum."""

from __future__ import annotations

import pytest
from torch import nn

from tests.graphmorph.torch_door.translation.imported import check, layers, refusal

LINEAR = ["Linear(in_features=4, out_features=6, bias=True)"]


@pytest.mark.parametrize("dtype", ["float", "double"])
@pytest.mark.parametrize(("attributes", "shape"), [("", (4, 6)), ("<transB=1>", (6, 4)), ("<alpha=1.0>", (4, 6))])
def test_gemm_becomes_a_linear(attributes: str, shape: tuple[int, ...], dtype: str) -> None:
    text = f"g (float[N,4] x) => (float[N,6] y) {{ y = Gemm{attributes}(x, w, b) }}"
    assert layers(check(text, {"w": shape, "b": (6,)}, dtype=dtype, x=(3, 4))) == LINEAR


def test_gemm_without_bias_becomes_a_linear() -> None:
    text = "g (float[N,4] x) => (float[N,6] y) { y = Gemm(x, w) }"
    assert layers(check(text, {"w": (4, 6)}, x=(3, 4))) == ["Linear(in_features=4, out_features=6, bias=False)"]


@pytest.mark.parametrize(
    ("attributes", "x", "w", "c"),
    [
        ("alpha=0.5, beta=2.0", (3, 4), (4, 6), (6,)),
        ("alpha=2.0", (3, 4), (4, 6), None),
        ("transA=1", (4, 3), (4, 6), (6,)),
        ("transA=1, transB=1", (4, 3), (6, 4), (3, 1)),
        ("beta=0.5", (3, 4), (4, 6), (1,)),
        ("transB=1", (3, 4), (6, 4), (3, 6)),
        ("transB=1", (3, 4), (6, 4), ()),
    ],
)
def test_gemm_that_is_no_linear_is_a_function(
    attributes: str, x: tuple[int, ...], w: tuple[int, ...], c: tuple[int, ...] | None
) -> None:
    text = f"g (float[A,B] x) => (float[N,6] y) {{ y = Gemm<{attributes}>(x, w{', c' if c is not None else ''}) }}"
    weights = {"w": w} | ({} if c is None else {"c": c})
    assert layers(check(text, weights, x=x)) == []


def test_gemm_of_computed_matrices() -> None:
    text = "g (float[N,4] x, float[4,6] w, float[6] c) => (float[N,6] y) { y = Gemm(x, w, c) }"
    assert layers(check(text, x=(3, 4), w=(4, 6), c=(6,))) == []


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["float", "double"])
def test_matmul_by_a_matrix_is_a_linear(shape: tuple[int, ...], dtype: str) -> None:
    dims = ",".join("ABC"[: len(shape) - 1] + "4")
    text = f"g (float[{dims}] x) => (float[{dims.replace('4', '6')}] y) {{ y = MatMul(x, w) }}"
    module = check(text, {"w": (4, 6)}, dtype=dtype, x=shape)
    assert layers(module) == ["Linear(in_features=4, out_features=6, bias=False)"]


@pytest.mark.parametrize("addition", ["Add(t, b)", "Add(b, t)"])
def test_an_added_vector_becomes_the_bias(addition: str) -> None:
    text = f"g (float[A,B,4] x) => (float[A,B,6] y) {{ t = MatMul(x, w) y = {addition} }}"
    assert layers(check(text, {"w": (4, 6), "b": (6,)}, x=(2, 3, 4))) == LINEAR


@pytest.mark.parametrize("bias", [(1,), (3, 1), (1, 1, 1, 6), ()])
def test_another_addend_stays_an_addition(bias: tuple[int, ...]) -> None:
    """Among them one that raises the rank."""
    out = "1,A,3,6" if len(bias) == 4 else "A,3,6"
    text = f"g (float[A,3,4] x) => (float[{out}] y) {{ t = MatMul(x, w) y = Add(t, b) }}"
    module = check(text, {"w": (4, 6), "b": bias}, x=(2, 3, 4))
    assert layers(module) == ["Linear(in_features=4, out_features=6, bias=False)"]


def test_a_product_that_somebody_else_reads_keeps_its_addition() -> None:
    text = "g (float[A,4] x) => (float[A,6] y, float[A,6] z) { t = MatMul(x, w) y = Add(t, b) z = Relu(t) }"
    module = check(text, {"w": (4, 6), "b": (6,)}, x=(3, 4))
    assert layers(module)[0] == "Linear(in_features=4, out_features=6, bias=False)"


@pytest.mark.parametrize(
    ("left", "right"), [((2, 3, 4), (2, 4, 5)), ((3, 4), (2, 4, 5)), ((4,), (4,)), ((5, 1, 3, 4), (2, 4, 5))]
)
def test_matmul_of_two_tensors(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    text = f"g (float{[*left]} a, float{[*right]} b) => (float y) {{ y = MatMul(a, b) }}"
    assert layers(check(text, a=left, b=right)) == []


def test_matmul_by_a_constant_from_the_left() -> None:
    text = "g (float[4,B] x) => (float[6,B] y) { y = MatMul(w, x) }"
    assert layers(check(text, {"w": (6, 4)}, x=(4, 3))) == []


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]),
        ("bhid, bhjd -> bhij", [(2, 2, 3, 4), (2, 2, 5, 4)]),
        ("ii->i", [(4, 4)]),
        ("...i->...", [(2, 3, 4)]),
        ("ij,j", [(3, 4), (4,)]),
        ("i,i->", [(4,), (4,)]),
    ],
)
def test_einsum(equation: str, shapes: list[tuple[int, ...]]) -> None:
    feeds = dict(zip("ab", shapes, strict=False))
    inputs = ", ".join(f"float{[*shape]} {name}" for name, shape in feeds.items())
    text = f'g ({inputs}) => (float y) {{ y = Einsum<equation="{equation}">({", ".join(feeds)}) }}'
    check(text, **feeds)


def test_einsum_without_an_order_is_refused() -> None:
    text = 'g (float[3,4] a, float[4,5] b) => (float y) { y = Einsum<equation="iK,KJ">(a, b) }'
    assert "leaves the order of its result open; write it with ->" in refusal(text)


def test_weights_of_a_linear_are_rows_of_outputs() -> None:
    text = "g (float[N,4] x) => (float[N,6] y) { y = MatMul(x, w) }"
    made = check(text, {"w": (4, 6)}, x=(3, 4)).get_submodule("y")
    assert isinstance(made, nn.Linear)
    assert made.weight.shape == (6, 4)
    assert made.weight.is_contiguous()
