"""Arithmetic, comparison, logic and selection, element by element."""

from __future__ import annotations

import numpy as np
import pytest

from tests.graphmorph.torch_door.translation.imported import check, refusal

POSITIVE = np.linspace(0.1, 4, 12).reshape(3, 4)
SIGNED = np.linspace(-2.25, 2.5, 12).reshape(3, 4)
UNIT = np.linspace(-0.95, 0.95, 12).reshape(3, 4)
DOMAINS = {
    **dict.fromkeys(["Sqrt", "Log", "Reciprocal"], POSITIVE),
    **dict.fromkeys(["Neg", "Abs", "Exp", "Erf", "Floor", "Ceil", "Sign", "Sin", "Cos", "Tan"], SIGNED),
    **dict.fromkeys(["Sinh", "Cosh", "Asinh", "Atan"], SIGNED),
    **dict.fromkeys(["Asin", "Acos", "Atanh"], UNIT),
    "Acosh": POSITIVE + 1,
    "Round": np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.2, -0.7]),
}
KINDS = {"float": np.float32, "double": np.float64}
PAIRS = [((3, 4), (4,)), ((2, 1, 4), (3, 1)), ((3, 4), ()), ((), (3, 4))]


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("op", DOMAINS)
def test_functions_of_one_tensor(op: str, dtype: str) -> None:
    tolerance = 1e-7 if (op, dtype) == ("Erf", "double") else None  # onnx's evaluator has a single precision one
    x = DOMAINS[op].astype(KINDS[dtype])
    check(f"g (float x) => (float y) {{ y = {op}(x) }}", dtype=dtype, tolerance=tolerance, x=x)


def text_of(call: str, left: tuple[int, ...], right: tuple[int, ...], kind: str = "float", result: str = "") -> str:
    sides = ", ".join(f"{kind}{[*shape] if shape else ''} {name}" for shape, name in ((left, "a"), (right, "b")))
    return f"g ({sides}) => ({result or kind} y) {{ y = {call} }}"


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"])
@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_functions_of_two_tensors(op: str, left: tuple[int, ...], right: tuple[int, ...], dtype: str) -> None:
    """Each time with both computed, and with either constant."""
    rng = np.random.default_rng(1)
    a, b = (rng.uniform(0.5, 2, shape).astype(KINDS[dtype]) for shape in (left, right))
    check(text_of(f"{op}(a, b)", left, right), dtype=dtype, a=a, b=b)
    if left:
        only = f"g (float{[*left]} a) => (float y) {{ y = {op}(a, b) }}"
        check(only, {"b": b}, dtype=dtype, a=a)
    if right:
        only = f"g (float{[*right]} b) => (float y) {{ y = {op}(a, b) }}"
        check(only, {"a": a}, dtype=dtype, b=b)


@pytest.mark.parametrize("kind", ["int32", "int64", "uint8", "int8"])
def test_integers_are_divided_towards_zero(kind: str) -> None:
    signs = np.array([1, 1, -1, -1, 1, -1]) if kind != "uint8" else np.ones(6)
    a, b = (np.array([7, 8, 7, 8, 1, 9]) * signs).astype(kind), np.array([2, 3, 2, -3 if kind != "uint8" else 3, 4, 5])
    check(text_of("Div(a, b)", (6,), (6,), kind), a=a, b=b.astype(kind))


@pytest.mark.parametrize(("kind", "fmod"), [("int64", 0), ("int32", 0), ("int64", 1), ("float", 1)])
def test_remainders(kind: str, fmod: int) -> None:
    a, b = np.array([-7, 7, -7, 7, 5]), np.array([3, -3, -3, 3, 5])
    numpy_kind = KINDS.get(kind, kind)
    check(text_of(f"Mod<fmod={fmod}>(a, b)", (5,), (5,), kind), a=a.astype(numpy_kind), b=b.astype(numpy_kind))


def test_a_constant_before_the_operator() -> None:
    x = np.array([-7, 7, 5], np.int64)
    check("g (int64[N] x) => (int64[N] y) { y = Mod(c, x) }", {"c": np.asarray(30)}, x=x)
    check("g (int64[N] x) => (int64[N] y) { y = Div(c, x) }", {"c": np.asarray(-30)}, x=x)


@pytest.mark.parametrize(
    ("base", "exponent"),
    [("float", "int64"), ("int32", "float"), ("int64", "float"), ("int64", "int32"), ("float", "double")],
)
def test_powers_keep_the_type_of_the_base(base: str, exponent: str) -> None:
    x, e = np.array([1, 2, 3]).astype(KINDS.get(base, base)), np.array([2, 3, 2]).astype(KINDS.get(exponent, exponent))
    check(f"g ({base}[N] x, {exponent}[N] e) => ({base}[N] y) {{ y = Pow(x, e) }}", x=x, e=e)
    scalar = np.asarray(2).astype(e.dtype)
    check(f"g ({base}[N] x) => ({base}[N] y) {{ y = Pow(x, e) }}", {"e": scalar}, x=x)


