"""Steps of a random graph that go on from tokens (N, T, C)."""

from __future__ import annotations

from collections.abc import Callable

from tests.graphmorph.channels.random_program import SIDE, Pick, Program

WIDTHS = (4, 6, 8, 12)


def _linear(program: Program, name: str, width: int) -> str:
    n, t, c = program.sizes[name]
    weight = program.constant(program.random.standard_normal((c, width)) / c**0.5)
    return program.add("MatMul", [name, weight], (n, t, width))[0]


def linear(program: Program, pick: Pick) -> None:
    width = pick(WIDTHS)
    _linear(program, program.current, width)
    program.apply("Add", program.vector(width))


def activate(program: Program, pick: Pick) -> None:
    program.apply(pick(("Gelu", "Tanh", "Softplus")))


def layer_norm(program: Program, pick: Pick) -> None:
    c = program.channels
    norm = [program.vector(c, 0.5, 2), program.vector(c)]
    program.apply("LayerNormalization", *norm[: pick((1, 2))], epsilon=0.01)


def unit_norm(program: Program, pick: Pick) -> None:
    program.apply("Add", program.constant(1.0))
    program.apply("LpNormalization", axis=pick((-1, 1)), p=pick((1, 2)))


def response_norm(program: Program, pick: Pick) -> None:
    """Global response normalisation: a norm over the tokens, by its mean over the channels."""
    start, shape = program.current, program.shape
    n, _, c = shape
    norm = program.add("ReduceL2", [start, program.constant([1])], (n, 1, c))[0]
    mean = program.add("ReduceMean", [norm, program.constant([2])], (n, 1, 1))[0]
    program.add("Add", [mean, program.constant(0.01)], (n, 1, 1))
    program.add("Div", [norm, program.current], (n, 1, c))
    program.add("Mul", [start, program.current], shape)


def mlp(program: Program, pick: Pick) -> None:
    start, shape = program.current, program.shape
    _linear(program, start, pick((5, 10)))
    program.apply("Gelu")
    _linear(program, program.current, shape[2])
    program.add("Add", [start, program.current], shape)


def attention(program: Program, pick: Pick) -> None:
    """Heads of queries, keys and values of one layer each, or of one for all three."""
    start, (n, t, c) = program.current, program.shape
    heads, depth = pick((1, 3, 4)), pick((2, 4))
    parts = _three(program, heads * depth) if pick((True, False)) else _one_for_three(program, heads * depth)
    query, key, value = (_heads(program, part, heads, depth) for part in parts)
    program.current = key
    key = program.transpose(0, 1, 3, 2)
    program.add("MatMul", [query, key], (n, heads, t, t))
    weights = program.apply("Softmax", axis=-1)
    program.add("MatMul", [weights, value], (n, heads, t, depth))
    program.transpose(0, 2, 1, 3)
    program.reshape(0, 0, heads * depth)
    _linear(program, program.current, c)
    program.add("Add", [start, program.current], (n, t, c))


def _three(program: Program, width: int) -> list[str]:
    start = program.current
    return [_linear(program, start, width) for _ in range(3)]


def _one_for_three(program: Program, width: int) -> list[str]:
    n, t, _ = program.shape
    _linear(program, program.current, 3 * width)
    return program.add("Split", [program.current], *[(n, t, width)] * 3, axis=2, num_outputs=3)


def _heads(program: Program, name: str, heads: int, depth: int) -> str:
    program.current = name
    program.reshape(0, 0, heads, depth)
    return program.transpose(0, 2, 1, 3)


def channel_attention(program: Program, pick: Pick) -> None:
    """Channels attend to channels."""
    start, (n, t, c) = program.current, program.shape
    program.transpose(0, 2, 1)
    program.add("MatMul", [program.current, _linear(program, start, c)], (n, c, c))
    weights = program.apply("Tanh")
    program.add("Einsum", [start, weights], (n, t, c), equation="ntc,ncd->ntd")


def mix_tokens(program: Program, pick: Pick) -> None:
    """Layers over the tokens, of which there must be a known number."""
    if not program.free:
        program.transpose(0, 2, 1)
        mlp(program, pick)
        program.transpose(0, 2, 1)


def concat(program: Program, pick: Pick) -> None:
    n, t, c = program.shape
    other = pick(program.alike())
    if c + program.sizes[other][2] <= 24:
        program.add("Concat", [program.current, other], (n, t, c + program.sizes[other][2]), axis=2)


def to_image(program: Program, pick: Pick) -> None:
    if not program.free and program.shape[1] == SIDE * SIDE:
        program.transpose(0, 2, 1)
        program.reshape(0, program.shape[1], SIDE, SIDE)


STEPS: tuple[Callable[[Program, Pick], None], ...] = (
    *(linear, activate, layer_norm, unit_norm, response_norm, mlp, attention, channel_attention, mix_tokens),
    *(concat, to_image),
)
