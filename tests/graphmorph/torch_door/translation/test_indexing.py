"""Gathering, scattering and sorting."""

from __future__ import annotations

import numpy as np
import pytest

from tests.graphmorph.torch_door.translation.imported import check, refusal

DATA = "float[4,5,3] x"


def ints(values: object, kind: str = "int64") -> np.ndarray:
    return np.array(values, kind)


def both(inputs: str, node: str, weights: dict[str, np.ndarray], *, opset: int = 20, **feeds: object) -> None:
    """Once with constant indices, once with computed ones."""
    check(f"g ({inputs}) => (float y) {{ y = {node} }}", weights, opset=opset, **feeds)  # type: ignore[arg-type]
    more = ", ".join(
        f"{ {'f': 'float', 'i': str(array.dtype)}[array.dtype.kind] }{[*array.shape] if array.shape else ''} {name}"
        for name, array in weights.items()
    )
    check(f"g ({inputs}, {more}) => (float y) {{ y = {node} }}", opset=opset, **feeds, **weights)  # type: ignore[arg-type]


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("indices", [1, -2, [0, 2, -1], [[0, 1], [2, -3]]])
@pytest.mark.parametrize("kind", ["int64", "int32"])
def test_gather(axis: int, indices: object, kind: str) -> None:
    both(DATA, f"Gather<axis={axis}>(x, i)", {"i": ints(indices, kind)}, x=(4, 5, 3))


def test_gather_from_a_constant_table() -> None:
    check("g (int64[N,M] i) => (float y) { y = Gather(w, i) }", {"w": (7, 4)}, i=ints([[0, 6], [-1, 3]]))


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("kind", ["int64", "int32"])
@pytest.mark.parametrize("low", [0, -3])
def test_gather_elements(axis: int, kind: str, low: int) -> None:
    indices = np.random.default_rng(0).integers(low, 3, (3, 4, 2)).astype(kind)
    both(DATA, f"GatherElements<axis={axis}>(x, i)", {"i": indices}, x=(4, 5, 3))


@pytest.mark.parametrize("indices", [[[0, 1], [3, -1]], [[[0], [2]]], [[1, 2, 0]], [1, 2]])
def test_gather_nd(indices: object) -> None:
    both(DATA, "GatherND(x, i)", {"i": ints(indices)}, x=(4, 5, 3))


@pytest.mark.parametrize("reduction", ["none", "add"])
@pytest.mark.parametrize("indices", [[[0, 1], [3, -1]], [[[0], [2]]], [[1, 2, 0]]])
def test_scatter_nd(reduction: str, indices: list[list[int]]) -> None:
    places = ints(indices)
    updates = np.random.default_rng(1).standard_normal((*places.shape[:-1], *(4, 5, 3)[places.shape[-1] :]))
    both(
        DATA,
        f'ScatterND<reduction="{reduction}">(x, i, u)',
        {"i": places, "u": updates.astype(np.float32)},
        x=(4, 5, 3),
    )


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
@pytest.mark.parametrize("axis", [0, -1])
def test_scatter_elements(reduction: str, axis: int) -> None:
    node = f'ScatterElements<axis={axis}, reduction="{reduction}">(x, i, u)'
    updates = np.random.default_rng(1).standard_normal((2, 5, 2)).astype(np.float32)
    indices = np.broadcast_to(ints([0, -1]).reshape(2, 1, 1) if axis == 0 else ints([2, -3]), (2, 5, 2)).copy()
    both(DATA, node, {"i": indices, "u": updates}, x=(4, 5, 3))


def test_the_input_of_a_scatter_stays_as_it_is() -> None:
    text = "g (float[3] x) => (float y, float z) { y = ScatterND(x, i, u) z = Neg(x) }"
    check(text, {"i": ints([[1]]), "u": np.array([9.0], np.float32)}, x=(3,))


@pytest.mark.parametrize("attributes", ["", "<largest=0>", "<axis=0>", "<axis=-2, largest=0>"])
def test_top_k_with_ties(attributes: str) -> None:
    """Of equal elements the first one wins."""
    x = np.array([[3, 1, 3, 2, 3], [0, 0, 0, 0, 0], [3, 1, 0, 2, 1]], np.float32)
    check(f"g (float[3,5] x) => (float v, int64 i) {{ v, i = TopK{attributes}(x, k) }}", {"k": ints([2])}, x=x)


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ("GatherND<batch_dims=1>(x, i)", "batch_dims is 1"),
        ('ScatterND<reduction="max">(x, i, u)', "reduction 'max'; only none and add have a torch function"),
    ],
)
def test_what_is_refused(node: str, reason: str) -> None:
    weights = {"i": ints([[0]] * 4), "u": np.ones((4, 5, 3), np.float32)}
    assert reason in refusal(f"g ({DATA}) => (float y) {{ y = {node} }}", weights)


@pytest.mark.parametrize("axis", [-1, 0, 1, -2])
@pytest.mark.parametrize("kind", ["int64", "int32"])
def test_one_hot(axis: int, kind: str) -> None:
    """With indices from the end, and out of bounds."""
    indices = ints([[0, 3, -1], [-4, 4, -9]], kind)
    weights = {"d": ints(4), "v": np.array([2.5, -1.0], np.float32)}
    check(f"g ({kind}[A,B] i) => (float y) {{ y = OneHot<axis={axis}>(i, d, v) }}", weights, i=indices)
