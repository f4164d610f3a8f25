"""Small models in ONNX text and in protobuf, for the tests of the door."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

LARGE = (40, 40)  # 6400 bytes of float32: cut out of the file when it is read


def parse(text: str) -> onnx.ModelProto:
    """A model in ONNX text."""
    return onnx.parser.parse_model(text)


def chain(weights: dict[str, np.ndarray], ir_version: int = 8) -> onnx.ModelProto:
    """x multiplied by one weight after another, by their names; y is the result."""
    nodes = []
    previous = "x"
    for name in weights:
        nodes.append(helper.make_node("Mul", [previous, name], [f"after_{name}"], name=f"mul_{name}"))
        previous = f"after_{name}"
    nodes.append(helper.make_node("Identity", [previous], ["y"], name="last"))
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["m"])],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=ir_version)


def external(folder: Path, entries: dict[str, str], data: bytes | None = None, name: str = "model.onnx") -> Path:
    """A model in `folder` with one weight of 4 floats whose external data has these entries."""
    model = chain({"w": np.zeros(4, np.float32)})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    folder.mkdir(exist_ok=True, parents=True)
    if data is not None:
        (folder / "w.bin").write_bytes(data)
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def everything() -> onnx.ModelProto:
    """A model with all that graphsurgeon loses: docs, metadata, overloads, hidden attributes, notes."""
    model = parse(
        """
        <ir_version: 10, opset_import: ["" : 21, "local" : 1], producer_name: "maker",
         producer_version: "1.2", model_version: 7, doc_string: "about the model",
         metadata_props: ["key" : "value"]>
        graph (float[n, 4] x, bool c) => (float[n, 4] y)
          <float[4] w = {1, 2, 3, 4}, float[4] unused = {0, 0, 0, 0}, float[n, 4] h>
        {
          h = Add (x, w)
          t = local.scaled <factor = 2.0> (h)
          y = If (c) <
            then_branch = then () => (float[n, 4] a) <float[4] s = {5, 6, 7, 8}>
              { a = Mul (t, s) },
            else_branch = other () => (float[n, 4] b) <float[4] s = {9, 6, 7, 8}>
              { m = Mul (t, s)  b = Add (m, w) }
          >
        }
        <domain: "local", opset_import: ["" : 21], doc_string: "scales">
        scaled <factor> (v) => (r) { f = Constant <value_float: float = @factor> ()  r = Mul (v, f) }
        """
    )
    graph = model.graph
    graph.doc_string = "about the graph"
    graph.node[0].doc_string = "about the node"
    graph.node[0].metadata_props.add(key="pkg.torch.onnx.name_scopes", value="['a']")
    graph.node[1].overload = model.functions[0].overload = "second"
    model.functions.add().CopyFrom(model.functions[0])
    model.functions[1].overload = "third"
    model.functions[1].metadata_props.add(key="f", value="3")
    graph.metadata_props.add(key="g", value="1")
    graph.initializer[0].doc_string = "about the weight"
    graph.value_info[0].metadata_props.add(key="v", value="2")
    note = graph.quantization_annotation.add(tensor_name="h")
    note.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="unused")
    kind = graph.node[0].attribute.add(name="hidden", type=onnx.AttributeProto.TYPE_PROTO)
    kind.tp.tensor_type.elem_type = TensorProto.FLOAT
    graph.node[0].attribute.add(name="raw", type=onnx.AttributeProto.STRING, s=b"\xff\xfe")
    model.training_info.add().algorithm.name = "training"
    return model
