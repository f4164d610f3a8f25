"""Sizes of every tensor, and which are free: inferred, run, or as traced."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import parser
from torch import nn

from graphmorph.channels.probing import probe_sizes
from graphmorph.channels.sizes import Sizes
from graphmorph.errors import UsageError
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.onnx_door import load
from graphmorph.oracle import Oracle, Shapes, TracedShapes
from graphmorph.runtime import Runtime
from graphmorph.torch_door import trace


def probed(text: str, runtime: Runtime, shapes: dict[str, tuple[int, ...]] | None = None) -> Sizes:
    graph = load(parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17, "custom" : 1]> {text}'))
    return probe_sizes(graph, Facts(graph, Shapes(Oracle(runtime), graph)), runtime, shapes)


def traced(module: nn.Module, *example: torch.Tensor) -> tuple[Graph, Sizes]:
    graph = trace(module.eval(), example)
    with Runtime() as unused:
        sizes = probe_sizes(graph, Facts(graph, TracedShapes(graph)), unused)
        assert unused.child_pid is None
    return graph, sizes


def test_static_sizes_are_inferred_without_a_run() -> None:
    text = """g (float[1, 4, 8, 8] x) => (float[1, 4] y) <int64[2] flat = {0, -1}>
    { a = GlobalAveragePool(x)  y = Reshape(a, flat) }"""
    with Runtime(role="facts") as facts_only:
        sizes = probed(text, facts_only)
    assert sizes.sizes == {"x": (1, 4, 8, 8), "a": (1, 4, 1, 1), "y": (1, 4)}
    assert sizes.free == {}


def test_static_sizes_that_inference_does_not_see(runtime: Runtime) -> None:
    """The target is computed from a value: inference gives up, and a run does not."""
    text = """g (float[2, 6] x) => (float[a, b] y) <int64[2] one = {1, 1}, int64[2] target = {4, 3}>
    { cast = Cast<to = 1>(target)  back = Cast<to = 7>(cast)  used = Mul(back, one)  y = Reshape(x, used) }"""
    sizes = probed(text, runtime)
    assert sizes.sizes["y"] == (4, 3)
    assert sizes.sizes["used"] == (2,)
    assert sizes.free == {}


def test_dynamic_batch_is_free_wherever_it_goes(runtime: Runtime) -> None:
    text = """g (float[N, 6, 4, 4] x) => (float[N, 6] y, float[M, 16] z) <int64[2] flat = {-1, 16}>
    { a = Relu(x)  s = Shape(a)  m = GlobalMaxPool(a)  y = Flatten(m)  z = Reshape(a, flat) }"""
    sizes = probed(text, runtime)
    assert sizes.sizes["x"] == (2, 6, 4, 4)
    assert sizes.sizes["z"] == (12, 16)
    assert sizes.sizes["s"] == (4,)
    assert sizes.free == {name: frozenset({0}) for name in ("x", "a", "m", "y", "z")}


def test_dynamic_height_and_width_are_free_after_every_stride(runtime: Runtime) -> None:
    pools = "  ".join(
        f"p{i + 1} = MaxPool<kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]>(p{i})" for i in range(5)
    )
    text = f"""g (float[1, 3, H, W] x) => (float[1, 3, T] y) <int64[3] tokens = {{1, 3, -1}}>
    {{ p0 = Relu(x)  {pools}  y = Reshape(p5, tokens) }}"""
    sizes = probed(text, runtime)
    assert all(sizes.free[f"p{i}"] == {2, 3} for i in range(6))
    assert sizes.free["y"] == {2}
    height, width = sizes.sizes["x"][2:]
    assert height != width
    assert sizes.sizes["y"] == (1, 3, sizes.sizes["p5"][2] * sizes.sizes["p5"][3])


def test_a_model_that_needs_one_size(runtime: Runtime) -> None:
    """Height and width are called free, but 32 x 32 is baked in; the batch is free indeed."""
    text = """g (float[N, 2, H, W] x) => (float[N, 2, 1024] y) <int64[3] flat = {0, 2, 1024}>
    { a = Relu(x)  y = Reshape(a, flat) }"""
    sizes = probed(text, runtime)
    assert sizes.sizes["a"] == (2, 2, 32, 32)
    assert sizes.free["y"] == {0}
    assert sizes.free["a"] == {0}
    assert sizes.free["x"] == {0, 2, 3}


def test_a_model_that_needs_a_batch_of_one(runtime: Runtime) -> None:
    text = """g (float[N, 2, L] x) => (float[1, C, D] y) <int64[3] flat = {1, 2, -1}>
    { one = Reshape(x, flat)  c = Concat<axis = 1>(one, x)  y = Relu(c) }"""
    sizes = probed(text, runtime)
    assert sizes.sizes["x"][0] == 1
    assert sizes.free["c"] == {2}


def test_a_model_that_accepts_larger_widths_but_not_larger_heights(runtime: Runtime) -> None:
    """Text recognition: two strides make the height less than a window; the target of y is computed."""
    text = """g (float[N, 3, H, W] x) => (float[A, B, C] y)
    <int64[1] rest = {-1}, int64[1] to = {2}, int64[1] zero = {0}>
    { a = Relu(x)  h = AveragePool<kernel_shape = [64, 1]>(a)  pool = MaxPool<kernel_shape = [1, 1]>(h)
      one = Squeeze(pool, to)  s = Shape(one)  lead = Slice(s, zero, to)  target = Concat<axis = 0>(lead, rest)
      y = Reshape(one, target) }"""
    sizes = probed(text, runtime)
    assert sizes.sizes["h"][2] == 1
    assert sizes.free["h"] == {0, 3}
    assert sizes.free["y"] == {0, 2}


def test_a_model_that_accepts_smaller_heights_only(runtime: Runtime) -> None:
    """It refuses more than 64 rows by asking for as many pads as are missing, below zero for more."""
    text = """g (float[N, 3, H, W] x) => (float[A, B, C, D] y) <int64[1] limit = {64}, int64[1] axis = {2}>
    { a = Relu(x)  s = Shape<start = 2, end = 3>(a)  left = Sub(limit, s)
      none = ConstantOfShape(left)  n = Cast<to = 1>(none)  m = ReduceSum<keepdims = 0>(n)  y = Add(a, m) }"""
    sizes = probed(text, runtime)
    assert sizes.free["y"] == {0, 2, 3}


def test_free_sizes_that_are_written_as_minus_one(runtime: Runtime) -> None:
    model = parser.parse_model("""<ir_version: 7, opset_import: ["" : 11]>
    g (float[N, 3, 8, 8] x) => (float[N, 3] y) { p = GlobalMaxPool(x)  y = Flatten(p) }""")
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = -1
    graph = load(model)
    sizes = probe_sizes(graph, Facts(graph, Shapes(Oracle(runtime), graph)), runtime)
    assert sizes.sizes["y"] == (2, 3)
    assert sizes.free == {name: frozenset({0}) for name in ("x", "p", "y")}


def test_the_users_shape_is_taken(runtime: Runtime) -> None:
    text = "g (float[N, 3, H, W] x) => (float[N, 3, H, W] y) { y = Relu(x) }"
    sizes = probed(text, runtime, {"x": (5, 3, 7, 9)})
    assert sizes.sizes["y"] == (5, 3, 7, 9)
    assert sizes.free["y"] == {0, 2, 3}
    with pytest.raises(UsageError, match="does not fit the shape"):
        probed(text, runtime, {"x": (5, 4, 7, 9)})


def test_weights_are_zeros_and_stay_here(runtime: Runtime) -> None:
    """Large weights do not travel: the model that is run has them as inputs."""
    weight = onnx.numpy_helper.from_array(np.ones((64, 64, 3, 3), np.float32), "w")
    half = onnx.numpy_helper.from_array(np.ones((64, 4096), np.float16), "h")
    model = parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]>
    g (float[N, 64, 8, 8] x, float16[N, 64] u) => (float[N, 64, 6, 6] y, float16[N, 4096] v)
    { y = Conv(x, w)  v = MatMul(u, h) }""")
    model.graph.initializer.extend([weight, half])
    graph = load(model)
    sizes = probe_sizes(graph, Facts(graph, Shapes(Oracle(runtime), graph)), runtime)
    assert sizes.sizes == {"x": (2, 64, 8, 8), "y": (2, 64, 6, 6), "u": (2, 64), "v": (2, 4096)}
    assert sizes.free["v"] == {0}


