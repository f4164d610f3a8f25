"""Bad files: one clear line as ModelFileError, whatever is wrong; never another exception."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import onnx
import pytest
from hypothesis import strategies as st
from onnx import TensorProto, helper

from graphmorph.errors import ModelFileError
from graphmorph.onnx_door import constant_array, load, model_bytes, to_model
from graphmorph.onnx_door.wire import write_varint
from tests.graphmorph.onnx_door.door_models import LARGE, chain, everything, parse

GOOD = everything()
GOOD.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(LARGE, np.float32), "large"))
GOOD_BYTES = GOOD.SerializeToString()


def refused(source: str | Path | bytes | onnx.ModelProto) -> str:
    """The message with which load refuses `source`."""
    with pytest.raises(ModelFileError) as caught:
        load(source)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"this is no model, but some text\n" * 50, "is not an ONNX model, or is damaged"),
        (b"PK\x03\x04" + bytes(3000), "is not an ONNX model"),
        (bytes(3000), "is not an ONNX model"),
        (b"\x08\x08", "it has no graph"),
        (b"\xff" * 3000, "a number is longer than ten bytes"),
        (GOOD_BYTES[:-1], "is not an ONNX model, or is damaged"),
        (GOOD_BYTES[: len(GOOD_BYTES) // 2], "is not an ONNX model, or is damaged"),
        (GOOD_BYTES[:1], "the file ends inside a number"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    assert refused(path).startswith(f"{path}: ")
    assert reason in refused(path)
    assert reason in refused(content)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is not a regular file" in refused(tmp_path / "pipe")
    assert "is not a regular file" in refused(tmp_path)
    assert "No such file" in refused(tmp_path / "missing.onnx")
    assert "embedded null byte" in refused("a\0b")


def small(body: str) -> onnx.ModelProto:
    """A model with one input x and one output y."""
    return parse(f'<ir_version: 8, opset_import: ["" : 17]> agraph (float[N] x) => (float[N] y) {{ {body} }}')


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("y = Add(x, missing)", r"node 'y' \(Add\) reads tensor 'missing', which nothing produces"),
        ("z = Relu(x)", "graph output 'y' is produced by nothing"),
        ("y = Relu(x) y = Abs(x)", r"tensor 'y' is produced by 'y' \(Abs\) and by 'y' \(Relu\)"),
        ("x = Relu(x) y = Relu(x)", "and by an input or initializer"),
        (
            "a = Add(x, b) b = Relu(c) c = Abs(a) y = Relu(a)",
            r"cycle of 3 nodes: 'c' \(Abs\) -> 'b' \(Relu\) -> 'a' \(Add\)",
        ),
        ("a = Relu(a) y = Relu(a)", r"cycle of 1 nodes: 'a' \(Relu\)"),
    ],
)
def test_unsound_graphs_are_refused(body: str, reason: str) -> None:
    with pytest.raises(ModelFileError, match=reason):
        load(small(body))


def test_a_cycle_through_a_subgraph_is_refused() -> None:
    branch = "then_branch = t () => (float[N] u) { u = Relu(y) }"
    model = small(f"c = Constant <value = bool {{1}}> () a = If (c) <{branch}> y = Abs(a)")
    assert "cycle of 2 nodes" in refused(model)


def test_unsorted_nodes_are_no_cycle() -> None:
    model = small("y = Relu(b) b = Relu(a) a = Relu(x)")
    assert to_model(load(model)) == model


def test_names_in_subgraphs_and_functions_are_checked() -> None:
    model = everything()
    model.graph.node[2].attribute[1].g.node[0].input[0] = "missing"
    assert "reads tensor 'missing'" in refused(model)
    model = everything()
    model.functions[0].node[1].input[0] = "missing"
    assert "reads tensor 'missing'" in refused(model)


def damage_dims(*dims: int) -> Callable[[TensorProto], None]:
    def change(tensor: TensorProto) -> None:
        tensor.dims[:] = dims

    return change


def as_type(data_type: int) -> Callable[[TensorProto], None]:
    def change(tensor: TensorProto) -> None:
        tensor.data_type = data_type

    return change


@pytest.mark.parametrize("shape", [(3,), LARGE], ids=str)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (damage_dims(-1), "negative dimension"),
        (damage_dims(7), "takes 28 bytes, but"),
        (damage_dims(1 << 40, 1 << 40), "absurd dims"),
        (damage_dims(0, 1 << 62), "absurd dims"),
        (damage_dims(*[1] * 200), "absurd dims, 200 of them"),
        (as_type(99), "unknown element type 99"),
        (as_type(0), "unknown element type UNDEFINED"),
        (as_type(TensorProto.DOUBLE), "bytes, but"),
        (as_type(TensorProto.STRING), "takes None bytes"),
    ],
)
def test_tensors_whose_bytes_and_dims_disagree_are_refused(
    shape: tuple[int, ...], change: Callable[[TensorProto], None], reason: str
) -> None:
    model = chain({"w": np.zeros(shape, np.float32)})
    change(model.graph.initializer[0])
    assert reason in refused(model)
    assert "tensor 'w'" in refused(model)
    model = chain({"w": np.zeros(3, np.float32)})
    value = onnx.numpy_helper.from_array(np.zeros(shape, np.float32), "w")
    change(value)
    model.graph.node.append(helper.make_node("Constant", [], ["k"], value=value))
    assert reason in refused(model)


def test_typed_fields_must_have_the_right_count() -> None:
    model = chain({"w": np.zeros(3, np.float32)})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.float_data.extend([1, 2])
    assert "so 3 values, but 2 are there" in refused(model)
    tensor.ClearField("float_data")
    assert "so 3 values, but 0 are there" in refused(model)


def test_large_payloads_in_the_wrong_field_are_refused() -> None:
    model = chain({"w": np.zeros(LARGE, np.float64)})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.float_data.extend([0.0] * 3200)
    assert "values" in refused(model)


def test_sparse_tensors_out_of_bounds_or_absurd_are_refused() -> None:
    def sparse(index: int, dims: list[int]) -> onnx.ModelProto:
        model = chain({"w": np.ones(3, np.float32)})
        values = helper.make_tensor("s", TensorProto.FLOAT, [1], [2.0])
        indices = helper.make_tensor("", TensorProto.INT64, [1], [index])
        model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, dims))
        model.graph.node[0].input[1] = "s"
        return model

    with pytest.raises(ModelFileError, match="has an index outside of"):
        constant_array(load(sparse(9, [2, 2])).tensors()["s"])
    with pytest.raises(ModelFileError, match="too large to be made dense"):
        constant_array(load(sparse(0, [1 << 20, 1 << 20])).tensors()["s"])
    assert "negative dimension" in refused(sparse(0, [-1, 4]))


@pytest.mark.parametrize("padding", [0, 5000])
def test_deep_nesting_is_refused(padding: int) -> None:
    graph = onnx.GraphProto(doc_string="x" * padding).SerializeToString()
    for _ in range(60):
        for field in (6, 5, 1):  # graph in attribute in node in graph
            graph = bytes([field << 3 | 2]) + write_varint(len(graph)) + graph
    data = b"\x08\x08\x3a" + write_varint(len(graph)) + graph
    assert "is not an ONNX model, or is damaged" in refused(data)


def test_repeated_names_are_refused() -> None:
    model = chain({"w": np.ones(3, np.float32)})
    model.graph.initializer.append(model.graph.initializer[0])
    assert "initializer 'w' is there twice" in refused(model)
    model = chain({"w": np.ones(3, np.float32)})
    model.graph.input.append(model.graph.input[0])
    assert "graph input 'x' is there twice" in refused(model)
    model = chain({"w": np.ones(3, np.float32)})
    model.graph.node[0].attribute.extend([helper.make_attribute("a", 1)] * 2)
    assert "attribute of 'mul_w' (Mul) 'a' is there twice" in refused(model)


def test_names_that_are_not_utf8_are_refused() -> None:
    assert "not UTF-8" in refused(GOOD_BYTES.replace(b"\x0a\x01h", b"\x0a\x01\xff"))


def test_a_graph_field_that_comes_twice_is_merged_as_protobuf_does() -> None:
    model = chain({"w": np.ones(LARGE, np.float32)})
    extra = onnx.ModelProto(graph=onnx.GraphProto(doc_string="more"))
    data = model.SerializeToString() + extra.SerializeToString()
    assert to_model(load(data)) == onnx.ModelProto.FromString(data)


def check_damaged(data: bytes) -> bool:
    """Whether damaged bytes load; then all that follows must work or refuse, and change nothing."""
    try:
        graph = load(data)
    except ModelFileError:
        return False
    written = to_model(graph).SerializeToString(deterministic=True)
    assert written == onnx.ModelProto.FromString(data).SerializeToString(deterministic=True)
    model_bytes(graph)
    return True


@hypothesis.given(
    flips=st.lists(st.tuples(st.integers(0, len(GOOD_BYTES) - 1), st.integers(0, 7)), min_size=1, max_size=6)
)
@hypothesis.settings(max_examples=300, deadline=None)
def test_flipped_bits(flips: list[tuple[int, int]]) -> None:
    damaged = bytearray(GOOD_BYTES)
    for position, bit in flips:
        damaged[position] ^= 1 << bit
    check_damaged(bytes(damaged))


@pytest.mark.slow
def test_ten_thousand_flipped_bytes() -> None:
    rng = random.Random(0)
    structure = [position for position in range(len(GOOD_BYTES)) if GOOD_BYTES[position : position + 8] != bytes(8)]
    loaded = 0
    for _ in range(10_000):
        damaged = bytearray(GOOD_BYTES)
        for _ in range(rng.choice([1, 1, 2, 5])):
            damaged[rng.choice(structure)] = rng.randrange(256)
        loaded += check_damaged(bytes(damaged))
    assert 100 < loaded < 9900


def test_every_truncation_is_refused_or_sound() -> None:
    data = chain({"w": np.ones(LARGE, np.float32)}).SerializeToString()
    loaded = [
        length for length in range(1, len(data)) if (length < 300 or length > 6400) and check_damaged(data[:length])
    ]
    assert not [length for length in loaded if length < 6400]
