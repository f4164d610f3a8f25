"""load, then save: the model that comes out is the model that went in."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import ml_dtypes
import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from hypothesis import strategies as st
from onnx import TensorProto, helper

from graphmorph.onnx_door import StoredValues, constant_array, load, save, to_model
from tests.graphmorph.onnx_door.door_models import LARGE, chain, everything, parse

BACKEND = Path(onnx.__file__).parent / "backend" / "test" / "data"
BACKEND_MODELS = sorted(BACKEND.rglob("*.onnx"))
DTYPES = [
    *(
        "float16",
        "float32",
        "float64",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
    ),
    *("bool", "complex64", "complex128"),
    *(ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3fnuz, ml_dtypes.float8_e5m2),
    *(ml_dtypes.float8_e5m2fnuz, ml_dtypes.int4, ml_dtypes.uint4),
]


def test_the_models_of_the_onnx_package_come_back_equal() -> None:
    assert len(BACKEND_MODELS) > 100
    for path in BACKEND_MODELS:
        graph = load(path)
        assert to_model(graph) == onnx.load(path), path
        assert to_model(graph.copy()) == onnx.load(path), path


def test_everything_that_graphsurgeon_loses_is_kept(tmp_path: Path) -> None:
    model = everything()
    save(load(model), tmp_path / "out.onnx")
    assert onnx.load(tmp_path / "out.onnx") == model


def test_unknown_fields_are_kept() -> None:
    model = everything()
    for message in (model, model.graph, model.graph.node[0], model.graph.input[0]):
        message.MergeFromString(b"\xfa\x3f\x03abc")  # field 1023, bytes
    assert to_model(load(model)).SerializeToString(deterministic=True) == model.SerializeToString(deterministic=True)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
@pytest.mark.parametrize("shape", [(3,), LARGE, (0, 5), ()], ids=str)
def test_every_element_type_is_read_and_kept(dtype: type, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    model = chain({"w": values})
    graph = load(model)
    weight = graph.tensors()["w"]
    assert isinstance(weight, gs.Constant)
    assert weight.dtype == np.dtype(dtype)
    array = constant_array(weight)
    assert array.dtype == np.dtype(dtype)
    assert array.shape == shape
    assert not array.flags.writeable
    np.testing.assert_array_equal(array.astype(np.complex128), values.astype(np.complex128))
    assert to_model(graph) == model


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
def test_new_constants_of_every_type_are_written(dtype: type) -> None:
    values = np.random.default_rng(0).integers(0, 2, LARGE).astype(dtype)
    graph = load(chain({"w": np.ones(3, np.float32)}))
    graph.nodes[0].inputs[1] = gs.Constant("new", values)
    written = to_model(graph).graph.initializer
    assert [tensor.name for tensor in written] == ["new"]
    assert onnx.numpy_helper.to_array(written[0]).tobytes() == values.tobytes()


@pytest.mark.parametrize("shape", [(3,), LARGE], ids=str)
def test_weights_in_typed_fields_are_read_and_kept(shape: tuple[int, ...]) -> None:
    for data_type in (
        TensorProto.FLOAT,
        TensorProto.DOUBLE,
        TensorProto.INT64,
        TensorProto.INT8,
        TensorProto.FLOAT16,
    ):
        model = chain({"w": np.zeros(shape, np.float32)})
        values = np.arange(int(np.prod(shape))) % 100
        model.graph.initializer[0].CopyFrom(helper.make_tensor("w", data_type, shape, values.tolist()))
        graph = load(model.SerializeToString())
        np.testing.assert_array_equal(constant_array(graph.tensors()["w"]).reshape(-1), values)
        assert to_model(graph) == model


def test_large_float_data_is_left_in_the_file() -> None:
    model = chain({"w": np.zeros(LARGE, np.float32)})
    model.graph.initializer[0].CopyFrom(helper.make_tensor("w", TensorProto.FLOAT, LARGE, [0.5] * 1600))
    graph = load(model.SerializeToString())
    assert isinstance(graph.tensors()["w"]._values, StoredValues)
    assert graph.record is not None
    assert graph.record.skeleton.ByteSize() < 1000


def test_string_tensors_are_read_and_kept() -> None:
    model = chain({"w": np.array(["ä", "b"], object)})
    graph = load(model)
    assert constant_array(graph.tensors()["w"]).tolist() == ["ä", "b"]
    assert to_model(graph) == model
    graph.nodes[0].inputs[1] = gs.Constant("new", np.array(["c"], object))
    assert onnx.numpy_helper.to_array(to_model(graph).graph.initializer[0]).tolist() == ["c"]


def test_constant_nodes_with_large_tensors_stay_in_the_file() -> None:
    value = onnx.numpy_helper.from_array(np.ones(LARGE, np.float32), "value")
    model = chain({"w": np.ones(3, np.float32)})
    model.graph.node.insert(0, helper.make_node("Constant", [], ["k"], value=value, name="constant"))
    model.graph.node[1].input[1] = "k"
    model.graph.ClearField("initializer")
    graph = load(model.SerializeToString())
    held = graph.nodes[0].attrs["value"]
    assert isinstance(held._values, StoredValues)
    assert constant_array(held).sum() == 1600
    assert to_model(graph) == model


def test_sparse_initializers_are_read_dense_and_kept() -> None:
    model = chain({"w": np.ones(3, np.float32)})
    values = helper.make_tensor("s", TensorProto.FLOAT, [2], np.array([2, 3], np.float32).tobytes(), raw=True)
    indices = helper.make_tensor("", TensorProto.INT64, [2, 2], [0, 1, 2, 0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [3, 4]))
    model.graph.node[0].input[1] = "s"
    model.graph.ClearField("initializer")
    graph = load(model)
    dense = constant_array(graph.tensors()["s"])
    assert dense.dtype == np.float32
    assert dense.shape == (3, 4)
    assert (dense[0, 1], dense[2, 0], dense.sum()) == (2, 3, 5)
    assert to_model(graph) == model


def test_reading_a_constant_through_graphsurgeon_changes_nothing() -> None:
    weights = {"small": np.array([np.nan, 1], np.float32), "large": np.full(LARGE, np.nan, np.float32)}
    model = chain(weights)
    graph = load(model)
    for name in weights:
        assert np.isnan(graph.tensors()[name].values).any()
    assert to_model(graph).SerializeToString(deterministic=True) == model.SerializeToString(deterministic=True)


def test_graphsurgeons_own_exporter_still_works_on_lazy_constants() -> None:
    graph = load(chain({"w": np.full(LARGE, 3, np.float32)}))
    exported = gs.export_onnx(graph)
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(exported.graph.initializer[0]), np.full(LARGE, 3))


def test_attributes_without_a_type_are_read() -> None:
    """Files of the first IR version do not say what type an attribute has."""
    model = parse(
        "<ir_version: 3, opset_import: ['' : 1]> agraph (float[N] x) => (float[N] y) { y = Elu(x) }".replace("'", '"')
    )
    node = model.graph.node[0]
    node.attribute.add(name="alpha", f=2.0)
    node.attribute.add(name="axes", ints=[1, 2])
    node.attribute.add(name="text", s=b"abc")
    graph = load(model)
    assert dict(graph.nodes[0].attrs) == {"alpha": 2.0, "axes": [1, 2], "text": "abc"}
    assert to_model(graph) == model


def test_a_model_without_operator_sets_is_of_the_first_one() -> None:
    model = chain({"w": np.ones(3, np.float32)})
    model.ClearField("opset_import")
    graph = load(model)
    assert graph.opset == 1
    assert to_model(graph) == model


def test_types_that_are_no_tensors_survive_copies() -> None:
    model = parse(
        """<ir_version: 8, opset_import: ["" : 17]>
        agraph (seq(float[N]) s, optional(float[2]) o, int64 i) => (float[N] y) { y = SequenceAt(s, i) }"""
    )
    graph = load(model).copy()
    assert [tensor.type for tensor in graph.inputs] == ["sequence_type", "optional_type", "tensor_type"]
    assert to_model(graph) == model


@hypothesis.given(
    shapes=st.lists(st.lists(st.integers(0, 30), max_size=3), max_size=5),
    dtype=st.sampled_from(["float32", "float16", "int64", "uint8"]),
    seed=st.integers(0, 1000),
    external=st.booleans(),
)
@hypothesis.settings(max_examples=60, deadline=None)
def test_any_weights_round_trip_through_files(
    tmp_path_factory: pytest.TempPathFactory, shapes: list[list[int]], dtype: str, seed: int, external: bool
) -> None:
    folder = tmp_path_factory.mktemp("round")
    rng = np.random.default_rng(seed)
    model = chain({f"w{i}": rng.integers(0, 99, shape).astype(dtype) for i, shape in enumerate(shapes)})
    save(load(model), folder / "a.onnx", external_data=external)
    assert onnx.load(folder / "a.onnx").graph.node == model.graph.node
    save(load(folder / "a.onnx"), folder / "b.onnx", external_data=False)
    found, expected = onnx.load(folder / "b.onnx"), model
    assert [t.name for t in found.graph.initializer] == [t.name for t in expected.graph.initializer]
    for one, other in zip(found.graph.initializer, expected.graph.initializer, strict=True):
        assert onnx.numpy_helper.to_array(one).tobytes() == onnx.numpy_helper.to_array(other).tobytes()
