"""Fresh names: never one that the graph, or a body inside it, has already."""

from __future__ import annotations

from graphmorph.names import NameAllocator
from graphmorph.onnx_door import load
from tests.passes.text_models import build

MODEL = build(
    """g (float[N,4] x, bool f) => (float[N,4] y) {
        a = Mul(x, k)
        y = If(f) <
            then_branch = t () => (float[N,4] inner) { inner = Relu(a) },
            else_branch = e () => (float[N,4] other) { other = Mul(a, deep) }
        >
    }""",
    {"k": (4,), "deep": (4,)},
)


def test_names_of_tensors_and_bodies_are_taken() -> None:
    names = NameAllocator(load(MODEL))
    for taken in ("x", "f", "a", "k", "y", "inner", "other", "deep"):
        assert names.fresh(taken) == f"{taken}_2"


def test_a_name_is_handed_out_once() -> None:
    names = NameAllocator(load(MODEL))
    assert [names.fresh("new") for _ in range(3)] == ["new", "new_2", "new_3"]


def test_a_released_name_can_be_taken_over() -> None:
    names = NameAllocator(load(MODEL))
    names.release("a")
    assert names.fresh("a") == "a"
    assert names.fresh("a") == "a_2"
