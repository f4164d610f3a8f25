"""What loading and saving costs: memory far below the file, and time linear in nodes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from graphmorph.onnx_door import load, to_model

_MEASURE = """
import json, resource, sys
from graphmorph.onnx_door import constant_array, load, model_bytes, save
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
graph = load(sys.argv[1])
model_bytes(graph)
save(graph, sys.argv[2])
array = constant_array(graph.nodes[-2].inputs[1])
print(json.dumps([before, peak(), float(array[-1, -1])]))
"""


def large_model(folder: Path, count: int, side: int, external: bool) -> tuple[Path, int]:
    """A chain of `count` products with (side, side) weights, and the bytes of those weights."""
    nodes, previous, data = [], "x", folder / "w.bin"
    tensors = []
    for index in range(count):
        tensor = TensorProto(name=f"w{index}", dims=[side, side], data_type=TensorProto.FLOAT)
        if external:
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="w.bin")
            tensor.external_data.add(key="offset", value=str(index * side * side * 4))
        else:
            tensor.raw_data = np.full((side, side), index, np.float32).tobytes()
        tensors.append(tensor)
        nodes.append(helper.make_node("MatMul", [previous, tensor.name], [f"y{index}"]))
        previous = f"y{index}"
    if external:
        with data.open("wb") as file:
            for index in range(count):
                file.write(np.full((side, side), index, np.float32).data)
    nodes.append(helper.make_node("Identity", [previous], ["y"]))
    io = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, side]) for name in "xy"]
    graph = helper.make_graph(nodes, "large", io[:1], io[1:], tensors)
    path = folder / "large.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    path.write_bytes(model.SerializeToString())
    return path, count * side * side * 4


def measure(path: Path, target: Path) -> tuple[int, float]:
    """How far a fresh process's peak rises, in bytes, and the last weight's last value."""
    command = [sys.executable, "-c", _MEASURE, str(path), str(target)]
    before, after, value = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return after - before, value


def test_weights_are_never_held(tmp_path: Path) -> None:
    path, size = large_model(tmp_path, 20, 1000, external=False)
    grown, value = measure(path, tmp_path / "out.onnx")
    assert size == 80_000_000
    assert value == 19
    assert grown < 24_000_000
    assert (tmp_path / "out.onnx").read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_four_gigabytes_of_external_data_are_copied_in_little_memory(tmp_path: Path) -> None:
    path, size = large_model(tmp_path, 63, 4096, external=True)
    try:
        grown, value = measure(path, tmp_path / "out.onnx")
        written = (tmp_path / "out.onnx.data").stat().st_size
    finally:
        for file in tmp_path.iterdir():
            file.unlink()  # pytest would keep eight gigabytes
    assert (written, value) == (size, 62)
    assert size > 4_200_000_000
    assert grown < 160_000_000  # one weight takes 67 MB


def many_nodes(count: int) -> bytes:
    """A chain of `count` nodes with small weights and a value_info for each tensor."""
    weight = np.ones(4, np.float32)
    nodes, tensors, infos, previous = [], [], [], "x"
    for index in range(count):
        inputs = [previous]
        if index % 2:
            tensors.append(onnx.numpy_helper.from_array(weight, f"w{index}"))
            inputs.append(f"w{index}")
        op, attributes = ("Add", {}) if index % 2 else ("Transpose", {"perm": [0, 1]})
        nodes.append(helper.make_node(op, inputs, [f"t{index}"], name=f"n{index}", **attributes))
        infos.append(helper.make_tensor_value_info(f"t{index}", TensorProto.FLOAT, ["n", 4]))
        previous = f"t{index}"
    io = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in ("x", previous)]
    graph = helper.make_graph(nodes, "many", io[:1], io[1:], tensors, value_info=infos[:-1])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    return bytes(model.SerializeToString())


def seconds(data: bytes) -> float:
    """Time of the processor that one round trip takes."""
    start = time.process_time()
    assert to_model(load(data)) == onnx.ModelProto.FromString(data)
    return time.process_time() - start


def test_time_is_linear_in_nodes() -> None:
    small, large = many_nodes(1000), many_nodes(8000)
    fast = min(seconds(small) for _ in range(3))
    assert seconds(large) < 8 * 4 * fast


def test_many_subgraphs_are_read_in_linear_time() -> None:
    branch = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["b"])],
        "branch",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)],
    )

    def data(count: int) -> bytes:
        nodes = [
            helper.make_node("If", ["c"], [f"t{index}"], then_branch=branch, else_branch=branch)
            for index in range(count)
        ]
        inputs = [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
        ]
        outputs = [helper.make_tensor_value_info("t0", TensorProto.FLOAT, [])]
        model = helper.make_model(helper.make_graph(nodes, "ifs", inputs, outputs))
        return bytes(model.SerializeToString())

    small, large = data(200), data(1600)
    fast = min(seconds(small) for _ in range(3))
    assert seconds(large) < 8 * 4 * fast