@pytest.mark.parametrize("op", ["Sum", "Mean", "Max", "Min"])
@pytest.mark.parametrize("names", ["a", "a, b", "a, b, c", "c, a, b"])
def test_any_number_of_operands(op: str, names: str) -> None:
    """c is a scalar constant."""
    feeds = {name: shape for name, shape in {"a": (3, 4), "b": (4,)}.items() if name in names}
    inputs = ", ".join(f"float{[*shape]} {name}" for name, shape in feeds.items())
    check(f"g ({inputs}) => (float y) {{ y = {op}({names}) }}", {"c": np.asarray(0.3, np.float32)}, **feeds)


@pytest.mark.parametrize("op", ["Max", "Min"])
def test_nan_wins(op: str) -> None:
    a, b = np.array([np.nan, 1, 2], np.float32), np.array([0, np.nan, 5], np.float32)
    check(text_of(f"{op}(a, b)", (3,), (3,)), a=a, b=b)
    check(f"g (float[3] a) => (float[3] y) {{ y = {op}(a, b) }}", {"b": np.asarray(1.5, np.float32)}, a=a)


@pytest.mark.parametrize("op", ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"])
@pytest.mark.parametrize("kind", ["float", "int64", "int32"])
def test_comparisons(op: str, kind: str) -> None:
    a, b = np.array([1, 2, 3]).astype(KINDS.get(kind, kind)), np.array([2, 2, 2]).astype(KINDS.get(kind, kind))
    check(text_of(f"{op}(a, b)", (3,), (3,), kind, "bool"), a=a, b=b)
    check(f"g ({kind}[3] a) => (bool[3] y) {{ y = {op}(a, b) }}", {"b": b[0]}, a=a)


@pytest.mark.parametrize("op", ["And", "Or", "Xor"])
def test_logic(op: str) -> None:
    a, b = np.array([[False], [True]]), np.array([False, True])
    check(text_of(f"{op}(a, b)", (2, 1), (2,), "bool"), a=a, b=b)
    check(f"g (bool[2] b) => (bool[2] y) {{ y = {op}(a, b) }}", {"a": np.asarray(True)}, b=b)
    check("g (bool[2] b) => (bool[2] y) { y = Not(b) }", b=b)


@pytest.mark.parametrize("op", ["BitwiseAnd", "BitwiseOr", "BitwiseXor"])
def test_bits(op: str) -> None:
    a, b = np.array([1, 6, -7], np.int32), np.array([3, 3, 5], np.int32)
    check(text_of(f"{op}(a, b)", (3,), (3,), "int32"), a=a, b=b)
    check("g (int32[3] a) => (int32[3] y) { y = BitwiseNot(a) }", a=a)


@pytest.mark.parametrize("constants", ["", "c", "a", "b", "ab", "cb"])
@pytest.mark.parametrize("dtype", KINDS)
def test_where(constants: str, dtype: str) -> None:
    """With scalar constants for some of condition, first and second."""
    shapes = {"c": (3, 1), "a": (4,), "b": (3, 4)}
    values = {
        name: (
            np.arange(12).reshape(3, 4)[tuple(slice(n) for n in shape)] if name not in constants else np.asarray(5.1)
        )
        for name, shape in {"c": (3, 1), "a": (1, 4), "b": (3, 4)}.items()
    }
    typed = {n: (v > 1 if n == "c" else v.astype(KINDS[dtype])) for n, v in values.items()}
    inputs = ", ".join(
        f"{'bool' if name == 'c' else 'float'}{[*typed[name].shape]} {name}" for name in shapes if name not in constants
    )
    feeds = {name: value for name, value in typed.items() if name not in constants}
    weights = {name: np.asarray(value) for name, value in typed.items() if name in constants}
    check(f"g ({inputs}) => (float y) {{ y = Where(c, a, b) }}", weights, dtype=dtype, **feeds)


@pytest.mark.parametrize("attributes", ["", "<detect_negative=0>", "<detect_positive=0>"])
def test_infinities(attributes: str) -> None:
    x = np.array([1, np.inf, -np.inf, np.nan], np.float32)
    check(f"g (float[N] x) => (bool[N] y) {{ y = IsInf{attributes}(x) }}", x=x)
    check("g (float[N] x) => (bool[N] y) { y = IsNaN(x) }", x=x)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("g (uint32[N] x) => (uint32[N] y) { y = Add(x, x) }", "x is of type uint32; torch does not compute with this"),
        (
            "g (float[N] x) => (bool[N] y) { y = IsInf<detect_negative=0, detect_positive=0>(x) }",
            "detects neither sign",
        ),
        ("g (float[N] x) => (float y) { y = Add(c, c) }", "all its inputs are scalar constants; fold constants first"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    assert reason in refusal(text, {"c": np.asarray(2.0, np.float32)})


def test_a_division_of_a_type_that_the_file_does_not_say() -> None:
    """Integers are divided otherwise, so the type must be known: shape inference finds it."""
    check("g (float[N] x) => (float[N] y) { a = Exp(x) b = Abs(x) d = Div(a, b) y = Neg(d) }", x=(5,))
