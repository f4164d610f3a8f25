"""Near misses of the graph around a region: other readers, outputs, subgraphs, foreign domains, training
mode.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from tests.regions.builder import Builder, Tensor
from tests.regions.near_misses_base import Parts, broken, finish, image, images, square


@broken("second reader")
def _second_reader(b: Builder) -> Parts:
    y = square(b, image(b), bias=True)
    other = b.node(b.choices.pick(["Relu", "Tanh"]), [y.name])
    last = b.batch_normalization(y)
    return Parts((last.name, other), (last.name, y.name))


@broken("middle output")
def _middle_output(b: Builder) -> Parts:
    y = square(b, image(b), bias=True)
    last = b.batch_normalization(y)
    return Parts((last.name, y.name), (last.name, y.name))


@broken("read by a branch of If")
def _captured(b: Builder) -> Parts:
    y = square(b, image(b))
    branches = {}
    for kind, op in (("then_branch", "Relu"), ("else_branch", "Neg")):
        inner = helper.make_node(op, [y.name], [f"{kind}_out"])
        info = helper.make_tensor_value_info(f"{kind}_out", b.dtype, [1, 4, *y.sizes[0]])
        branches[kind] = helper.make_graph([inner], kind, [], [info])
    flag = onnx.numpy_helper.from_array(np.array(b.choices.chance(0.5)), "flag")
    b.weights["flag"] = flag
    chosen = b.node("If", ["flag"], **branches)
    last = b.batch_normalization(y)
    return Parts((last.name, chosen), (last.name, y.name))


@broken("weight shared with another reader")
def _shared(b: Builder) -> Parts:
    """Folding into one of the two must not change the other."""
    x = image(b)
    weight = b.normal(4, 4, 3, 3)
    plain = square(b, x, weight=weight)
    last = b.batch_normalization(square(b, x, weight=weight))
    return Parts((last.name, b.node("Relu", [plain.name])), ())


@broken("two BatchNormalizations of one Conv")
def _two_normalisations(b: Builder) -> Parts:
    y = square(b, image(b), bias=True)
    pair = [b.batch_normalization(y).name for _ in range(2)]
    return Parts(tuple(pair), ())


@broken("nonlinear between")
def _nonlinear(b: Builder) -> Parts:
    y = square(b, image(b))
    kink = b.unary(b.choices.pick(["Relu", "Tanh"]), y)
    last = b.batch_normalization(kink)
    return Parts((last.name,), (last.name, kink.name))


@broken("training BatchNormalization", opset=17)
def _training(b: Builder) -> Parts:
    y = square(b, image(b))
    last = b.batch_normalization(y, training_mode=1)
    b.nodes[-1].output.extend(["running_mean", "running_var"])
    return Parts((last.name,), (last.name,))


@broken("training BatchNormalization of one output")
def _training_alone(b: Builder) -> Parts:
    last = b.batch_normalization(square(b, image(b)), training_mode=1)
    b.nodes[-1].output.extend(["", ""])
    return Parts((last.name,), (last.name,), evaluable=False)


@broken("BatchNormalization with all its outputs", opset=9)
def _statistics(b: Builder) -> Parts:
    y = square(b, image(b))
    last = b.batch_normalization(y)
    b.nodes[-1].output.extend(["mean_out", "var_out", "saved_mean", "saved_var"])
    return Parts((last.name,), (last.name,), evaluable=False)


@broken("BatchNormalization of each element", opset=8)
def _each_element(b: Builder) -> Parts:
    y = square(b, image(b, 2, (3, 3)))
    names = [b.normal(2, 3, 3, stem=stem) for stem in ("scale", "shift", "mean")]
    names.append(b.constant(np.full((2, 3, 3), 0.7), "var"))
    last = b.node("BatchNormalization", [y.name, *names], spatial=0)
    return Parts((last,), (last,), evaluable=True)


@broken("Dropout in training mode")
def _dropout(b: Builder) -> Parts:
    y = square(b, image(b))
    b.weights["training"] = onnx.numpy_helper.from_array(np.array(True), "training")
    dropped = b.node("Dropout", [y.name, b.constant(0.5), "training"], seed=3)
    last = b.batch_normalization(Tensor(dropped, 4, y.sizes))
    return Parts((last.name,), (last.name, dropped), evaluable=False)


def _function(domain: str, name: str, op: str, body: list[onnx.NodeProto], inputs: list[str]) -> onnx.FunctionProto:
    assert body[-1].op_type == op
    return helper.make_function(domain, name, inputs, ["out"], body, [helper.make_opsetid("", 17)])


@broken("Conv of another domain")
def _foreign_conv(b: Builder) -> Parts:
    """A model-local function that is called Conv and is none."""
    x = image(b)
    body = [
        helper.make_node("Conv", ["x", "w"], ["mid"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["mid"], ["out"]),
    ]
    local = _function("com.example", "Conv", "Relu", body, ["x", "w"])
    y = b.node("Conv", [x.name, b.normal(4, 4, 3, 3)], domain="com.example", pads=[1, 1, 1, 1])
    last = b.batch_normalization(Tensor(y, 4, x.sizes))
    fields = {"functions": [local], "opsets": [helper.make_opsetid("com.example", 1)]}
    return Parts((last.name,), (last.name, y), model_fields=fields)


@broken("BatchNormalization of another domain")
def _foreign_normalization(b: Builder) -> Parts:
    y = square(b, image(b))
    body = [helper.make_node("Tanh", ["x"], ["out"])]
    local = _function("com.example", "BatchNormalization", "Tanh", body, ["x", "s", "h", "m", "v"])
    names = [b.normal(4), b.normal(4), b.normal(4), b.constant(np.ones(4))]
    last = b.node("BatchNormalization", [y.name, *names], domain="com.example")
    fields = {"functions": [local], "opsets": [helper.make_opsetid("com.example", 1)]}
    return Parts((last,), (last,), model_fields=fields)


@broken("sum of sources that may broadcast")
def _undecidable_sum(b: Builder) -> Parts:
    """The second input may have one row or column, which the first convolution's output is then added to."""
    x = images(b, 4, ((7, 6), (8, 5), (6, 6)))
    z = images(b, 4, ((7, 6), (1, 5), (1, 1)))
    total = b.binary("Add", square(b, x), b.conv(z, 4, [1, 1], bias=True))
    return finish(b, total)


