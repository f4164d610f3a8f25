"""Cases 1 to 5 of expand-branches: what blocks it makes (case 6, what it leaves alone, is beside this)."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from graphmorph.errors import UsageError
from graphmorph.onnx_door import load
from graphmorph.passes.expand_branches import ExpandBranches
from graphmorph.runtime import Runtime
from graphmorph.testing import assert_equivalent
from tests.passes.expandable import expand
from tests.passes.text_models import Weight, build, initializers, norm
from tests.regions.check import check_model

TEXT = """g (float[N,4,H,W] x) => (float[N,4,P,Q] y) {
    c = Conv<pads=[1,1,1,1]>(x, w, o)
    d = BatchNormalization(c, s, b, m, v)
    y = Relu(d)
}"""
WEIGHTS: dict[str, Weight] = {"w": (4, 4, 3, 3), "o": (4,), **norm(4)}


def model(text: str = TEXT, weights: dict[str, Weight] = WEIGHTS, **options: Any) -> onnx.ModelProto:
    """Nodes are named after what they are."""
    made = build(text, weights, **options)
    for node, name in zip(made.graph.node, ("conv", "bn", "relu"), strict=False):
        node.name = name
    return made


def nodes(made: onnx.ModelProto) -> dict[str, str]:
    return {node.name: node.op_type for node in made.graph.node}


def node(made: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(one for one in made.graph.node if one.name == name)


def attributes(made: onnx.ModelProto, name: str) -> dict[str, Any]:
    return {a.name: onnx.helper.get_attribute_value(a) for a in node(made, name).attribute}


def expanded(runtime: Runtime, before: onnx.ModelProto | None = None, **options: Any) -> onnx.ModelProto:
    """One block, proven where the outputs are to stay, and reported."""
    before = model() if before is None else before
    rewrite = ExpandBranches(**options)
    after, result = expand(before, rewrite, runtime)
    (report,) = result.passes
    assert (len(report.rewrites), report.refusals, report.rounds) == (1, [], 1)
    assert report.kind == ("exact" if rewrite.init == "preserve" else "approximate")
    assert result.journal.nodes_added == len(report.rewrites[0].nodes_after)
    onnx.checker.check_model(after, full_check=True)
    if rewrite.init == "preserve":
        assert_equivalent(before, after)
    return after


# 1. asymmetric convolution blocks

BRANCH = {"conv": "Conv", "bn": "BatchNormalization", "relu": "Relu", "conv_sum": "Add"}
HORIZONTAL = {"conv_horizontal": "Conv", "conv_horizontal_norm": "BatchNormalization"}
VERTICAL = {"conv_vertical": "Conv", "conv_vertical_norm": "BatchNormalization"}


def test_1_horizontal_and_vertical(runtime: Runtime) -> None:
    after = expanded(runtime)
    assert nodes(after) == {**BRANCH, **HORIZONTAL, **VERTICAL, "conv_sum_2": "Add"}
    assert attributes(after, "conv_horizontal")["pads"] == [0, 1, 0, 1]
    assert attributes(after, "conv_vertical")["pads"] == [1, 0, 1, 0]
    assert node(after, "conv_sum_2").output[0] == "d"
    assert list(node(after, "conv_horizontal_norm").input[1:]) == [
        f"conv_horizontal_norm.{part}" for part in ("weight", "bias", "running_mean", "running_var")
    ]
    assert initializers(after)["conv_vertical.weight"].dims == [4, 4, 3, 1]


@pytest.mark.parametrize(("option", "left"), [("vertical", HORIZONTAL), ("horizontal", VERTICAL)])
def test_1_one_of_the_two(runtime: Runtime, option: str, left: dict[str, str]) -> None:
    assert nodes(expanded(runtime, **{option: False})) == {**BRANCH, **left}


def test_1_shifted_to_the_bottom_and_to_the_right(runtime: Runtime) -> None:
    after = expanded(runtime, shifted=True)
    crop = initializers(after)["conv_horizontal_crop.starts"]
    assert onnx.numpy_helper.to_array(crop).tolist() == [1]
    assert node(after, "conv_horizontal").input[0] == "conv_horizontal_crop_output"
    assert attributes(after, "conv_horizontal")["pads"] == [0, 1, 0, 1]


def test_1_shifted_on_an_input_of_one_pixel(runtime: Runtime) -> None:
    before = model(TEXT.replace("N,4,H,W", "1,4,1,1"))
    assert nodes(expanded(runtime, before, shifted=True))["conv_horizontal_pad"] == "Pad"


def test_1_short_kernels_beside_a_large_one(runtime: Runtime) -> None:
    before = model(TEXT.replace("[1,1,1,1]", "[2,2,2,2], strides=[4,4]"), {**WEIGHTS, "w": (4, 4, 11, 11)})
    after = expanded(runtime, before, asymmetric_size=3)
    assert attributes(after, "conv_horizontal")["kernel_shape"] == [1, 3]
    assert nodes(after)["conv_horizontal_crop"] == "Slice"


# 2. other blocks


def test_2_repvgg(runtime: Runtime) -> None:
    after = expanded(runtime, block="repvgg")
    others = {"conv_pointwise": "Conv", "conv_pointwise_norm": BRANCH["bn"], "conv_identity_norm": BRANCH["bn"]}
    assert nodes(after) == {**BRANCH, **others, "conv_sum_2": "Add"}
    assert node(after, "conv_identity_norm").input[0] == "x"


def test_2_repvgg_has_no_identity_where_sizes_differ(runtime: Runtime) -> None:
    after = expanded(runtime, model(TEXT.replace("[1,1,1,1]", "[1,1,1,1], strides=[2,2]")), block="repvgg")
    assert "conv_identity_norm" not in nodes(after)


def test_2_mobileone(runtime: Runtime) -> None:
    after = expanded(runtime, block="mobileone", branches=3)
    convolutions = [name for name, op in nodes(after).items() if op == "Conv"]
    assert convolutions == ["conv", "conv_branch2", "conv_branch3", "conv_pointwise"]
    assert "conv_identity_norm" in nodes(after)


def test_2_mobileone_takes_pointwise_convolutions(runtime: Runtime) -> None:
    before = model(TEXT.replace("<pads=[1,1,1,1]>", ""), {**WEIGHTS, "w": (4, 4, 1, 1)})
    after = expanded(runtime, before, block="mobileone", branches=2)
    assert [name for name, op in nodes(after).items() if op == "Conv"] == ["conv", "conv_branch2"]


# 3. where the normalisation goes


@pytest.mark.parametrize("normalise", ["sum", "none"])
def test_3_the_normalisation_that_is_there_stays_after_the_sum(runtime: Runtime, normalise: str) -> None:
    before = model()
    after = expanded(runtime, before, normalise=normalise)
    assert node(after, "bn") == node(before, "bn")
    assert node(after, "conv_sum_2").output[0] == "c"
    assert list(nodes(after).values()).count("BatchNormalization") == 1


BARE = TEXT.replace("    d = BatchNormalization(c, s, b, m, v)\n", "").replace("Relu(d)", "Relu(c)")


@pytest.mark.parametrize(
    ("normalise", "norms"),
    [("branch", ["conv_norm", "conv_horizontal_norm", "conv_vertical_norm"]), ("sum", ["conv_norm"]), ("none", [])],
)
@pytest.mark.parametrize("init", ["preserve", "fresh"])
def test_3_a_convolution_without_one(runtime: Runtime, normalise: str, norms: list[str], init: str) -> None:
    before = model(BARE, {"w": (4, 4, 3, 3), "o": (4,)})
    after = expanded(runtime, before, normalise=normalise, init=init)
    assert [name for name, op in nodes(after).items() if op == "BatchNormalization"] == norms
    # In front of a normalisation that may be trained a bias would be lost: it becomes theirs.
    assert (len(node(after, "conv").input) == 2) == (normalise == "branch" and init == "preserve")


def test_3_a_normalisation_that_shares_the_convolution_is_not_taken(runtime: Runtime) -> None:
    text = TEXT.replace("(float[N,4,P,Q] y)", "(float[N,4,P,Q] y, float[N,4,P,Q] c)")
    before = model(text)
    after = expanded(runtime, before)
    assert node(after, "bn") == node(before, "bn")
    assert node(after, "conv_sum_2").output[0] == "c"
    assert "conv_norm" in nodes(after)


def test_3_training_statistics_are_put_out_by_every_branch(runtime: Runtime) -> None:
    text = TEXT.replace("d = BatchNormalization(", "d, r, q = BatchNormalization<training_mode=1>(")
    before = model(text.replace("(float[N,4,P,Q] y)", "(float[N,4,P,Q] y, float[4] r)"))
    after, result = expand(before, ExpandBranches(block="repvgg"), runtime)
    assert len(result.applied) == 1
    onnx.checker.check_model(after, full_check=True)
    norms = [one for one in after.graph.node if one.op_type == "BatchNormalization"]
    assert [len(one.output) for one in norms] == [3, 3, 3]
    assert node(after, "bn").output[1:] == ["r", "q"]
    assert len({name for one in norms for name in one.output}) == 9
    assert all(attributes(after, one.name)["training_mode"] == 1 for one in norms)


# 4. what the branches start from


def test_4_fresh_branches_stand_beside_the_layer_as_it_was(runtime: Runtime) -> None:
    before = model()
    after = expanded(runtime, before, init="fresh")
    assert node(after, "conv") == node(before, "conv")
    assert node(after, "bn").input == node(before, "bn").input
    held = {name: onnx.numpy_helper.to_array(tensor) for name, tensor in initializers(after).items()}
    kernel = held["conv_horizontal.weight"]
    assert np.abs(kernel).max() <= 1 / np.sqrt(12)
    assert len(np.unique(kernel)) == kernel.size
    values = [held[f"conv_vertical_norm.{part}"][0] for part in ("weight", "bias", "running_mean", "running_var")]
    assert values == [1, 0, 0, 1]


def test_4_parameters_that_start_alike_are_not_shared(runtime: Runtime) -> None:
    after = expanded(runtime, init="fresh")
    read = [name for one in after.graph.node for name in one.input if name in initializers(after)]
    assert len(read) == len(set(read))


@pytest.mark.parametrize("init", ["preserve", "fresh"])
def test_4_the_same_seed_draws_the_same(runtime: Runtime, init: str) -> None:
    one, two, other = (expanded(runtime, init=init, seed=seed) for seed in (3, 3, 4))
    assert one == two
    assert one != other


def test_4_other_layers_do_not_change_what_is_drawn(runtime: Runtime) -> None:
    text = TEXT.replace("y = Relu(d)", "e = Relu(d)\n y = Conv(e, u)")
    alone = expanded(runtime)
    both, result = expand(model(text, {**WEIGHTS, "u": (4, 4, 3, 3)}), ExpandBranches(), runtime)
    assert len(result.applied) == 2
    assert initializers(alone)["conv_horizontal.weight"] == initializers(both)["conv_horizontal.weight"]


def test_4_dead_filters_and_scales_of_zero(runtime: Runtime) -> None:
    weights = {**WEIGHTS, "w": np.random.default_rng(0).standard_normal((4, 4, 3, 3)), "s": np.array([1, 0, -2, 1.0])}
    weights["w"][[0, 1]] = 0.0  # type: ignore[index]
    for block in ("acb", "repvgg", "mobileone"):
        expanded(runtime, model(weights=weights), block=block)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "double"])
def test_4_other_types(runtime: Runtime, dtype: str) -> None:
    before = model(dtype=dtype)
    after, _ = expand(before, ExpandBranches(block="repvgg"), runtime)
    assert {t.data_type for t in after.graph.initializer} == {before.graph.initializer[0].data_type}
    assert check_model(before, lambda _: load(after), [{"x": (2, 4, 6, 7)}]).changed


# 5. shared weights

TWICE = """g (float[N,4,8,8] x) => (float[N,4,8,8] y) {
    c = Conv<pads=[1,1,1,1]>(x, w)
    d = BatchNormalization(c, s, b, m, v)
    e = Conv<pads=[1,1,1,1]>(d, w)
    y = BatchNormalization(e, s, b, m, v)
}"""


@pytest.mark.parametrize("init", ["preserve", "fresh"])
def test_5_a_layer_that_is_used_twice_stays_one(runtime: Runtime, init: str) -> None:
    before = model(TWICE, {"w": (4, 4, 3, 3), **norm(4)})
    before.graph.node[2].name, before.graph.node[3].name = "conv2", "bn2"
    after, result = expand(before, ExpandBranches(init=init), runtime)  # type: ignore[arg-type]
    assert len(result.applied) == 2
    for name in ("", "_horizontal", "_vertical"):
        assert node(after, f"conv{name}").input[1] == node(after, f"conv2{name}").input[1]
    for name in ("conv{}_horizontal_norm", "bn{}"):
        assert node(after, name.format("")).input[1:] == node(after, name.format("2")).input[1:]
    if init == "preserve":
        assert_equivalent(before, after)


def test_5_with_normalisations_of_their_own(runtime: Runtime) -> None:
    text = TWICE.replace("BatchNormalization(e, s", "BatchNormalization(e, g")
    before = model(text, {"w": (4, 4, 3, 3), "g": (4,), **norm(4)})
    before.graph.node[2].name = "conv2"
    after, _ = expand(before, ExpandBranches(), runtime)
    assert node(after, "conv_horizontal").input[1] == node(after, "conv2_horizontal").input[1]
    assert node(after, "conv_horizontal_norm").input[1] != node(after, "conv2_horizontal_norm").input[1]
    assert_equivalent(before, after)


def test_nodes_without_names_are_called_after_their_output(runtime: Runtime) -> None:
    after, _ = expand(build(TEXT, WEIGHTS), ExpandBranches(), runtime)
    assert {"c_square", "c_norm", "c_horizontal", "c_horizontal_norm", "c_sum"} <= nodes(after).keys()
    assert {"c.weight", "c_norm.bias", "c_vertical.weight"} <= initializers(after).keys()


# options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizontal": False, "vertical": False}, "both off"),
        ({"asymmetric_size": 4}, "odd number"),
        ({"asymmetric_size": 1}, "odd number"),
        ({"block": "dbb"}, "block is dbb; give one of acb, repvgg, mobileone"),
        ({"init": "zeros"}, "init is zeros"),
        ({"normalise": "layer"}, "normalise is layer"),
        ({"block": "repvgg", "shifted": True}, "belong to block=acb"),
        ({"branches": 4}, "belongs to block=mobileone"),
        ({"branches": 0, "block": "mobileone"}, "at least 1"),
        ({"share": 1.5}, "share"),
        ({"seed": -1}, "seed"),
    ],
)
def test_options_that_make_no_block(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ExpandBranches(**options)


def test_it_is_approximate_with_fresh_branches_only() -> None:
    assert (ExpandBranches.kind, ExpandBranches().kind) == ("exact", "exact")
    assert ExpandBranches(init="fresh").kind == "approximate"


def test_layers_and_kernel_sizes_choose(runtime: Runtime) -> None:
    text = TEXT.replace("y = Relu(d)", "e = Relu(d)\n y = Conv<pads=[2,2,2,2]>(e, u)")
    before = model(text, {**WEIGHTS, "u": (4, 4, 5, 5)})
    before.graph.node[3].name = "head/conv"
    for options, roots in (
        ({}, ["d", "y"]),
        ({"layers": ("head/*",)}, ["y"]),
        ({"layers": ("c",)}, ["d"]),
        ({"kernel_sizes": (5,)}, ["y"]),
        ({"kernel_sizes": (3, 5)}, ["d", "y"]),
        ({"kernel_sizes": (7,)}, []),
        ({"layers": ("head/*",), "kernel_sizes": (3,)}, []),
    ):
        _, result = expand(before, ExpandBranches(**options), runtime)  # type: ignore[arg-type]
        assert [root for _, root in result.applied] == roots
        assert result.passes[0].refusals == []


def test_a_glob_that_names_nothing_is_a_mistake(runtime: Runtime) -> None:
    with pytest.raises(UsageError, match=r"no convolution is named like layer1\.\* \(there are conv"):
        expand(model(), ExpandBranches(layers=("conv", "layer1.*")), runtime)
