"""What a model means to runtimes that read an operator otherwise than the one at hand."""

from __future__ import annotations

from pathlib import Path

import onnx


def counting_overhang(path: Path, target: Path) -> bool:
    """Write the model as onnxruntime up to 1.20 runs it, if that makes a difference.

    Where the padding counts in an AveragePool (count_include_pad), the part of the last window that ceil_mode lets hang
    over the edge counts as zeros there, too; onnxruntime has since come to leave it out. As padding it counts anywhere.
    """
    model = onnx.load(path)
    pools = [node for node in model.graph.node if node.op_type == "AveragePool" and _counts_overhang(node)]
    for node in pools:
        given = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        axes = len(given["kernel_shape"])
        pads = list(given.get("pads", [0] * 2 * axes))
        strides = given.get("strides", [1] * axes)
        pads[axes:] = [pad + stride - 1 for pad, stride in zip(pads[axes:], strides, strict=True)]
        del node.attribute[:]
        node.attribute.extend(
            onnx.helper.make_attribute(name, value) for name, value in {**given, "pads": pads, "ceil_mode": 0}.items()
        )
    if pools:
        onnx.save(model, target)
    return bool(pools)


def _counts_overhang(node: onnx.NodeProto) -> bool:
    found = {attribute.name: attribute.i for attribute in node.attribute}
    return bool(found.get("ceil_mode", 0) and found.get("count_include_pad", 0))
