"""Feeds for a model: drawn from a seed, for every input, in its own dtype and at a plausible size."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphmorph.errors import UsageError

Feeds = dict[str, np.ndarray]
Shapes = dict[str, tuple[int, ...]]

# What values to draw: standard normal floats and integers below 10; floats in [0, 1) and integers below 2,
# for models that look up small tables or take logarithms; ones, for sizes and lengths.
STYLES = ("normal", "unit", "ones")

# Sizes to guess for free dimensions beside the batch, best first; a pair goes to alternating dimensions, so
# that height and width differ where the model lets them. Odd sizes come second: they meet every phase of a
# stride, and a model that refuses them does so at once.
_Pairs = tuple[tuple[int, int], ...]
_IMAGE_SIZES: _Pairs = ((64, 96), (97, 71), (224, 224), (96, 64), (32, 32), (28, 28), (128, 128))
_IMAGE_SIZES += ((16, 16), (8, 8), (299, 299), (256, 256), (320, 320), (640, 640), (48, 320), (4, 4), (1, 1))
_VOLUME_SIZES: _Pairs = ((16, 24), (17, 13), (32, 32), (8, 8), (64, 64), (4, 4), (1, 1))
_SEQUENCE_SIZES: _Pairs = ((8, 12), (16, 16), (12, 8), (32, 32), (5, 5), (64, 64), (128, 128), (1, 1))
_BATCH_SIZES = (1, 2, 3, 4, 8, 16)


@dataclass(frozen=True)
class InputSpec:
    """An input: numpy dtype name, and sizes (a number, a symbol, or None where nothing is known)."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True)
class Case:
    """Feeds that can be made again at any time: from a seed, or given by the user."""

    shapes: Shapes
    source: str
    sample: int = 0
    seed: int | None = None
    style: str = "normal"
    specs: tuple[InputSpec, ...] = ()
    given: Mapping[str, np.ndarray] | None = None

    def feeds(self) -> Feeds:
        """The arrays, by input name."""
        if self.given is not None:
            return dict(self.given)
        return {spec.name: self._draw(spec) for spec in self.specs}

    def _draw(self, spec: InputSpec) -> np.ndarray:
        rng = np.random.default_rng([self.seed or 0, self.sample, zlib.crc32(spec.name.encode())])
        return draw(rng, spec.dtype, self.shapes[spec.name], self.style, is_mask="mask" in spec.name.lower())


_DTYPES = {
    "float": "float32",
    "double": "float64",
    "string": "str",
    "float8e4m3fn": "float8_e4m3fn",
    "float8e4m3fnuz": "float8_e4m3fnuz",
    "float8e5m2": "float8_e5m2",
    "float8e5m2fnuz": "float8_e5m2fnuz",
}


def input_specs(signature: Sequence[Mapping[str, Any]]) -> tuple[InputSpec, ...]:
    """Inputs as onnxruntime describes them.

    Raises UsageError for inputs that are no tensors (sequences, maps, optionals).
    """
    specs = []
    for value in signature:
        kind = value["type"]
        if not kind.startswith("tensor("):
            raise UsageError(f"input {value['name']} is a {kind}: only tensors can be drawn")
        name = kind[len("tensor(") : -1]
        shape = tuple(None if size in ("", None) else size for size in value["shape"])
        specs.append(InputSpec(value["name"], _DTYPES.get(name, name), shape))
    return tuple(specs)


def draw(
    rng: np.random.Generator, dtype: str, shape: tuple[int, ...], style: str, *, is_mask: bool = False
) -> np.ndarray:
    """One array of a dtype (numpy or ml_dtypes name, or "str") and shape."""
    from graphmorph.runtime.protocol import dtype_by_name

    if dtype == "str":
        words = [f"w{number}" for number in rng.integers(0, 10, size=shape).ravel()]
        return np.array(words, dtype=object).reshape(shape)
    target = dtype_by_name(dtype)
    if style == "ones":
        return np.ones(shape, dtype=target)
    if dtype == "bool":
        return np.asarray(rng.integers(0, 2, size=shape), dtype=bool)
    if is_mask:
        mask = np.asarray(rng.integers(0, 2, size=shape))
        mask[..., :1] = 1  # a row in which everything is masked gives NaN in many models
        return mask.astype(target)
    if target.kind in "iu":
        top = 2 if style == "unit" else 256 if dtype == "uint8" else 100 if dtype == "int8" else 10
        return rng.integers(0, top, size=shape).astype(target)
    values = rng.random(shape) if style == "unit" else rng.standard_normal(shape)
    return np.asarray(values, dtype=np.float32 if target.itemsize < 8 else np.float64).astype(target)


