"""Random affine regions: valid ONNX models of convolutions or linear layers, their sums and everything
linear between.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.regions.borders import bordered
from tests.regions.builder import BFLOAT16, DOUBLE, FLOAT, FLOAT16, Builder, Region, Tensor
from tests.regions.choices import Choices, Drawn, Seeded
from tests.regions.linear import linear_region
from tests.regions.pointwise import pointwise_chain

TRIES = 4  # input sizes that a model with dynamic dimensions is tried at


def random_region(seed: int) -> Region:
    """The region that a seed stands for."""
    return build_region(Seeded(seed))


@st.composite
def regions(draw: Callable[[Any], Any]) -> Region:
    """Hypothesis strategy of regions."""
    return build_region(Drawn(draw))


def build_region(choices: Choices) -> Region:
    opset = choices.pick([17, 9, 10, 11, 13, 14, 18, 21, 22])
    dtype = choices.pick([DOUBLE, DOUBLE, DOUBLE, DOUBLE, DOUBLE, FLOAT, FLOAT, FLOAT16, BFLOAT16])
    if dtype == BFLOAT16:
        opset = 22  # the first in which Conv is declared for bfloat16
    b = Builder(choices, dtype, opset, constant_nodes=choices.chance(0.1))
    b.features.add({DOUBLE: "float64", FLOAT: "float32", FLOAT16: "float16", BFLOAT16: "bfloat16"}[dtype])
    return linear_region(b) if choices.chance(0.15) else _convolutional_region(b)


def _convolutional_region(b: Builder) -> Region:
    choices = b.choices
    b.features.add(f"{(rank := choices.pick([2, 2, 2, 1, 3]))}-d")
    x = _source(b, choices.integer(1, 6), rank)
    pool = [x]
    for _ in range(choices.integer(1, 3)):
        start = pool[-1] if choices.chance(0.75) else choices.pick(pool)
        step = choices.pick(
            [_block, _block, _block, _serial, _cut_and_pad, _reader, _broadcast, _upsample, _second, bordered]
        )
        made = step(b, start)
        pool += [tensor for tensor in made if all(min(size) >= 0 for size in tensor.sizes)]
    return b.region(_outputs(b, pool))


def _source(b: Builder, channels: int, rank: int) -> Tensor:
    """A graph input with static or dynamic dimensions, each decided for itself."""
    choices = b.choices
    low, high = (3, 7) if rank == 3 else (4, 12)
    dynamic = [choices.chance(0.4) for _ in range(rank)]
    fixed = [choices.integer(low, high) for _ in range(rank)]
    count = TRIES if any(dynamic) else 1
    sizes = [
        tuple(choices.integer(low, high) if moving else n for moving, n in zip(dynamic, fixed, strict=True))
        for _ in range(count)
    ]
    moving_batch = choices.chance(0.3)
    fixed_batch = choices.pick([1, 1, 2])
    batches = [1 + (place % 2) if moving_batch else fixed_batch for place in range(count)]
    dims: list[Any] = ["N" if moving_batch else fixed_batch, channels]
    dims += [f"D{axis}" if moving else n for axis, (moving, n) in enumerate(zip(dynamic, fixed, strict=True))]
    b.features |= ({"dynamic size"} if any(dynamic) else set()) | ({"dynamic batch"} if moving_batch else set())
    return b.source(channels, sizes, batches, dims)


def _outputs(b: Builder, pool: list[Tensor]) -> list[str]:
    """All tensors that nothing reads, and sometimes one in the middle."""
    read = {name for node in b.nodes for name in node.input}
    produced = [node.output[0] for node in b.nodes if node.op_type != "Constant"]
    outputs = [name for name in produced if name not in read]
    middle = [name for name in produced if name in read]
    if middle and b.choices.chance(0.15):
        b.features.add("middle output")
        outputs.append(b.choices.pick(middle))
    return outputs


# --- steps: each takes a tensor and returns the tensors worth going on from
# -----------------------------------


def _block(b: Builder, x: Tensor) -> list[Tensor]:
    """Parallel branches of equal stride and output size, with pointwise operators in and after them,
    summed.
    """
    choices = b.choices
    strides = _strides(b, x.spatial)
    growth = _growth(b, x, strides)
    if growth is None:
        return []
    out = x.channels if choices.chance(0.7) else choices.integer(1, 6)
    branches = [_branch(b, x, out, strides, growth) for _ in range(choices.integer(1, 4))]
    branches = [pointwise_chain(b, branch, 2) for branch in branches]
    total = _sum(b, branches)
    result = pointwise_chain(b, total, 2)
    return [choices.pick(branches), result] if choices.chance(0.1) else [result]


def _strides(b: Builder, rank: int) -> list[int]:
    stride = b.choices.pick([1, 1, 1, 2, 3])
    return [stride if b.choices.chance(0.9) else b.choices.integer(1, 3) for _ in range(rank)]


def _growth(b: Builder, x: Tensor, strides: list[int]) -> list[int] | None:
    """Per axis, pads - (extent - 1) that all branches of a block share: together with the stride it fixes
    the size.
    """
    smallest = [min(size[axis] for size in x.sizes) for axis in range(x.spatial)]
    if min(smallest) < 1:
        return None
    same = b.choices.chance(0.5)
    return [0 if same else max(b.choices.integer(-4, 3), 1 - n) for n in smallest]


def _branch(b: Builder, x: Tensor, out: int, strides: list[int], growth: list[int]) -> Tensor:
    kinds: list[Callable[[], Tensor]] = [lambda: _conv_to(b, x, out, strides, growth)] * 4
    kinds.append(lambda: _bottleneck(b, x, out, strides, growth))
    if out == x.channels:
        kinds.append(lambda: _average_to(b, x, strides, growth))
        if all(stride == 1 for stride in strides) and not any(growth):
            b.features.add("identity branch")
            kinds += [lambda: pointwise_chain(b, x, 2)] * 2
    return b.choices.pick(kinds)()


def _conv_to(b: Builder, x: Tensor, out: int, strides: list[int], growth: list[int]) -> Tensor:
    """A convolution of any kernel and dilation that gives the wanted size by pads, by Pad, by Slice or by
    auto_pad.
    """
    choices, rank = b.choices, x.spatial
    cube = choices.chance(0.6)
    side = choices.pick([3, 1, 2, 5])
    kernel = [side if cube else choices.pick([1, 3, 2, 4]) for _ in range(rank)]
    dilations = [choices.pick([1, 1, 1, 2]) if k > 1 else 1 for k in kernel]
    needed = [g + d * (k - 1) for g, d, k in zip(growth, dilations, kernel, strict=True)]
    group = choices.pick([g for g in range(1, math.gcd(x.channels, out) + 1) if math.gcd(x.channels, out) % g == 0])
    group = group if choices.chance(0.6) else 1
    b.features |= {"group"} if group > 1 else set()
    b.features |= {"dilation"} if max(dilations) > 1 else set()
    options: dict[str, Any] = {
        "strides": strides,
        "dilations": dilations,
        "group": group,
        "bias": choices.chance(0.4),
    }
    if max(strides) == 1 and not any(growth) and choices.chance(0.1):
        b.features |= {"auto_pad"} | ({"dilated auto_pad"} if max(dilations) > 1 else set())
        return b.conv(x, out, kernel, auto_pad=choices.pick(["SAME_UPPER", "SAME_LOWER"]), **options)
    extra = choices.pick([0, 0, 0, 1]) if max(strides) == 1 else 0
    x, needed = _shrink(b, x, needed, extra)
    b.features |= {"padded and cropped"} if extra else set()
    begins = [choices.integer(0, n) if choices.chance(0.4) else n // 2 for n in needed]
    ends = [n - begin for n, begin in zip(needed, begins, strict=True)]
    if any(needed) and choices.chance(0.15):
        x = b.pad(x, begins, ends, choices.pick([None, 0.0, 0.0, 0.5]))
        begins = ends = [0] * rank
    result = b.conv(x, out, kernel, pads=[*begins, *ends], **options)
    return _trim(b, result, extra) if extra else result


def _shrink(b: Builder, x: Tensor, needed: list[int], extra: int) -> tuple[Tensor, list[int]]:
    """Crop the input where fewer positions are wanted than there are; `extra` more are padded and cropped
    after.
    """
    needed = [n + 2 * extra for n in needed]
    lacking = [max(-n, 0) for n in needed]
    if any(lacking):
        begins = [b.choices.integer(0, n) for n in lacking]
        x = _cut(b, x, begins, [n - begin for n, begin in zip(lacking, begins, strict=True)])
    return x, [max(n, 0) for n in needed]


def _cut(b: Builder, x: Tensor, begins: list[int], ends: list[int]) -> Tensor:
    if b.choices.chance(0.25):
        b.features.add("negative pad")
        return b.pad(x, [-n for n in begins], [-n for n in ends])
    absolute = len(x.sizes) == 1 and b.choices.chance(0.5)
    b.features |= {"absolute slice"} if absolute else set()
    return b.crop(x, begins, ends, absolute=absolute)


def _trim(b: Builder, x: Tensor, extra: int) -> Tensor:
    return _cut(b, x, [extra] * x.spatial, [extra] * x.spatial)


def _bottleneck(b: Builder, x: Tensor, out: int, strides: list[int], growth: list[int]) -> Tensor:
    """1x1 then kxk, or kxk then 1x1, with pointwise operators between."""
    middle = b.choices.pick([1, 2, 4, 6, 12])  # where it is wide one kernel is cheaper
    b.features.add("bottleneck")
    if b.choices.chance(0.5):
        inner = b.conv(x, middle, [1] * x.spatial, bias=b.choices.chance(0.3))
        inner = pointwise_chain(b, inner, 1) if b.choices.chance(0.5) else inner
        return _conv_to(b, inner, out, strides, growth)
    inner = pointwise_chain(b, _conv_to(b, x, middle, strides, growth), 1)
    return b.conv(inner, out, [1] * x.spatial, bias=b.choices.chance(0.4))


def _average_to(b: Builder, x: Tensor, strides: list[int], growth: list[int]) -> Tensor:
    kernel = [b.choices.pick([3, 2, 1]) for _ in growth]
    needed = [g + k - 1 for g, k in zip(growth, kernel, strict=True)]
    x, needed = _shrink(b, x, needed, 0)
    begins = [b.choices.integer(0, n) for n in needed]
    pads = [*begins, *(n - begin for n, begin in zip(needed, begins, strict=True))]
    fits = all(pads[a] < k and pads[len(kernel) + a] < k for a, k in enumerate(kernel))
    if not any(pads):
        options = {"count_include_pad": b.choices.integer(0, 1)} if b.choices.chance(0.5) else {}
        return b.average(x, kernel, strides, **options)
    if fits and b.choices.chance(0.7):
        include = b.choices.pick([1, 1, 1, 0])
        b.features |= set() if include else {"pads not counted"}
        return b.average(x, kernel, strides, pads=pads, count_include_pad=include)
    x = b.pad(x, begins, pads[len(kernel) :])
    return b.average(x, kernel, strides)


def _sum(b: Builder, branches: list[Tensor]) -> Tensor:
    """One Sum, or Adds and Subs in any order."""
    pending = list(branches)
    first = pending[0]
    if len(pending) > 1 and b.choices.chance(0.2):
        names = [t.name for t in pending]
        if b.opset >= 8 and b.choices.chance(0.3):
            names.insert(0, b.normal(first.channels, *[1] * first.spatial, stem="c"))
            b.features.add("Sum of a constant")
        return Tensor(b.node("Sum", names), first.channels, first.sizes)
    while len(pending) > 1:
        left = pending.pop(b.choices.integer(0, len(pending) - 1))
        right = pending.pop(b.choices.integer(0, len(pending) - 1))
        pending.append(b.binary("Sub" if b.choices.chance(0.15) else "Add", left, right))
    return pending[0]


def _serial(b: Builder, x: Tensor) -> list[Tensor]:
    """Convolutions one after the other, whatever their padding: often inexact, then to be left alone."""
    for _ in range(b.choices.integer(1, 2)):
        strides = _strides(b, x.spatial)
        growth = _growth(b, x, strides)
        if growth is None:
            return []
        x = pointwise_chain(b, _conv_to(b, x, b.choices.pick([1, 2, 4, 6, 12]), strides, growth), 1)
    b.features.add("serial")
    return [x]


def _cut_and_pad(b: Builder, x: Tensor) -> list[Tensor]:
    """Pad and Slice in a row, sometimes down to nothing and back."""
    rank = x.spatial
    made = x
    for _ in range(b.choices.integer(1, 3)):
        if b.choices.chance(0.5):
            begins, ends = ([b.choices.integer(0, 3) for _ in range(rank)] for _ in range(2))
            made = b.pad(made, begins, ends, b.choices.pick([None, 0.0, 1.5]))
        else:
            begins, ends = ([b.choices.integer(0, 3) for _ in range(rank)] for _ in range(2))
            if b.choices.chance(0.1):
                begins[0] = max(size[0] for size in made.sizes) + b.choices.integer(0, 2)
            made = b.crop(made, begins, ends)
        b.features |= {"empty intermediate"} if any(min(size) == 0 for size in made.sizes) else set()
    return [made]


def _reader(b: Builder, x: Tensor) -> list[Tensor]:
    """A nonlinear reader beside whatever reads the tensor next."""
    b.features.add("nonlinear reader")
    return [x, b.unary(b.choices.pick(["Relu", "Tanh"]), x)]


def _broadcast(b: Builder, x: Tensor) -> list[Tensor]:
    """A sum of tensors of different shapes: one channel, or one position, against all."""
    if any(min(size) < 1 for size in x.sizes):
        return []
    b.features.add("broadcasting Add")
    ones = [1] * x.spatial
    full = b.conv(x, x.channels, ones, bias=True)
    if b.choices.chance(0.5):
        small = b.conv(x, 1, ones)
    else:
        name = b.node("GlobalAveragePool", [full.name])
        small = Tensor(name, x.channels, tuple((1,) * x.spatial for _ in x.sizes))
    pair = (full, small) if b.choices.chance(0.5) else (small, full)
    return [pointwise_chain(b, b.binary("Add", *pair), 2)]


def _upsample(b: Builder, x: Tensor) -> list[Tensor]:
    """ConvTranspose followed by what folds into it."""
    choices, rank = b.choices, x.spatial
    if any(min(size) < 1 for size in x.sizes):
        return []
    group = choices.pick([1, *(g for g in range(1, x.channels + 1) if x.channels % g == 0)])
    out = group * choices.integer(1, 3)
    kernel, strides = [choices.integer(2, 3)] * rank, [choices.integer(1, 2)] * rank
    pads = [choices.integer(0, 1) for _ in range(2 * rank)]
    grown = [s * (n - 1) + k for s, k, n in zip(strides, kernel, (min(s) for s in x.sizes), strict=False)]
    if min(grown) <= 2:
        pads = [0] * 2 * rank
    names = [x.name, b.normal(x.channels, out // group, *kernel)]
    names += [b.normal(out, stem="b")] if choices.chance(0.5) else []
    name = b.node("ConvTranspose", names, strides=strides, pads=pads, group=group)
    sizes = tuple(
        tuple(strides[a] * (size[a] - 1) + kernel[a] - pads[a] - pads[rank + a] for a in range(rank))
        for size in x.sizes
    )
    return [pointwise_chain(b, Tensor(name, out, sizes), 2)]


def _second(b: Builder, x: Tensor) -> list[Tensor]:
    """A sum with a branch of another graph input, whose dynamic sizes nothing ties to the first's."""
    if any(min(size) < 1 for size in x.sizes):
        return []
    b.features.add("two sources")
    static = len(x.sizes) == 1
    sizes = list(x.sizes)
    batches = [feeds["x0"][0] for feeds in b.feeds]
    dims: list[Any] = [batches[0] if len(set(batches)) == 1 and static else "N", x.channels]
    dims += list(sizes[0]) if static else [f"E{len(b.inputs)}_{axis}" for axis in range(x.spatial)]
    other = b.source(x.channels, sizes, batches, dims)
    ones = [1] * x.spatial
    left = _conv_to(b, x, x.channels, ones, [0] * x.spatial)
    right = _conv_to(b, other, x.channels, ones, [0] * x.spatial) if b.choices.chance(0.7) else other
    return [pointwise_chain(b, _sum(b, [left, right]), 2)]
