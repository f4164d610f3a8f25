"""Models of any size, written with onnx alone: chains of branch blocks or of plain convolutions.

`python -m benchmarks.synthetic KIND BLOCKS CHANNELS FILE [external]` writes one; external puts the weights
beside the file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper

#: Kernel sizes of a block's branches, each followed by its BN; a ReLU ends the block.
BRANCHES = {"acb": ((3, 3), (1, 3), (3, 1)), "plain": ((3, 3),)}
#: A convolution and a BN for each branch, the Adds between branches, and the ReLU.
NODES_PER_BLOCK = {"acb": 9, "plain": 3}
SIZE = 8  # rows and columns of the image


class _Weights:
    """Makes initializers: inside the model, or appended to a data file so that none is held."""

    def __init__(self, data: BinaryIO | None, name: str) -> None:
        self._data, self._name = data, name
        self._random = np.random.default_rng(0)
        self.tensors: list[TensorProto] = []

    def add(self, name: str, shape: tuple[int, ...], *, scale: float = 1.0, positive: bool = False) -> str:
        array = self._random.standard_normal(shape, dtype=np.float32) * np.float32(scale)
        if positive:
            array = np.abs(array) + np.float32(0.5)
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape)
        if self._data is None or array.nbytes < 1024:
            tensor.raw_data = array.tobytes()
        else:
            where = {"location": self._name, "offset": str(self._data.tell()), "length": str(array.nbytes)}
            self._data.write(array.data)
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.extend(onnx.StringStringEntryProto(key=k, value=v) for k, v in where.items())
        self.tensors.append(tensor)
        return name


def _block(kind: str, index: int, channels: int, weights: _Weights) -> Iterator[NodeProto]:
    source, total = f"x{index}", ""
    for number, (rows, columns) in enumerate(BRANCHES[kind]):
        name = f"b{index}.{number}"
        scale = (channels * rows * columns) ** -0.5
        kernel = weights.add(f"{name}.weight", (channels, channels, rows, columns), scale=scale)
        pads = [rows // 2, columns // 2] * 2
        yield helper.make_node("Conv", [source, kernel], [f"{name}.c"], f"{name}.conv", pads=pads)
        reads = [f"{name}.c"]
        for what in ("scale", "bias", "mean", "var"):
            positive = what in ("scale", "var")
            reads.append(weights.add(f"{name}.{what}", (channels,), scale=0.1, positive=positive))
        yield helper.make_node("BatchNormalization", reads, [f"{name}.n"], f"{name}.bn")
        if total:
            yield helper.make_node("Add", [total, f"{name}.n"], [f"{name}.s"], f"{name}.add")
        total = f"{name}.s" if total else f"{name}.n"
    yield helper.make_node("Relu", [total], [f"x{index + 1}"], f"b{index}.relu")


def write(kind: str, blocks: int, channels: int, path: Path, *, external: bool = False) -> None:
    """Write a model with input x0 of shape (1, channels, 8, 8)."""
    data = path.with_name(path.name + ".data")
    if external:
        with data.open("wb") as stream:
            model = _model(kind, blocks, channels, _Weights(stream, data.name))
    else:
        model = _model(kind, blocks, channels, _Weights(None, ""))
    onnx.save(model, path)


def _model(kind: str, blocks: int, channels: int, weights: _Weights) -> onnx.ModelProto:
    nodes = [node for index in range(blocks) for node in _block(kind, index, channels, weights)]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, channels, SIZE, SIZE))
        for name in ("x0", f"x{blocks}")
    ]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], weights.tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


if __name__ == "__main__":
    _, kind, blocks, channels, path, *rest = sys.argv
    write(kind, int(blocks), int(channels), Path(path), external="external" in rest)