def fix_shapes(specs: Sequence[InputSpec], given: Mapping[str, Sequence[int]]) -> tuple[InputSpec, ...]:
    """The specs with the user's sizes filled in, also where another input has the same symbol.

    Raises UsageError when a shape is given for no input, or does not fit.
    """
    symbols: dict[str, int] = {}
    by_name = {spec.name: spec for spec in specs}
    for name, sizes in given.items():
        if name not in by_name:
            names = ", ".join(by_name) or "none"
            raise UsageError(f"--shape {name}: the model has no such input; it has {names}")
        shape = by_name[name].shape
        if shape and len(shape) != len(sizes):
            raise UsageError(f"--shape {name}: {len(sizes)} sizes given, the input has shape {_text(shape)}")
        for declared, size in zip(shape, sizes, strict=False):
            if isinstance(declared, int) and declared != size:
                raise UsageError(f"--shape {name}: {_text(sizes)} does not fit the shape {_text(shape)}")
            if isinstance(declared, str):
                symbols[declared] = size
    fixed = []
    for spec in specs:
        known = tuple(symbols.get(size, size) if isinstance(size, str) else size for size in spec.shape)
        fixed.append(InputSpec(spec.name, spec.dtype, tuple(given.get(spec.name, known))))
    return tuple(fixed)


def guess_shapes(specs: Sequence[InputSpec]) -> Iterator[Shapes]:
    """Shapes to try, best first; a symbol has the same size everywhere. One item when nothing is free."""
    free = _free_dimensions(specs)
    others = [key for key, (is_batch, _) in free.items() if not is_batch]
    sizes = _sizes_by_rank(max((free[key][1] for key in others), default=0))
    has_batch = len(others) < len(free)
    # The batch follows along with the sizes (1, 2, 1, 2, ...); last come all sizes at the larger batches.
    plans = [(pair, _BATCH_SIZES[index % 2]) for index, pair in enumerate(sizes)]
    if has_batch and not others:
        plans = [((1, 1), batch) for batch in _BATCH_SIZES]
    elif has_batch:
        plans += [(pair, _BATCH_SIZES[(index + 1) % 2]) for index, pair in enumerate(sizes)]
    for pair, batch in plans:
        values = {key: batch for key, (is_batch, _) in free.items() if is_batch}
        values |= {key: pair[index % 2] for index, key in enumerate(others)}
        yield {spec.name: _filled(spec, values) for spec in specs}


def _sizes_by_rank(rank: int) -> _Pairs:
    """Sizes to try where the free dimensions beside the batch belong to a tensor of some rank (0: there are none)."""
    if rank >= 4:
        return _VOLUME_SIZES if rank > 4 else _IMAGE_SIZES
    return _SEQUENCE_SIZES if rank else ((1, 1),)


def is_dynamic(specs: Sequence[InputSpec]) -> bool:
    """Whether any size is free."""
    return any(not isinstance(size, int) for spec in specs for size in spec.shape)


def shape_option(specs: Sequence[InputSpec]) -> str:
    """A --shape option to paste and edit, with free dimensions written as their symbol or as ?."""
    parts = [f"{spec.name}={','.join(str(size or '?') for size in spec.shape)}" for spec in specs]
    return " ".join(f"--shape {part}" for part in parts)


def jitter(feeds: Feeds, seed: int, step: float | None) -> Feeds:
    """The feeds with every float element moved by one unit in the last place, up or down.

    Args:
        step: relative step, where the model inside is coarser than its inputs; None for the inputs' own.
    """
    rng = np.random.default_rng([seed, 1])
    moved: Feeds = {}
    for name, array in feeds.items():
        if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
            moved[name] = array
            continue
        up = np.where(rng.integers(0, 2, size=array.shape) == 0, -1.0, 1.0)
        if array.dtype.name in ("float32", "float64") and step is None:
            moved[name] = np.nextafter(array, (up * np.inf).astype(array.dtype))
        else:
            relative = step or (2.0**-7 if array.dtype.name == "bfloat16" else 2.0**-10)
            moved[name] = (array.astype(np.float64) * (1.0 + up * relative)).astype(array.dtype)
    return moved


def _free_dimensions(specs: Sequence[InputSpec]) -> dict[str, tuple[bool, int]]:
    """Free dimensions by key: whether it is the batch, and the rank of the first input that has it."""
    free: dict[str, tuple[bool, int]] = {}
    for spec in specs:
        for axis in range(len(spec.shape)):
            key = free_key(spec, axis)
            if key is not None:
                free.setdefault(key, (axis == 0 and len(spec.shape) > 1, len(spec.shape)))
    return free


def free_key(spec: InputSpec, axis: int) -> str | None:
    """What tells a free size from others: its symbol, or else where it is; None for a fixed one."""
    size = spec.shape[axis]
    if isinstance(size, int):
        return None
    if isinstance(size, str):
        return size
    return "batch?" if axis == 0 and len(spec.shape) > 1 else f"{spec.name}.{axis}?"


def _filled(spec: InputSpec, values: Mapping[str, int]) -> tuple[int, ...]:
    keys = [free_key(spec, axis) for axis in range(len(spec.shape))]
    return tuple(
        size if isinstance(size, int) else values[key or ""] for size, key in zip(spec.shape, keys, strict=True)
    )


def _text(shape: Sequence[Any]) -> str:
    return "[" + ",".join(str(size if size is not None else "?") for size in shape) + "]"