def test_weights_of_four_bits(runtime: Runtime) -> None:
    """They cannot be fed as zeros, so the model is run as it is."""
    packed = onnx.helper.make_tensor("q", onnx.TensorProto.INT4, [200, 200], bytes(20_000), raw=True)
    model = parser.parse_model("""<ir_version: 10, opset_import: ["" : 21]>
    g (float[N, 200] x) => (float[A, B] y) <float s = {0.5}>
    { w = DequantizeLinear(q, s)  y = MatMul(x, w) }""")
    model.graph.initializer.append(packed)
    graph = load(model)
    sizes = probe_sizes(graph, Facts(graph, Shapes(Oracle(runtime), graph)), runtime)
    assert sizes.sizes["y"] == (2, 200)
    assert sizes.free["y"] == {0}


def test_sizes_that_depend_on_values_are_free(runtime: Runtime) -> None:
    text = "g (float[8, 9] x) => (int64[2, K] y) { positive = Relu(x)  y = NonZero(positive) }"
    sizes = probed(text, runtime)
    assert sizes.sizes["y"][0] == 2
    assert sizes.free["y"] == {1}


def test_an_unknown_operator_leaves_what_inference_knows(runtime: Runtime) -> None:
    text = """g (float[N, 3, 4, 4] x, float[2, 3] s) => (float[N, K] y, float[2, 3] t)
    { a = Relu(x)  b = custom.Thing(a)  y = Flatten(b)  t = Relu(s) }"""
    sizes = probed(text, runtime)
    assert sizes.sizes["a"] == (2, 3, 4, 4)
    assert sizes.free["a"] == {0}
    assert sizes.sizes["t"] == (2, 3)
    assert sizes.get("b") is None


