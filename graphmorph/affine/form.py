"""Affine forms: what a tensor is, as a sum of kernels on source tensors plus one bias a channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from graphmorph.affine.exactness import Sizes, border_disagreement
from graphmorph.affine.kernel import MAX_TAPS, Float64, Kernel, compose, identity, scale_outputs, tap_sum

#: Where the channel axis stands: 1 for convolutions, the last one for MatMul.
Layout = Literal["first", "last"]

#: A sum of more terms than this is left alone; each is one branch that reaches the sum by its own path.
MAX_TERMS = 64


class InexactError(Exception):
    """A step that cannot be taken exactly; the message is the reason that the report shows."""


@dataclass(frozen=True, eq=False)
class Term:
    """One path from a source tensor: its kernel, and the nodes that it passes.

    `costs` maps each weighted node on the path to its multiply-adds per position of the source. `joints` are the
    tensors at which the path can be cut again, should the composed kernel be dearer than its parts.
    """

    source: str
    kernel: Kernel
    costs: Mapping[str, float] = field(default_factory=dict)
    joints: tuple[str, ...] = ()

    @property
    def weighted_nodes(self) -> int:
        return len(self.costs)


@dataclass(frozen=True, eq=False)
class Form:
    """The value of a tensor: sum of `terms` plus `bias` (channels,), None where it is zero.

    `size` is the static size along each spatial dimension, None where unknown.
    """

    terms: tuple[Term, ...]
    bias: Float64 | None
    channels: int
    layout: Layout
    size: Sizes
    batch: tuple[int | str | None, ...] = ()

    @property
    def rank(self) -> int:
        return len(self.size)

    @property
    def is_source(self) -> bool:
        return len(self.terms) == 1 and self.terms[0].kernel.is_identity and self.bias is None

    def dense_bias(self) -> Float64:
        return self.bias if self.bias is not None else np.zeros(self.channels)


def source_form(name: str, channels: int, layout: Layout, size: Sizes, batch: tuple[int | str | None, ...]) -> Form:
    """The form of a tensor that the region takes as given."""
    return Form((Term(name, identity(channels, len(size))),), None, channels, layout, size, batch)


def nonzero(bias: Float64) -> Float64 | None:
    """The bias, or None where it is zero throughout. `bias`: (channels,)."""
    return bias if np.any(bias) else None


def scaled(form: Form, scale: Float64, offset: Float64) -> Form:
    """Per-channel a*y + b. `scale`, `offset`: (channels,)."""
    terms = tuple(
        Term(t.source, scale_outputs(t.kernel, scale), t.costs, t.joints) if np.any(scale != 1.0) else t
        for t in form.terms
    )
    return Form(terms, nonzero(form.dense_bias() * scale + offset), form.channels, form.layout, form.size, form.batch)


def added(forms: list[Form], signs: list[float]) -> Form:
    """Sum of forms of equal layout, channels and size.

    Raises:
        InexactError: where the operands would broadcast, or equal sizes cannot be shown.
    """
    first = forms[0]
    for other in forms[1:]:
        if other.channels != first.channels:
            raise InexactError(
                f"the summands have {first.channels} and {other.channels} channels, so the sum broadcasts"
            )
        if other.layout != first.layout or other.rank != first.rank:
            raise InexactError("the summands keep their channels on different axes")
    terms = tuple(
        t if sign == 1.0 else Term(t.source, scale_outputs(t.kernel, np.full(form.channels, sign)), t.costs, t.joints)
        for form, sign in zip(forms, signs, strict=True)
        for t in form.terms
    )
    if len(terms) > MAX_TERMS:
        raise InexactError(f"the sum has {len(terms)} terms, more than {MAX_TERMS}")
    terms = _same_sizes(forms, terms)
    bias = sum((sign * form.dense_bias() for form, sign in zip(forms, signs, strict=True)), np.zeros(first.channels))
    size = tuple(
        next((n for n in along if n is not None), None) for along in zip(*(f.size for f in forms), strict=True)
    )
    return Form(terms, nonzero(bias), first.channels, first.layout, size, first.batch)


def _same_sizes(forms: list[Form], terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """Show that no operand of a sum broadcasts: per dimension by equal static sizes, or by equal formulas."""
    first = forms[0]
    for other in forms[1:]:
        for dim in range(first.rank):
            if first.size[dim] is not None and other.size[dim] is not None:
                if first.size[dim] != other.size[dim]:
                    raise InexactError(f"the summands have sizes {first.size[dim]} and {other.size[dim]}")
            elif not _same_formula(first, other, dim):
                raise InexactError("equal sizes of the summands cannot be shown for dynamic dimensions")
        if not _same_batch(first, other):
            raise InexactError("equal batch dimensions of the summands cannot be shown")
    return _unified(terms, first)


def _same_formula(left: Form, right: Form, dim: int) -> bool:
    def formulas(form: Form) -> set[tuple[str, int, int]]:
        return {(t.source, t.kernel.stride[dim], t.kernel.size_term[dim]) for t in form.terms}

    return bool(formulas(left) & formulas(right))


def _same_batch(left: Form, right: Form) -> bool:
    if {t.source for t in left.terms} & {t.source for t in right.terms}:
        return True
    return len(left.batch) == len(right.batch) and all(
        a is not None and a == b for a, b in zip(left.batch, right.batch, strict=True)
    )


def _unified(terms: tuple[Term, ...], first: Form) -> tuple[Term, ...]:
    """Terms on one source must agree in stride and size formula; a static size makes equal formulas of unequal ones."""
    chosen: dict[str, Kernel] = {}
    unified = []
    for term in terms:
        kernel = chosen.setdefault(term.source, term.kernel)
        if kernel.stride != term.kernel.stride:
            raise InexactError(f"branches of {term.source} have strides {kernel.stride} and {term.kernel.stride}")
        if kernel.size_term == term.kernel.size_term:
            unified.append(term)
            continue
        if any(n is None for n in first.size):
            raise InexactError(f"branches of {term.source} have equal sizes for some inputs only")
        same = Kernel(**{**vars(term.kernel), "size_term": kernel.size_term})
        unified.append(Term(term.source, same, term.costs, term.joints))
    return tuple(unified)


@dataclass(frozen=True)
class Passage:
    """The node that a form passes through: its multiply-adds per output position, and where it can be cut off again.

    `before` and `after` name its data input and its output; `after` is None where cutting there gains nothing.
    """

    node: str
    cost: float
    before: str
    after: str | None = None


def applied(outer: Kernel, form: Form, bias: Float64 | None, passage: Passage, outside: Float64 | float = 0.0) -> Form:
    """A window operator over a form.

    `bias`: (out,) or None. `outside`: what the operator reads beyond the tensor's bounds, a number or (channels,).

    Raises:
        InexactError: where the result is no kernel on the sources, borders included.
    """
    size = outer.size(form.size)
    if any(n is not None and n < 1 for n in (*size, *form.size)):
        raise InexactError(f"an intermediate tensor is empty (sizes {form.size} -> {size})")
    for term in form.terms:
        if outer.taps * term.kernel.taps > MAX_TAPS:
            raise InexactError(f"the composed kernel would have {outer.taps * term.kernel.taps} taps")
        problem = border_disagreement(outer, term.kernel, form, outside, term.source)
        if problem is not None:
            raise InexactError(problem)
    terms = tuple(_through(outer, term, form, passage) for term in form.terms)
    total = np.zeros(outer.out_channels) if bias is None else bias
    if form.bias is not None:
        total = total + tap_sum(outer.weights(), outer.groups, form.bias)
    return Form(terms, nonzero(total), outer.out_channels, form.layout, size, form.batch)


def _through(outer: Kernel, term: Term, form: Form, passage: Passage) -> Term:
    kernel = compose(outer, term.kernel)
    costs = dict(term.costs)
    if passage.cost:
        costs[passage.node] = passage.cost / float(np.prod(kernel.stride))
    joints = term.joints
    if len(form.terms) > 1 or not term.kernel.is_diagonal:
        joints = (*joints, passage.before)
    if passage.after is not None:
        joints = (*joints, passage.after)
    return Term(term.source, kernel, costs, joints)
