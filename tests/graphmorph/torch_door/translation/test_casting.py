"""Cast, CastLike, Identity, and operators that make tensors."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.graphmorph.torch_door.translation.imported import check, import_text, refusal, run_torch

KINDS = {
    "float": np.float32,
    "double": np.float64,
    "float16": np.float16,
    "int64": np.int64,
    "int32": np.int32,
    "uint8": np.uint8,
    "bool": np.bool_,
}


def number(kind: str) -> int:
    return int(onnx.TensorProto.DataType.Value(kind.upper()))


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_cast(source: str, target: str) -> None:
    x = np.array([0, 1, 2.75, 3.5, 100]).astype(KINDS[source])
    check(f"g ({source}[N] x) => ({target} y) {{ y = Cast<to={number(target)}>(x) }}", x=x)


def test_cast_like() -> None:
    x = np.array([0, 1.5, -2.75], np.float32)
    check("g (float[N] x, int32[M] l) => (int32 y) { y = CastLike(x, l) }", x=x, l=np.array([1], np.int32))
    check("g (float[N] x) => (int64 y) { y = CastLike(x, l) }", {"l": np.asarray(1)}, x=x)


def test_types_that_torch_does_not_have() -> None:
    text = f"g (float[N] x) => (float8e4m3fnuz[N] y) {{ y = Cast<to={number('FLOAT8E4M3FNUZ')}>(x) }}"
    assert "the type FLOAT8E4M3FNUZ is not torch's; cast to a type that torch has" in refusal(text)
    text = f"g (float[N] x) => (float8e5m2[N] y) {{ y = Cast<to={number('FLOAT8E5M2')}>(x) }}"
    assert "float8 saturates otherwise in torch" in refusal(text)
    check("g (float[N] x, float[M] a) => (float y) { l = Exp(a) y = CastLike(x, l) }", x=(3,), a=(2,))


def test_identity_is_the_tensor_itself() -> None:
    module = check("g (float[N] x) => (float y, float z) { y = Identity(x) t = Identity(x) z = Neg(t) }", x=(3,))
    assert [node.op for node in module.graph.nodes] == ["placeholder", "call_function", "output"]


@pytest.mark.parametrize(
    "attribute",
    ["value=float[2] {1.5, -2.0}", "value_float=1.5", "value_floats=[1.5, 2.5]", "value=float {3.0}"],
)
def test_constant_nodes(attribute: str) -> None:
    check(f"g (float[2] x) => (float y) {{ c = Constant<{attribute}>() y = Mul(x, c) }}", x=(2,))


def test_constant_nodes_of_integers() -> None:
    x = np.array([5, 7])
    check("g (int64[2] x) => (int64 y) { c = Constant<value_int=3>() y = Mul(x, c) }", x=x)
    check("g (int64[2] x) => (int64 y) { c = Constant<value_ints=[3, 4]>() y = Mul(x, c) }", x=x)


def test_constants_of_strings_are_refused() -> None:
    text = 'g (float[2] x) => (string y) { y = Constant<value_string="a">() }'
    assert "neither a tensor nor a number" in refusal(text)


@pytest.mark.parametrize("value", ["", "<value=float[1] {2.5}>", "<value=int32[1] {7}>", "<value=bool[1] {1}>"])
def test_constant_of_shape(value: str) -> None:
    kind = next((kind for kind in ("int32", "bool") if kind in value), "float")
    text = f"g (float[A,B] x) => ({kind} y) {{ s = Shape(x) y = ConstantOfShape{value}(s) }}"
    check(text, x=(2, 3))
    module = import_text(f"g (float[A] x) => ({kind} y) {{ y = ConstantOfShape{value}(s) }}", {"s": np.array([2, 0])})
    assert run_torch(module, np.zeros(1, np.float32))[0].shape == (2, 0)


@pytest.mark.parametrize("kind", ["int64", "int32"])
@pytest.mark.parametrize(("start", "limit", "delta"), [(0, 5, 1), (7, -2, -3), (3, 3, 1), (4, 1, 1)])
def test_range(kind: str, start: int, limit: int, delta: int) -> None:
    given = {name: np.asarray(n).astype(kind) for name, n in (("s", start), ("l", limit), ("d", delta))}
    text = f"g ({kind} l) => ({kind} y) {{ y = Range(s, l, d) }}"
    check(text, {name: given[name] for name in "sd"}, l=given["l"])


def test_a_range_of_fractions_is_refused() -> None:
    text = "g (float s, float l, float d) => (float y) { y = Range(s, l, d) }"
    assert "a range of torch.float32; count in integers" in refusal(text)