@pytest.mark.parametrize("words", ["string", "int64"])
def test_strings_and_sequences(runtime: Runtime, words: str) -> None:
    text = f"""g ({words}[N] words, float[N, 4] x) => (int64[A] y, float[B, C] z)
    {{ y = ai.onnx.ml.LabelEncoder<keys_{words}s = [{'"w1"' if words == "string" else "1"}], values_int64s = [3]>(words)
      parts = SplitToSequence<axis = 1>(x)  zero = Constant<value = int64 {{0}}>()
      z = SequenceAt(parts, zero) }}"""
    graph = load(parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 2]> {text}'))
    sizes = probe_sizes(graph, Facts(graph, Shapes(Oracle(runtime), graph)), runtime)
    assert sizes.free["y"] == {0}
    assert sizes.get("parts") is None
    assert sizes.sizes["z"] == (sizes.sizes["x"][0], 1)


def test_a_traced_module_has_the_sizes_of_the_example() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.conv(x)
            return y.reshape(y.shape[0] * 4, 2, -1).mean(2)

    graph, sizes = traced(Tokens(), torch.zeros(3, 3, 10, 12))
    names = [t.name for node in graph.nodes for t in node.outputs]
    assert set(sizes.sizes) == {*names, "x"}
    assert sizes.sizes["x"] == (3, 3, 10, 12)
    assert sizes.sizes["conv"] == (3, 8, 8, 10)
    assert sizes.sizes[graph.outputs[0].name] == (12, 2)
    assert all(sizes.free[name] == {0} for name in ("x", "conv", graph.outputs[0].name))


def test_a_traced_size_that_follows_the_batch_in_another_way() -> None:
    class Longer(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return torch.relu(torch.cat([x, y], dim=0))

    graph, sizes = traced(Longer(), torch.zeros(3, 4), torch.zeros(5, 4))
    name = graph.outputs[0].name
    assert graph.outputs[0].shape[0] is None
    assert sizes.sizes[name] == (8, 4)
    assert sizes.free[name] == {0}
