"""How tools of this field have been silently wrong about what a node means: training mode, types, versions.
The public threads are named; graphmorph does it right, or leaves the place alone and says why.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from graphmorph.affine.operators import supported
from graphmorph.graph import constant_array
from graphmorph.runtime import Runtime
from tests.passes.text_models import (
    CONV,
    NORMALISED,
    ONE,
    TWO,
    X,
    assert_refused,
    assert_same_function,
    assert_untouched,
    build,
    initializers,
    run,
)

# b7: DingXiaoH/RepVGG#9, #19, #35, onnxruntime#26584, pytorch/pytorch#75252, onnxscript#1791


@pytest.mark.parametrize(
    ("opset", "outputs", "attributes", "reason"),
    [
        (6, "", "", "BatchNormalization is in training mode (is_test is 0)"),
        (9, ", o1, o2, o3, o4", "", "BatchNormalization is in training mode (it puts out batch statistics)"),
        (14, "", "<training_mode=1>", "BatchNormalization is in training mode (training_mode is 1)"),
        (15, ", o1, o2", "<training_mode=1>", "BatchNormalization is in training mode (training_mode is 1)"),
    ],
)
def test_b7_training_mode_stays(runtime: Runtime, opset: int, outputs: str, attributes: str, reason: str) -> None:
    text = NORMALISED.replace("y = BatchNormalization", f"y{outputs} = BatchNormalization{attributes}")
    assert_refused(run(build(f"{ONE} {{ {text} }}", CONV, opset=opset), runtime), y=reason)


def test_b7_running_statistics_that_are_missing(runtime: Runtime) -> None:
    weights = {name: weight for name, weight in CONV.items() if name != "m"}
    text = f"g (float[N,4,8,8] x, float[6] m) => (float[N,6,8,8] y) {{ {NORMALISED} }}"
    assert_refused(run(build(text, weights), runtime), y="the parameters of BatchNormalization are not constant (m)")


# b17: DingXiaoH/RepVGG#91, #85, meituan/YOLOv6#816


def test_b17_quantised_data_between(runtime: Runtime) -> None:
    text = f"""{ONE} {{
        c = Conv<pads=[1,1,1,1]>(x, w)
        q = QuantizeLinear(c, step, zero)
        d = DequantizeLinear(q, step, zero)
        y = BatchNormalization(d, s, b, m, v)
    }}"""
    ran = run(build(text, {**CONV, "step": np.array(0.05), "zero": np.array(3, np.uint8)}), runtime)
    reason = "its input d is made by DequantizeLinear: quantised data is left alone (fuse first, then quantise)"
    assert_refused(ran, y=reason)


def test_b17_quantised_weights(runtime: Runtime) -> None:
    text = f"""{ONE} {{
        d = DequantizeLinear(w, step, zero)
        c = Conv<pads=[1,1,1,1]>(x, d)
        y = BatchNormalization(c, s, b, m, v)
    }}"""
    quantised = {"w": np.ones((6, 4, 3, 3), np.int8), "step": np.array(0.05), "zero": np.array(3, np.int8)}
    ran = run(build(text, {**CONV, **quantised}), runtime)
    assert_refused(ran, y="the weights of Conv are not constant (d) (at c)")


# b18: onnxruntime PR#11960, ENOT-AutoDL/onnx2torch#192, OnnxSlim PR#148


@pytest.mark.parametrize("opset", [7, 9, 14, 15, 22])
def test_b18_every_version_that_is_known(runtime: Runtime, opset: int) -> None:
    ran = run(build(f"{ONE} {{ {NORMALISED} }}", CONV, opset=opset), runtime)
    assert ran.ops == {"Conv": 1}
    assert ran.after.opset_import == ran.before.opset_import
    assert_same_function(ran, X)


def test_b18_the_table_covers_what_the_installed_onnx_defines() -> None:
    """A new version of an operator must be read and entered before it is rewritten."""
    for op, versions in supported().items():
        defined = {
            schema.since_version
            for schema in onnx.defs.get_all_schemas_with_history()
            if schema.name == op and schema.domain == ""
        }
        assert defined <= set(versions), op


def test_b18_an_unknown_opset_is_a_refusal(runtime: Runtime) -> None:
    model = build(f"{ONE} {{ {NORMALISED} }}", CONV, opset=999)
    ran = run(model, runtime)
    assert_refused(ran, y="BatchNormalization of opset 999 is not known to this version of onnx")


# b20: tf2onnx PR#1106, onnxconverter-common#323


def test_b20_half_precision_is_folded_in_double_and_rounded_once(runtime: Runtime) -> None:
    ran = run(build(f"{ONE} {{ {NORMALISED} }}", CONV, dtype="float16"), runtime)
    before = {name: onnx.numpy_helper.to_array(t).astype(np.float64) for name, t in initializers(ran.before).items()}
    scale = before["s"] / np.sqrt(before["v"] + float(np.float32(1e-5)))
    weight, bias = (constant_array(t) for t in ran.node("y").inputs[1:])
    np.testing.assert_array_equal(weight, (before["w"] * scale[:, None, None, None]).astype(np.float16))
    np.testing.assert_array_equal(bias, (before["b"] - before["m"] * scale).astype(np.float16))


@pytest.mark.parametrize("op", ["Conv<pads=[1,1,1,1]>", "ConvTranspose<pads=[1,1,1,1]>"])
def test_b20_weights_that_leave_the_range_of_half_precision(runtime: Runtime, op: str) -> None:
    text = f"{ONE} {{ c = {op}(x, w) y = BatchNormalization(c, s, b, m, v) }}"
    weights = {**CONV, "w": (6, 4, 3, 3) if op[4] == "<" else (4, 6, 3, 3)}
    weights |= {"s": np.full(6, 6e4), "v": np.full(6, 1e-3)}
    ran = run(build(text, weights, dtype="float16"), runtime)
    assert_untouched(ran)
    assert list(ran.refusals) == ["y"]
    assert ran.refusals["y"].startswith("its weights leave the range of float16 (largest magnitude ")


def test_b20_the_other_sites_of_the_model_are_still_folded(runtime: Runtime) -> None:
    text = f"""{TWO} {{ {NORMALISED}
        d = Conv<pads=[1,1,1,1]>(x, w)
        z = BatchNormalization(d, large, b, m, small)
    }}"""
    weights = {**CONV, "large": np.full(6, 6e4), "small": np.full(6, 1e-3)}
    ran = run(build(text, weights, dtype="float16"), runtime)
    assert ran.ops == {"Conv": 2, "BatchNormalization": 1}
    assert ran.edits == (2, 1, 2)
    assert list(ran.refusals) == ["z"]
    assert_same_function(ran, X)
