"""Steps of a random graph that go on from an image (N, C, H, W)."""

from __future__ import annotations

from collections.abc import Callable

from tests.graphmorph.channels.random_program import Pick, Program

WIDTHS = (4, 6, 8, 12)


def convolve(program: Program, pick: Pick) -> None:
    """Plain, grouped or depthwise, and with a bias or without."""
    width, size = pick(WIDTHS), pick((1, 3))
    group = pick(program.divisors(width))
    inputs = [program.current, program.weight(width, program.channels // group, size, size)]
    if pick((True, False)):
        inputs.append(program.vector(width))
    n, _, *space = program.shape
    program.add("Conv", inputs, (n, width, *space), group=group, pads=[size // 2] * 4)


def convolve_transposed(program: Program, pick: Pick) -> None:
    width = pick(WIDTHS)
    group = pick(program.divisors(width))
    weight = program.weight(program.channels, width // group, 3, 3)
    n, _, *space = program.shape
    program.add("ConvTranspose", [program.current, weight], (n, width, *space), group=group, pads=[1] * 4)


def activate(program: Program, pick: Pick) -> None:
    program.apply(pick(("Relu", "Sigmoid", "HardSwish", "Elu")))


def batch_norm(program: Program, pick: Pick) -> None:
    c = program.channels
    norm = [program.vector(c, 0.5, 2.0), program.vector(c), program.vector(c), program.vector(c, 0.5, 2.0)]
    program.apply("BatchNormalization", *norm)


def slope(program: Program, pick: Pick) -> None:
    program.apply("PRelu", program.constant(program.random.uniform(0, 1, (program.channels, 1, 1))))


def residual(program: Program, pick: Pick) -> None:
    """A sum with what is there in the same sizes, or with another path."""
    start, shape = program.current, program.shape
    other = pick([name for name in program.alike() if program.sizes[name] == shape])
    if other == start:
        c = program.channels
        other = program.add("Conv", [start, program.weight(c, c, 1, 1)], shape)[0]
    program.add(pick(("Add", "Mul", "Max")), [start, other], shape)


def gate(program: Program, pick: Pick) -> None:
    """Squeeze and excitation."""
    start, shape, c = program.current, program.shape, program.channels
    program.add("GlobalAveragePool", [start], (2, c, 1, 1))
    program.add("Conv", [program.current, program.weight(5, c, 1, 1), program.vector(5)], (2, 5, 1, 1))
    program.apply("Relu")
    program.add("Conv", [program.current, program.weight(c, 5, 1, 1)], (2, c, 1, 1))
    gated = program.apply("Sigmoid")
    program.add("Mul", [start, gated], shape)


def spatial_gate(program: Program, pick: Pick) -> None:
    """Statistics over the channels: mean, maximum, norm."""
    start, shape = program.current, program.shape
    n, _, *space = shape
    axes = program.constant([1])
    parts = [program.add(op, [start, axes], (n, 1, *space))[0] for op in ("ReduceMean", "ReduceMax", "ReduceL2")]
    program.add("Concat", parts, (n, 3, *space), axis=1)
    program.add("Conv", [program.current, program.weight(1, 3, 3, 3)], (n, 1, *space), pads=[1] * 4)
    gated = program.apply("Sigmoid")
    program.add("Mul", [start, gated], shape)


def concat(program: Program, pick: Pick) -> None:
    n, c, *space = program.shape
    other = pick(program.alike())
    if c + program.sizes[other][1] <= 24:
        program.add("Concat", [program.current, other], (n, c + program.sizes[other][1], *space), axis=1)


def split(program: Program, pick: Pick) -> None:
    n, c, *space = program.shape
    if c == 1:
        return
    first = pick(range(1, c))
    sizes = program.constant([first, c - first])
    program.add("Split", [program.current, sizes], (n, first, *space), (n, c - first, *space), axis=1)


def cut(program: Program, pick: Pick) -> None:
    """Some channels, perhaps every other one or in reverse order."""
    n, c, *space = program.shape
    start, end, step = pick(((0, max(c - 1, 1), 1), (min(1, c - 1), c, 1), (-1, -(c + 1), -1), (0, c, 2)))
    taken = range(c)[slice(start, None if step < 0 else end, step)]
    bounds = [program.constant([value]) for value in (start, end, 1, step)]
    program.add("Slice", [program.current, *bounds], (n, len(taken), *space))


def pick_channels(program: Program, pick: Pick) -> None:
    """A permutation."""
    order = program.random.permutation(program.channels)
    program.apply("Gather", program.constant(order), axis=1)


def shuffle(program: Program, pick: Pick) -> None:
    """Groups become places in a group, by Reshape and Transpose."""
    start, c = program.current, program.channels
    groups = pick(program.divisors())
    program.reshape(0, groups, c // groups, -1)
    program.transpose(0, 2, 1, 3)
    program.reshape_like(start)


def widen(program: Program, pick: Pick) -> None:
    """Channels of zeros around the others."""
    n, c, *space = program.shape
    pads = program.constant([0, 1, 0, 0, 0, 2, 0, 0])
    program.add("Pad", [program.current, pads], (n, c + 3, *space))


def group_norm(program: Program, pick: Pick) -> None:
    c = program.channels
    groups = pick(program.divisors())
    norm = [program.vector(c, 0.5, 2.0), program.vector(c)]
    program.apply("GroupNormalization", *norm, num_groups=groups, epsilon=0.01)


def group_norm_by_reshape(program: Program, pick: Pick) -> None:
    start, c = program.current, program.channels
    groups = pick(program.divisors())
    program.reshape(0, groups, -1)
    program.apply("InstanceNormalization", program.vector(groups, 0.5, 2), program.vector(groups), epsilon=0.01)
    program.reshape_like(start)
    program.apply("Mul", program.constant(program.random.uniform(0.5, 2, (c, 1, 1))))


def layer_norm(program: Program, pick: Pick) -> None:
    """Over the channels, which go last for it."""
    program.transpose(0, 2, 3, 1)
    c = program.shape[3]
    program.apply("LayerNormalization", program.vector(c, 0.5, 2), program.vector(c), epsilon=0.01)
    program.transpose(0, 3, 1, 2)


def pool(program: Program, pick: Pick) -> None:
    program.apply(pick(("AveragePool", "MaxPool")), kernel_shape=[3, 3], pads=[1] * 4)


def blocks(program: Program, pick: Pick) -> None:
    """Pixels become channels, and channels pixels."""
    n, c, h, w = program.shape
    if c * 4 <= 48:
        program.add("SpaceToDepth", [program.current], (n, 4 * c, h // 2, w // 2), blocksize=2)
        program.apply("Sigmoid")
        mode = pick(("DCR", "CRD"))
        program.add("DepthToSpace", [program.current], (n, c, h, w), blocksize=2, mode=mode)


def to_tokens(program: Program, pick: Pick) -> None:
    program.reshape(0, program.channels, -1)
    program.transpose(0, 2, 1)


STEPS: tuple[Callable[[Program, Pick], None], ...] = (
    *(convolve, convolve_transposed, activate, batch_norm, slope, residual, gate, spatial_gate, concat, split, cut),
    *(pick_channels, shuffle, widen, group_norm, group_norm_by_reshape, layer_norm, pool, blocks, to_tokens),
)
