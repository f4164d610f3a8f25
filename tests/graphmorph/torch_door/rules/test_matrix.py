"""Matrix products and contractions: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.graphmorph.torch_door.calling import check_call, operators, refused, specialised
from tests.graphmorph.torch_door.lowering_check import check_lowering
from tests.graphmorph.torch_door.rules.test_layer_norm import drawn


class Weighted(nn.Module):
    """A batch of vectors and a weight, in a product."""

    def __init__(self, product):
        super().__init__()
        self.weight = nn.Parameter(drawn(5, 4))
        self.product = product

    def forward(self, x):
        return self.product(x, self.weight)


@pytest.mark.parametrize(
    "product",
    [
        lambda x, w: x @ w,
        lambda x, w: w.T @ x.transpose(1, 2),
        lambda x, w: torch.matmul(x, other=w),
        lambda x, w: x.matmul(w),
        lambda x, w: torch.linalg.matmul(x, w),
        lambda x, w: w.t().matmul(x.mT),
    ],
)
def test_matmul_with_a_weight(product):
    assert "MatMul" in operators(check_lowering(Weighted(product), drawn(2, 3, 5)))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((2, 3, 4, 5), (2, 3, 5, 6)),
        ((2, 1, 4, 5), (2, 3, 5, 6)),
        ((2, 4, 5), (2, 5, 4)),
        ((3, 4), (4, 5)),
        ((4,), (4,)),
        ((3, 4), (4,)),
        ((4,), (4, 3)),
        ((2, 3, 4), (4,)),
        ((4,), (2, 4, 3)),
    ],
)
def test_matmul_of_any_ranks(left, right):
    check_call(lambda x, y: x @ y, drawn(*left), drawn(*right), other_batch=left[0] == right[0] == 2)


@pytest.mark.parametrize(
    ("function", "left", "right"),
    [
        (torch.mm, (3, 4), (4, 5)),
        (lambda x, y: torch.mm(x, mat2=y), (3, 4), (4, 5)),
        (lambda x, y: x.mm(y), (3, 4), (4, 5)),
        (torch.bmm, (2, 3, 4), (2, 4, 5)),
        (lambda x, y: x.bmm(mat2=y), (2, 3, 4), (2, 4, 5)),
        (torch.mv, (3, 4), (4,)),
        (lambda x, y: x.mv(vec=y), (3, 4), (4,)),
        (torch.dot, (4,), (4,)),
        (lambda x, y: x.dot(tensor=y), (4,), (4,)),
        (torch.vdot, (4,), (4,)),
        (torch.inner, (2, 3, 4), (5, 4)),
        (lambda x, y: x.inner(y), (4,), (3, 4)),
        (torch.outer, (3,), (4,)),
        (lambda x, y: x.ger(vec2=y), (3,), (4,)),
        (lambda x, y: torch.tensordot(x, y), (2, 3, 4), (3, 4, 5)),
        (lambda x, y: torch.tensordot(x, y, dims=([1, -1], [2, 0])), (2, 3, 4), (4, 5, 3)),
        (lambda x, y: torch.tensordot(x, y, 0), (2, 3), (4,)),
    ],
)
def test_named_products(function, left, right):
    check_call(function, drawn(*left), drawn(*right), other_batch=False)


@pytest.mark.parametrize(
    ("function", "sizes"),
    [
        (torch.addmm, [(5,), (3, 4), (4, 5)]),
        (lambda z, x, y: torch.addmm(z, x, y, beta=0.5, alpha=-2), [(3, 1), (3, 4), (4, 5)]),
        (lambda z, x, y: z.addmm(x, mat2=y, beta=0), [(3, 5), (3, 4), (4, 5)]),
        (torch.baddbmm, [(2, 3, 5), (2, 3, 4), (2, 4, 5)]),
        (lambda z, x, y: torch.baddbmm(z, x, batch2=y, beta=2, alpha=0.3), [(5,), (2, 3, 4), (2, 4, 5)]),
        (lambda z, x, y: z.addbmm(x, y, alpha=2), [(3, 5), (2, 3, 4), (2, 4, 5)]),
        (lambda z, x, y: torch.addmv(z, x, y, beta=3), [(3,), (3, 4), (4,)]),
    ],
)
def test_products_that_are_added(function, sizes):
    check_call(function, *(drawn(*one) for one in sizes), other_batch=False)


def test_addmm_is_gemm_and_does_not_read_what_counts_for_nothing():
    z, x, y = torch.full((3, 5), float("nan")), drawn(3, 4), drawn(4, 5)
    graph = check_call(lambda z, x, y: torch.addmm(z, x, y, beta=0), z, x, y, other_batch=False)
    assert operators(graph) == ["Gemm"]
    graph = check_call(lambda z, x, y: torch.baddbmm(z, x[None], y[None], beta=0), z, x, y, other_batch=False)
    assert not any(node.op == "Add" for node in graph.nodes)


def test_numbers_of_the_traced_shapes():
    z, x, y = drawn(3, 5), drawn(3, 4), drawn(4, 5)
    graph = check_call(lambda z, x, y: torch.addmm(z, x, y, alpha=x.size(1)), z, x, y, other_batch=False)
    assert specialised(graph)
    assert "beta follows" in refused(lambda z, x, y: torch.addmm(z, x, y, beta=z.size(0)), z, x, y)


def test_whole_numbers():
    z, x, y = ((drawn(3, 3) * 9).long() for _ in range(3))
    check_call(lambda x, y: x @ y, x, y, other_batch=False)
    check_call(lambda z, x, y: torch.addmm(z, x, y, beta=2, alpha=3), z, x, y, other_batch=False)
    assert "a product of torch.int16" in refused(lambda x, y: x @ y, x.short(), y.short())


@pytest.mark.parametrize(
    ("equation", "sizes"),
    [
        ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]),
        ("bij, bjk", [(2, 3, 4), (2, 4, 5)]),
        ("ij->ji", [(2, 3)]),
        ("bii->b", [(2, 3, 3)]),
        ("bii->bi", [(2, 3, 3)]),
        ("b...->b", [(2, 3, 4)]),
        ("...i,...i->...", [(2, 3, 4), (2, 3, 4)]),
        ("...i,ij", [(2, 3, 4), (4, 5)]),
        ("b...i,...ij->b...j", [(2, 3, 4), (3, 4, 5)]),
        ("...ij,...jk->ik", [(2, 3, 4), (2, 4, 5)]),
        ("...ij,...jk->...ik", [(2, 3, 4, 5), (3, 5, 6)]),
        ("bn,anm,bm->ba", [(2, 5), (3, 5, 4), (2, 4)]),
        ("Ba,aB->", [(2, 3), (3, 2)]),
        ("ZaB,a", [(2, 3, 4), (3,)]),
    ],
)
def test_einsum(equation, sizes):
    tensors = [drawn(*one) for one in sizes]
    graph = check_call(lambda *x: torch.einsum(equation, *x), *tensors, other_batch=False)
    assert operators(graph) == ["Einsum"]
    check_call(lambda *x: torch.einsum(equation, x), *tensors, other_batch=False)


def test_einsum_of_a_larger_batch():
    check_call(lambda x, y: torch.einsum("bij,bjk->bik", x, y), drawn(2, 3, 4), drawn(2, 4, 5))
    check_call(lambda x: torch.einsum("...ij->...ji", x), drawn(2, 3, 4))


def test_einsum_of_sublists():
    x, y = drawn(2, 3, 4), drawn(2, 4, 5)
    check_call(lambda x, y: torch.einsum(x, [0, 1, 2], y, [0, 2, 3], [0, 1, 3]), x, y)
    check_call(lambda x, y: torch.einsum(x, [..., 1, 2], y, [..., 2, 30]), x, y)


def test_stretched_sizes_and_mixed_types_are_refused():
    stretched = refused(lambda x, y: torch.einsum("bi,bi->b", x, y), drawn(2, 1), drawn(2, 3))
    assert stretched == "index i has sizes 1 and 3"
    assert "torch.int64" in refused(lambda x, y: torch.outer(x, y), drawn(3), torch.arange(3))
