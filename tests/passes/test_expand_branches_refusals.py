"""Case 6 of expand-branches: what it must leave alone, exactly as it was, with the reason in its report."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.onnx_door import load, to_model
from graphmorph.passes.expand_branches import ExpandBranches
from graphmorph.runtime import Runtime
from tests.passes.expandable import expand
from tests.passes.text_models import Weight, build, norm

TEXT = """g (float[N,4,H,W] x) => (float[N,4,P,Q] y) {
    c = Conv<pads=[1,1,1,1]>(x, w)
    y = BatchNormalization(c, s, b, m, v)
}"""
WEIGHTS: dict[str, Weight] = {"w": (4, 4, 3, 3), **norm(4)}


def refusals(
    runtime: Runtime,
    text: str = TEXT,
    weights: dict[str, Weight] = WEIGHTS,
    rewrite: ExpandBranches | None = None,
    keep: tuple[str, ...] = (),
    **options: int,
) -> dict[str, str]:
    """Reasons by node, of a model that stays as it is."""
    model = build(text, weights, **options)  # type: ignore[arg-type]
    after, result = expand(model, rewrite or ExpandBranches(), runtime, keep=keep)
    assert result.applied == []
    assert after == to_model(load(model))
    return {refusal.node: refusal.reason for refusal in result.passes[0].refusals}


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((4, 4, 3, 5), "its kernel of 3x5 is not square"),
        ((4, 4, 4, 4), "its kernel of 4x4 has no centre"),
        ((4, 4, 1, 1), "its kernel of 1x1 has no taps beside its centre"),
    ],
)
def test_6_kernels_of_another_form(runtime: Runtime, shape: tuple[int, ...], reason: str) -> None:
    assert refusals(runtime, weights={**WEIGHTS, "w": shape}) == {"c": reason}


@pytest.mark.parametrize("rank", [1, 3])
def test_6_another_number_of_dimensions(runtime: Runtime, rank: int) -> None:
    spatial = ",".join("DHW"[:rank])
    text = f"g (float[N,4,{spatial}] x) => (float[N,4,{spatial.lower()}] y) {{ y = Conv(x, w) }}"
    shape = (4, 4, *(3,) * rank)
    reason = f"its weights have shape {shape}; two spatial dimensions are needed"
    assert refusals(runtime, text, {"w": shape}) == {"y": reason}


def test_6_an_asymmetric_kernel_that_is_longer_than_the_square(runtime: Runtime) -> None:
    found = refusals(runtime, rewrite=ExpandBranches(asymmetric_size=5))
    assert found == {"c": "its kernel of 3x3 is smaller than asymmetric_size=5"}


def test_6_a_block_of_one_branch(runtime: Runtime) -> None:
    rewrite = ExpandBranches(block="mobileone", branches=1, normalise="none")
    found = refusals(runtime, weights={**WEIGHTS, "w": (4, 4, 1, 1)}, rewrite=rewrite)
    assert found == {"c": "a block of one branch would be the convolution itself"}


def test_6_weights_that_are_computed(runtime: Runtime) -> None:
    text = TEXT.replace("c = Conv<pads=[1,1,1,1]>(x, w)", "u = Neg(w) c = Conv<pads=[1,1,1,1]>(x, u)")
    assert refusals(runtime, text) == {"c": "its weights are not constant (u)"}


def test_6_weights_that_callers_may_override(runtime: Runtime) -> None:
    text = TEXT.replace("(float[N,4,H,W] x)", "(float[N,4,H,W] x, float[4,4,3,3] w)")
    assert "--freeze-initializers" in refusals(runtime, text)["c"]


def test_6_statistics_that_are_computed(runtime: Runtime) -> None:
    text = TEXT.replace("y = Batch", "n = Abs(m) y = Batch").replace("b, m, v", "b, n, v")
    assert refusals(runtime, text) == {"c": "the parameters of the BatchNormalization y behind it are not constant (n)"}
    model = build(text, WEIGHTS)
    assert expand(model, ExpandBranches(normalise="sum"), runtime)[1].applied == [("expand-branches", "c")]


def test_6_a_variance_that_is_not_positive(runtime: Runtime) -> None:
    found = refusals(runtime, weights={**WEIGHTS, "v": np.array([1.0, 1.0, -1.0, 1.0])})
    assert found == {"c": "the BatchNormalization y behind it has a variance that is not positive"}


@pytest.mark.parametrize("keep", ["c", "y"])
def test_6_kept_nodes(runtime: Runtime, keep: str) -> None:
    assert refusals(runtime, keep=(keep,))["c"].endswith(
        f"{keep} {'' if keep == 'c' else 'behind it '}is kept as asked"
    )


def test_6_values_that_leave_their_type(runtime: Runtime) -> None:
    """The root is named, as for every condition that shows when numbers are computed."""
    weights = {**WEIGHTS, "w": np.full((4, 4, 3, 3), 6e4)}
    found = refusals(runtime, weights=weights, dtype="float16")  # type: ignore[arg-type]
    assert "leave the range of float16" in found["y"]


def test_6_old_opsets(runtime: Runtime) -> None:
    text = TEXT.replace("BatchNormalization(", "BatchNormalization<is_test=1>(")
    assert refusals(runtime, text, opset=6) == {"c": "opset 6 is older than 7"}


def test_6_training_mode_before_it_was_an_attribute(runtime: Runtime) -> None:
    text = TEXT.replace("y = Batch", "y, r, q, t, u = Batch")
    reason = "the BatchNormalization y behind it is in training mode, which opset 12 does not say"
    assert refusals(runtime, text, opset=12) == {"c": reason}


def test_6_padding_that_depends_on_the_size(runtime: Runtime) -> None:
    text = TEXT.replace("pads=[1,1,1,1]", 'auto_pad="SAME_UPPER", strides=[2,2]')
    assert "the size that its pads depend on is not known" in refusals(runtime, text)["c"]


SHARED = """g (float[N,4,8,8] x) => (float[N,4,8,8] y, float[N,4,P,Q] z) {
    c = Conv<pads=[1,1,1,1]>(x, w)
    y = BatchNormalization(c, s, b, m, v)
    %s
}"""


@pytest.mark.parametrize(
    ("other", "options"),
    [
        ("z = ConvTranspose(x, w)", {}),
        ("z = Conv<strides=[2,2], pads=[1,1,1,1]>(x, w)", {"block": "repvgg"}),
        ("z = Conv<pads=[1,1,1,1]>(x, w)", {"layers": ("c",)}),
    ],
)
def test_6_weights_that_another_reader_would_keep(runtime: Runtime, other: str, options: dict[str, str]) -> None:
    rewrite = ExpandBranches(**options)  # type: ignore[arg-type]
    found = refusals(runtime, SHARED % other, rewrite=rewrite)
    name = other.split(" = ")[1].split("<")[0].split("(")[0]
    assert found["c"] == f"its weights w are also those of {name}, which would not become the same block"


def test_6_fresh_branches_part_nothing(runtime: Runtime) -> None:
    model = build(SHARED % "z = ConvTranspose(x, w)", WEIGHTS)
    assert len(expand(model, ExpandBranches(init="fresh"), runtime)[1].applied) == 1