@broken("padded convolution of a sum that may broadcast")
def _undecidable_border(b: Builder) -> Parts:
    x = images(b, 4, ((7, 6), (8, 5), (6, 6)))
    z = images(b, 4, ((7, 6), (1, 5), (1, 1)))
    last = square(b, b.binary("Add", x, z))
    return Parts((last.name,), ())


@broken("Sum that would become several Adds")
def _four_sources(b: Builder) -> Parts:
    """A branch and the BatchNormalization would go, and four Adds come for one Sum: more nodes than there were."""
    x = image(b)
    parts = [b.conv(x, 4, [1, 1]).name, square(b, x).name, *(square(b, image(b)).name for _ in range(4))]
    total = b.node("Sum", parts)
    return finish(b, Tensor(total, 4, ((7, 6),)), Tensor(total, 4, ((7, 6),)))


@broken("sum that broadcasts one channel")
def _one_channel(b: Builder) -> Parts:
    x = image(b)
    total = b.binary("Add", square(b, x, bias=True), square(b, x, 1, bias=True))
    return finish(b, total)


@broken("sum that broadcasts one position")
def _one_position(b: Builder) -> Parts:
    x = image(b)
    pooled = Tensor(b.node("GlobalAveragePool", [x.name]), 4, ((1, 1),))
    total = b.binary("Add", square(b, x), b.conv(pooled, 4, [1, 1]))
    return finish(b, total)


@broken("sum of one row with all")
def _one_row(b: Builder) -> Parts:
    """A kernel as high as the image leaves one row, which broadcasts over the other branch's."""
    x = image(b, 4, (7, 6))
    row = b.conv(x, 4, [7, 3], pads=[0, 1, 0, 1])
    total = b.binary("Add", square(b, x), row)
    return Parts((total.name,), (total.name,))
