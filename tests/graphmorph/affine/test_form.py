"""Forms, evaluated by the definition of their kernels, against the steps that they stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphmorph.affine.form import (
    MAX_TERMS,
    Form,
    InexactError,
    Passage,
    Term,
    added,
    applied,
    nonzero,
    scaled,
    source_form,
)
from graphmorph.affine.kernel import MAX_TAPS, Kernel, shift
from tests.graphmorph.affine.dense_kernels import Array, assert_close, gaussian, kernels, values

algebra = settings(deadline=None, database=None, derandomize=True, max_examples=150)
SIZE = (7, 6)
BATCH = (1,)
WINDOW = Passage("window", 10.0, "before")


def _source(name: str = "x", channels: int = 2, size: tuple[int | None, ...] = SIZE) -> Form:
    return source_form(name, channels, "first", size, BATCH)


def _evaluate(form: Form, **sources: Array) -> Array:
    """sum of terms + bias: (channels, *size)."""
    total: Array = sum((values(term.kernel, sources[term.source]) for term in form.terms), np.zeros(()))
    return np.asarray(total + form.dense_bias().reshape(-1, *[1] * form.rank))


def _row(channels: int, **fields: Any) -> Kernel:
    """A depthwise 1x1 kernel on two dimensions, with some fields changed."""
    defaults: dict[str, Any] = {"offsets": ((0, 0),), "stride": (1, 1), "size_term": (-1, -1)}
    taps = len(fields.get("offsets", ((0, 0),)))
    weights = gaussian(channels, 1, taps)
    return Kernel(channels, channels, channels, **{**defaults, **fields}, weights=lambda: weights)


@algebra
@given(st.data())
def test_chains_of_steps(data: st.DataObject) -> None:
    """Scales, sums and windows in any order: a form that is given equals the steps taken one by one."""
    x = gaussian(2, *SIZE)
    form, reference = _source(), x
    for _ in range(data.draw(st.integers(1, 4))):
        step = data.draw(st.sampled_from([_scale, _sum, _window]))
        try:
            form, reference = step(data.draw, form, reference, x)
        except InexactError:
            continue
    assert_close(_evaluate(form, x=x), reference)
    assert form.size == reference.shape[1:]
    assert form.channels == len(reference)


def _scale(draw: Callable[[Any], Any], form: Form, reference: Array, x: Array) -> tuple[Form, Array]:
    scale, offset = gaussian(form.channels, seed=1), draw(st.sampled_from([0.0, 1.0])) * gaussian(form.channels)
    along = [1] * form.rank
    return scaled(form, scale, offset), reference * scale.reshape(-1, *along) + offset.reshape(-1, *along)


def _sum(draw: Callable[[Any], Any], form: Form, reference: Array, x: Array) -> tuple[Form, Array]:
    signs = draw(st.tuples(*[st.sampled_from([1.0, -1.0])] * 2))
    other = scaled(form, gaussian(form.channels, seed=2), np.ones(form.channels))
    return added([form, other], list(signs)), signs[0] * reference + signs[1] * _evaluate(other, x=x)


def _window(draw: Callable[[Any], Any], form: Form, reference: Array, x: Array) -> tuple[Form, Array]:
    outer = draw(kernels(rank=2, in_channels=form.channels))
    bias = draw(st.sampled_from([None, gaussian(outer.out_channels, seed=3)]))
    result = applied(outer, form, bias, WINDOW)
    offset = np.zeros(outer.out_channels) if bias is None else bias
    return result, values(outer, reference) + offset.reshape(-1, 1, 1)


@algebra
@given(st.data())
def test_padding_with_the_bias(data: st.DataObject) -> None:
    """`outside` equal to the bias, one number a channel, makes padding of a biased tensor exact."""
    bias = gaussian(2, seed=4)
    form = scaled(_source(), gaussian(2, seed=5), bias)
    amounts = [data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in SIZE]
    begin, end = (tuple(pair[side] for pair in amounts) for side in (0, 1))
    padded = applied(shift(2, begin, end), form, None, WINDOW, outside=bias)
    x = gaussian(2, *SIZE)
    expected = np.stack([np.pad(_evaluate(form, x=x)[c], amounts, constant_values=bias[c]) for c in range(2)])
    assert_close(_evaluate(padded, x=x), expected)
    if any(begin + end):
        with pytest.raises(InexactError, match="bias is not the padding value"):
            applied(shift(2, begin, end), form, None, WINDOW, outside=bias + 1.0)


def test_a_sum_of_two_sources() -> None:
    """Each source keeps its own terms; the static sizes show that nothing broadcasts."""
    total = added([_source("x"), scaled(_source("z"), gaussian(2), np.ones(2))], [1.0, -1.0])
    x, z = gaussian(2, *SIZE, seed=6), gaussian(2, *SIZE, seed=7)
    expected = x - z * gaussian(2)[:, None, None] - 1.0
    assert_close(_evaluate(total, x=x, z=z), expected)
    assert {term.source for term in total.terms} == {"x", "z"}


def test_sizes_and_batches_that_may_differ() -> None:
    """Sums are refused wherever an operand could broadcast: by size, by formula, by batch."""
    dynamic, other = _source(size=(None, None)), _source("z", size=(None, None))
    for wrong, reason in (
        ([_source(), _source(size=(7, 1))], "sizes 6 and 1"),
        ([_source(), _source(channels=1)], "2 and 1 channels"),
        ([dynamic, other], "cannot be shown for dynamic"),
        ([_source(), source_form("z", 2, "first", SIZE, ("N",))], "equal batch"),
        ([_source(), source_form("z", 2, "first", SIZE, (1, 1))], "equal batch"),
        ([_source("x"), source_form("z", 2, "last", (), BATCH)], "different axes"),
        ([source_form("x", 2, "last", (), (None,)), source_form("z", 2, "last", (), (None,))], "equal batch"),
    ):
        with pytest.raises(InexactError, match=reason):
            added(wrong, [1.0, 1.0])
    assert added([dynamic, dynamic], [1.0, 1.0]).size == (None, None)
    assert added([_source("x"), _source("z")], [1.0, 1.0]).size == SIZE


def test_a_known_size_is_kept_when_the_other_is_not_known() -> None:
    """Equal formulas stand in for a size that only one of the operands knows."""
    known, unknown = _source(size=(7, 6)), _source(size=(7, None))
    assert added([unknown, known], [1.0, 1.0]).size == SIZE


def test_equal_static_sizes_by_different_formulas() -> None:
    """A crop that leaves what a stride leaves: the strides differ. Shifted windows of one stride are unified."""
    strided = applied(_row(2, stride=(2, 1), size_term=(-1, -1)), _source(), None, WINDOW)
    cropped = applied(_row(2, size_term=(-4, -1)), _source(), None, WINDOW)
    with pytest.raises(InexactError, match="have strides"):
        added([strided, cropped], [1.0, 1.0])
    looser = applied(_row(2, stride=(2, 1), size_term=(-2, -1)), _source(size=(8, 6)), None, WINDOW)
    tighter = applied(_row(2, stride=(2, 1), size_term=(-1, -1)), _source(size=(8, 6)), None, WINDOW)
    total = added([looser, tighter], [1.0, 1.0])
    assert len({term.kernel.size_term for term in total.terms}) == 1
    x = gaussian(2, 8, 6)
    assert_close(_evaluate(total, x=x), _evaluate(looser, x=x) + _evaluate(tighter, x=x))


def test_equal_sizes_of_dynamic_inputs_need_equal_formulas() -> None:
    """At an even size both leave half; at an odd one they do not."""
    looser = applied(_row(2, stride=(2, 1), size_term=(-2, -1)), _source(size=(None, 6)), None, WINDOW)
    tighter = applied(_row(2, stride=(2, 1), size_term=(-1, -1)), _source(size=(None, 6)), None, WINDOW)
    with pytest.raises(InexactError, match="cannot be shown"):
        added([looser, tighter], [1.0, 1.0])


def test_too_many_terms_and_taps() -> None:
    """Limits on the work: 64 terms in a sum, 4096 pairs of taps in a composition; at the limit all is well."""
    half = Form(_source().terms * (MAX_TERMS // 2), None, 2, "first", SIZE, BATCH)
    assert len(added([half, half], [1.0, 1.0]).terms) == MAX_TERMS
    with pytest.raises(InexactError, match="more than 64"):
        added([half, half, _source()], [1.0, 1.0, 1.0])
    side = int(MAX_TAPS**0.5)
    row = _row(2, offsets=tuple((0, -k) for k in range(side)), size_term=(-1, 0))
    wide = Form((Term("x", row),), None, 2, "first", (100, 100), BATCH)
    inside = _row(2, offsets=tuple((k, 0) for k in range(side)), size_term=(-side, -1))
    assert applied(inside, wide, None, WINDOW).terms[0].kernel.taps == MAX_TAPS
    with pytest.raises(InexactError, match="the composed kernel would have 4160 taps"):
        applied(_row(2, offsets=(*inside.offsets, (side, 0)), size_term=(-side - 1, -1)), wide, None, WINDOW)


@pytest.mark.parametrize("size_term", [(-8, -1), (-1, -7)])
def test_empty_tensors_are_refused(size_term: tuple[int, int]) -> None:
    """A size below one, of the tensor read or of the result."""
    with pytest.raises(InexactError, match="is empty"):
        applied(_row(2, size_term=size_term), _source(), None, WINDOW)
    with pytest.raises(InexactError, match="is empty"):
        applied(_row(2, size_term=(3, 3)), _source(size=(0, 4)), None, WINDOW)


def test_costs_and_joints_along_a_path() -> None:
    """A node's cost is counted per position of the source; a path can be cut where something stands before it."""
    first = applied(_row(2, stride=(2, 2)), _source(), None, Passage("first", 12.0, "x", "first"))
    second = applied(_row(2, stride=(1, 3)), first, None, Passage("second", 18.0, "first"))
    (term,) = second.terms
    assert dict(term.costs) == {"first": 3.0, "second": 1.5}
    assert term.weighted_nodes == 2
    assert term.joints == ("first", "first")
    free = applied(_row(2), _source(), None, Passage("free", 0.0, "x"))
    assert dict(free.terms[0].costs) == {}
    assert free.terms[0].joints == ()


def test_what_is_a_source() -> None:
    """Its one term is the identity and there is no bias; a scale of one changes nothing."""
    source = _source()
    assert source.is_source
    assert scaled(source, np.ones(2), np.zeros(2)).is_source
    assert not scaled(source, np.ones(2), np.ones(2)).is_source
    assert not scaled(source, np.array([1.0, 2.0]), np.zeros(2)).is_source
    assert not added([source, source], [1.0, 1.0]).is_source
    assert nonzero(np.zeros(2)) is None
    assert nonzero(np.array([0.0, 1e-300])) is not None
