"""Passes that are wrong on purpose, to see them caught, and a model with four places for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from graphmorph import registry
from graphmorph.editor import Editor
from graphmorph.graph import constant_array
from graphmorph.passes.fold_batchnorm import FoldBatchnorm
from graphmorph.passes.fold_constants import FoldConstants
from graphmorph.rewrite import Rewrite, Site
from tests.passes.text_models import Weight, build, norm

STAGES = ("n0", "n1", "n2", "n3")
WEIGHTS: dict[str, Weight] = {"w": (4, 4, 3, 3), **norm(4)}
FOUR = build(
    """g (float[N,4,8,8] x) => (float[N,4,8,8] y) {
        c0 = Conv<pads=[1,1,1,1]>(x, w)
        n0 = BatchNormalization(c0, s, b, m, v)
        r0 = Sigmoid(n0)
        c1 = Conv<pads=[1,1,1,1]>(r0, w)
        n1 = BatchNormalization(c1, s, b, m, v)
        r1 = Sigmoid(n1)
        c2 = Conv<pads=[1,1,1,1]>(r1, w)
        n2 = BatchNormalization(c2, s, b, m, v)
        r2 = Sigmoid(n2)
        two = Constant<value_float = 2.0>()
        four = Mul(two, two)
        h = Mul(r2, four)
        c3 = Conv<pads=[1,1,1,1]>(h, w)
        n3 = BatchNormalization(c3, s, b, m, v)
        y = Relu(n3)
    }""",
    WEIGHTS,
)


@dataclass(frozen=True)
class WrongFold(FoldBatchnorm):
    """One weight is 10 % off in what is folded at the tensors named in `wrong`."""

    wrong: ClassVar[tuple[str, ...]] = ()

    def apply(self, site: Site, editor: Editor) -> None:
        super().apply(site, editor)
        if site.root in self.wrong:
            node = editor.edit.new[-1]
            weights = np.array(constant_array(node.inputs[1]))
            weights.flat[0] += np.float32(0.1) * np.abs(weights).max()
            node.inputs[1] = editor.values("wrong", weights)


@dataclass(frozen=True)
class WrongCleanUp(FoldConstants):
    """Constants that come out one too large."""

    def apply(self, site: Site, editor: Editor) -> None:
        if site.data.what == "constant" and isinstance(site.data.value, np.ndarray):
            editor.make_constant(site.data.nodes[0], site.root, site.data.value + 1)
        else:
            super().apply(site, editor)


def install(monkeypatch: pytest.MonkeyPatch, wrong: type[Rewrite], /, **attributes: Any) -> None:
    """Put a wrong pass in the place of the one of its name."""
    right = registry.load
    made = type(wrong.__name__, (wrong,), attributes)
    monkeypatch.setattr(registry, "load", lambda name: made if name == wrong.name else right(name))
