"""What the axes of constants mean to the nodes that read them."""

from __future__ import annotations

import onnx_graphsurgeon as gs
import pytest

from graphmorph.channels.criteria.roles import role, roles
from graphmorph.runtime import Runtime
from tests.graphmorph.channels.analysed_text import analysed, group_of


@pytest.mark.parametrize(
    ("op", "attributes", "index", "rank", "expected"),
    [
        ("Conv", {}, 1, 4, ("output", "input", "other", "other")),
        ("Conv", {}, 2, 1, ("offset",)),
        ("ConvTranspose", {}, 1, 4, ("input", "output", "other", "other")),
        ("Gemm", {}, 1, 2, ("input", "output")),
        ("Gemm", {"transB": 1}, 1, 2, ("output", "input")),
        ("Gemm", {}, 0, 2, ("output", "input")),
        ("Gemm", {"transA": 1}, 0, 2, ("input", "output")),
        ("Gemm", {}, 2, 1, ("offset",)),
        ("MatMul", {}, 1, 3, ("output", "input", "output")),
        ("MatMul", {}, 0, 2, ("output", "input")),
        ("MatMul", {}, 1, 1, ("input",)),
        ("BatchNormalization", {}, 1, 1, ("scale",)),
        ("BatchNormalization", {}, 2, 1, ("offset",)),
        ("BatchNormalization", {}, 4, 1, ("statistics",)),
        ("LayerNormalization", {}, 1, 1, ("scale",)),
        ("Gather", {"axis": 0}, 0, 2, ("other", "output")),
        ("Gather", {"axis": -1}, 0, 2, ("output", "other")),
        ("Mul", {}, 1, 3, ("scale", "scale", "scale")),
        ("Softmax", {}, 0, 1, ("other",)),
    ],
)
def test_axes_of_constants(op: str, attributes: dict[str, int], index: int, rank: int, expected: tuple[str]) -> None:
    node = gs.Node(op, attrs=attributes)
    assert tuple(role(node, index, axis, rank) for axis in range(rank)) == expected


def test_a_constant_that_two_nodes_read_has_both_meanings(runtime: Runtime) -> None:
    text = """g (float[1,4] x) => (float[1,4] y) {
        a = Gemm(x, w)
        b = Relu(a)
        y = Gemm<transB=1>(b, w)
    }"""
    analysis = analysed(runtime, text, {"w": (4, 8)})
    group = group_of(analysis, "w", axis=1)
    found = [roles(member, analysis.facts) for member in group.members]
    assert found == [frozenset({"output", "input"})]
