"""Random regions of linear layers: MatMul and Gemm with what is folded into them, parallel, serial and
low-rank.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.regions.builder import Builder, Region, Tensor


def linear_region(b: Builder) -> Region:
    """x: (batch, channels) or (batch, rows, channels); channels are last, as MatMul has them."""
    choices = b.choices
    b.features.add("linear")
    stacked = choices.chance(0.4)
    channels = choices.integer(1, 6)
    rows: list[tuple[int, ...]] = [(choices.integer(1, 4),) if stacked else () for _ in range(3)]
    dynamic = choices.chance(0.5)
    rows, batches = (rows, [1, 2, 3]) if dynamic else (rows[:1], [2])
    dims: list[Any] = [
        "N" if dynamic else 2,
        *(["R" if dynamic else rows[0][0]] if stacked else []),
        channels,
    ]
    x = b.source(channels, rows, batches, dims)
    for feeds, batch, row in zip(b.feeds, batches, rows, strict=True):
        feeds[x.name] = (batch, *row, channels)
    current = x
    for _ in range(choices.integer(1, 2)):
        current = _layer(b, current, stacked)
    read = {name for node in b.nodes for name in node.input}
    outputs = [node.output[0] for node in b.nodes if node.op_type != "Constant" and node.output[0] not in read]
    return b.region(outputs)


def _layer(b: Builder, x: Tensor, stacked: bool) -> Tensor:
    out = x.channels if b.choices.chance(0.4) else b.choices.integer(1, 6)
    branches = [_branch(b, x, out, stacked) for _ in range(b.choices.integer(1, 3))]
    total = branches[0]
    for branch in branches[1:]:
        total = Tensor(b.node(b.choices.pick(["Add", "Add", "Sub"]), [total.name, branch.name]), out, x.sizes)
    return _scales(b, total, stacked)


def _branch(b: Builder, x: Tensor, out: int, stacked: bool) -> Tensor:
    kind = b.choices.pick(["linear", "linear", "linear", "low rank", "identity"])
    if kind == "identity" and out == x.channels:
        return _scales(b, x, stacked)
    if kind == "low rank":
        b.features.add("low rank")
        inner = _linear(b, x, b.choices.integer(1, 2), stacked)
        product = _linear(b, inner, out, stacked)
        scale = b.constant(float(b.choices.numbers.standard_normal()))
        return Tensor(b.node("Mul", [product.name, scale]), out, x.sizes)
    return _scales(b, _linear(b, x, out, stacked), stacked)


def _linear(b: Builder, x: Tensor, out: int, stacked: bool) -> Tensor:
    if stacked or b.choices.chance(0.4):
        name = b.node("MatMul", [x.name, b.normal(x.channels, out)])
        if b.choices.chance(0.5):
            bias = b.normal(out, stem="b")
            name = b.node("Add", [name, bias] if b.choices.chance(0.5) else [bias, name])
        return Tensor(name, out, x.sizes)
    transposed = b.choices.integer(0, 1)
    weight = b.normal(*((out, x.channels) if transposed else (x.channels, out)))
    attrs: dict[str, Any] = {"transB": transposed} if transposed else {}
    attrs |= {"alpha": 0.5} if b.choices.chance(0.3) else {}
    attrs |= {"beta": -2.0} if b.choices.chance(0.3) else {}
    bias_shape = b.choices.pick([(out,), (1, out), (1,), ()])
    third = [b.normal(*bias_shape, stem="b")] if b.opset < 11 or b.choices.chance(0.7) else []
    return Tensor(b.node("Gemm", [x.name, weight, *third], **attrs), out, x.sizes)


def _scales(b: Builder, x: Tensor, stacked: bool) -> Tensor:
    for _ in range(b.choices.integer(0, 2)):
        kind = b.choices.pick(["Mul", "Add", "Sub", "Div", *([] if stacked else ["bn", "bn"])])
        if kind == "bn":
            x = b.batch_normalization(x)
            continue
        rank = 3 if stacked else 2
        shape = b.choices.pick([(x.channels,), (1,) * (rank - 1) + (x.channels,), (), (1,)])
        values: Any = b.choices.numbers.standard_normal(shape)
        constant = b.constant(np.sign(values) * (np.abs(values) + 0.5) if kind == "Div" else values)
        swapped = kind != "Div" and b.choices.chance(0.4)
        x = Tensor(b.node(kind, [constant, x.name] if swapped else [x.name, constant]), x.channels, x.sizes)
    return x
