"""Random square convolutions with whatever may stand behind them, and options to expand them with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st

from graphmorph.manager import PassManager, RunResult
from graphmorph.onnx_door import load, to_model
from graphmorph.passes.expand_branches import ExpandBranches
from graphmorph.runtime import Runtime
from tests.passes.text_models import build


@dataclass(frozen=True)
class Convolution:
    """A convolution of x, (batch, channels, rows, columns), and the sizes of x to try."""

    model: onnx.ModelProto
    feeds: tuple[dict[str, tuple[int, ...]], ...]
    size: int
    filters: int


@st.composite
def convolutions(draw: st.DrawFn, *, dtypes: tuple[str, ...] = ("float", "double")) -> Convolution:
    """Every padding from none to more than the kernel's half, depthwise and grouped, dead filters and scales of 0."""
    size = draw(st.sampled_from([3, 3, 3, 5, 7]))
    groups, per_group, times = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    channels, filters = groups * per_group, groups * (per_group if draw(st.booleans()) else times)
    pair = st.tuples(st.integers(1, 2), st.integers(1, 2))
    strides = draw(st.one_of(st.just((1, 1)), pair))
    dilations = draw(st.one_of(st.just((1, 1)), pair))
    half = tuple(d * (size // 2) for d in dilations)
    pads = draw(st.one_of(st.just((*half, *half)), st.tuples(*[st.integers(0, size)] * 4)))
    biased, normalised, dtype = draw(st.booleans()), draw(st.booleans()), draw(st.sampled_from(dtypes))
    text = f"""g (float[N,{channels},H,W] x) => (float[N,{filters},P,Q] y) {{
        c = Conv<pads={list(pads)}, strides={list(strides)}, dilations={list(dilations)}, group={groups}>
            (x, w{", o" if biased else ""})
        y = {"BatchNormalization<epsilon=0.001>(c, s, b, m, v)" if normalised else "Identity(c)"}
    }}"""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights: dict[str, Any] = {
        "w": rng.standard_normal((filters, per_group, size, size)) * rng.choice([1e-3, 1.0, 30.0])
    }
    weights |= {"o": rng.standard_normal(filters)} if biased else {}
    if normalised:
        weights |= {name: rng.standard_normal(filters) for name in "bm"}
        weights |= {"s": rng.standard_normal(filters), "v": rng.uniform(0.0, 3.0, filters)}
        weights["s"] *= rng.random(filters) > 0.2
    weights["w"][rng.random(filters) < 0.2] = 0.0
    weights["w"][:, :, 0, 0] *= draw(st.booleans())
    smallest = [max(d * (size - 1) + 1 - sum(pads[i::2]), 1) for i, d in enumerate(dilations)]
    feeds = tuple({"x": (2, channels, smallest[0] + more, smallest[1] + 2 * more)} for more in (0, 1, 6))
    model = build(text, weights, dtype=dtype)
    model.graph.node[0].name, model.graph.node[1].name = "conv", "norm"
    return Convolution(model, feeds, size, filters)


def passes(init: str = "preserve") -> st.SearchStrategy[ExpandBranches]:
    """Every combination of options that goes together."""
    shared: dict[str, Any] = {
        "init": st.just(init),
        "normalise": st.sampled_from(["branch", "branch", "sum", "none"]),
        "share": st.sampled_from([0.0, 0.3, 0.5, 1.0]),
        "seed": st.integers(0, 5),
    }
    sides = st.sampled_from([(True, True), (True, False), (False, True)])
    asymmetric = st.tuples(sides, st.fixed_dictionaries(shared)).flatmap(
        lambda drawn: st.builds(
            ExpandBranches,
            horizontal=st.just(drawn[0][0]),
            vertical=st.just(drawn[0][1]),
            shifted=st.booleans(),
            asymmetric_size=st.sampled_from([0, 0, 3]),
            **{name: st.just(value) for name, value in drawn[1].items()},
        )
    )
    repvgg = st.builds(ExpandBranches, block=st.just("repvgg"), **shared)
    mobileone = st.builds(ExpandBranches, block=st.just("mobileone"), branches=st.integers(1, 4), **shared)
    return st.one_of(asymmetric, repvgg, mobileone)


def expand(
    model: onnx.ModelProto, rewrite: ExpandBranches, runtime: Runtime, **options: Any
) -> tuple[onnx.ModelProto, RunResult]:
    """The model with its blocks, and what the pass said."""
    graph = load(model)
    result = PassManager([rewrite], runtime=runtime, **options).run(graph)
    return to_model(graph), result
