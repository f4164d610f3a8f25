"""What verify must accept, and every fault that it must catch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from graphmorph.errors import ModelFileError, UsageError
from graphmorph.proof import Proof, ProofOptions, ProofSession, verify
from graphmorph.runtime import Runtime
from tests.graphmorph.proof.small_models import (
    CONVNET,
    FOLDED,
    HEADER,
    build,
    convnet,
    convnet_weights,
    folded_convnet,
    folded_weights,
    store,
)


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with Runtime() as shared:
        yield shared


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return convnet(tmp_path)


def check(runtime: Runtime, tmp_path: Path, reference: Path, text: str, weights: dict[str, np.ndarray]) -> Proof:
    return verify(reference, store(tmp_path, "candidate", text, weights), runtime=runtime)


def test_a_folded_model_is_equal_and_not_bitwise(runtime: Runtime, tmp_path: Path, reference: Path) -> None:
    proof = verify(reference, folded_convnet(tmp_path), runtime=runtime)
    assert (proof.verdict, proof.exit_code) == ("equal", 0), proof.reason
    assert proof.worst is not None
    assert proof.worst.metrics is not None
    assert 0 < proof.worst.metrics.max_abs <= proof.worst.tolerance < 1e-3
    assert all(case.as_deployed for case in proof.cases)


def test_dynamic_models_are_tried_at_two_sizes(runtime: Runtime, tmp_path: Path, reference: Path) -> None:
    proof = verify(reference, folded_convnet(tmp_path), runtime=runtime)
    shapes = [case.shapes["x"] for case in proof.cases]
    assert len(shapes) == 2
    assert all(a != b for a, b in zip(*(shape[2:] for shape in shapes), strict=True))
    assert shapes[0][0] != shapes[1][0]
    assert shapes[0][2] != shapes[0][3]


def test_json_is_plain(runtime: Runtime, tmp_path: Path, reference: Path) -> None:
    proof = verify(reference, folded_convnet(tmp_path), runtime=runtime)
    plain = json.loads(json.dumps(proof.to_json(), allow_nan=False))
    assert plain["verdict"] == "equal"
    assert plain["exit_code"] == 0
    assert plain["cases"][0]["as_written"][0]["metrics"]["cosine"] == pytest.approx(1)


@pytest.mark.parametrize("weight", ["w1", "b1", "w2", "b2"])
@pytest.mark.parametrize("change", [1e-3, 0.1])
def test_one_changed_weight(runtime: Runtime, tmp_path: Path, reference: Path, weight: str, change: float) -> None:
    weights = folded_weights()
    weights[weight].flat[-1] += change
    proof = check(runtime, tmp_path, reference, FOLDED, weights)
    assert (proof.verdict, proof.exit_code) == ("different", 1)
    assert proof.first_difference == ("n1" if weight in ("w1", "b1") else "y")


@pytest.mark.parametrize(
    ("candidate", "same_weights", "verdict"),
    [
        ("y = Identity(x)", True, "equal"),
        ("y = Identity(x)", False, "different"),
        ("y = Mul(x, nearly)", True, "different"),
    ],
)
def test_what_shrinks_with_the_precision_is_rounding(
    runtime: Runtime, tmp_path: Path, candidate: str, same_weights: bool, verdict: str
) -> None:
    """x + 20000 - 20000 loses eleven bits in float32, which no noise of its own shows."""
    weights = {"far": np.array(2e4, np.float32), "nearly": np.array(1.0003, np.float32)}
    first = "g (float[8,16] x) => (float[8,16] y) { a = Add(x, far)  y = Sub(a, far) }"
    reference = store(tmp_path, "reference", first, {"far": weights["far"]})
    used = {name: value for name, value in weights.items() if name in candidate}
    other = store(tmp_path, "other", f"g (float[8,16] x) => (float[8,16] y) {{ {candidate} }}", used)
    options = ProofOptions(same_weights=same_weights)
    with ProofSession(reference, options, runtime=runtime) as session:
        assert session.judge(other).verdict == verdict


def test_a_shifted_kernel(runtime: Runtime, tmp_path: Path, reference: Path) -> None:
    weights = folded_weights()
    weights["w1"] = np.roll(weights["w1"], 1, axis=3)
    assert check(runtime, tmp_path, reference, FOLDED, weights).verdict == "different"


def test_wrong_only_at_the_border(runtime: Runtime, tmp_path: Path, reference: Path) -> None:
    text = FOLDED.replace("Conv<pads=[1,1,1,1]>(x, w1, b1)", "Conv(p, w1, b1)").replace(
        "n1 =", 'pad = Constant<value = int64[8] {0,0,1,1,0,0,1,1}>()\n p = Pad<mode = "edge">(x, pad)\n n1 ='
    )
    assert check(runtime, tmp_path, reference, text, folded_weights()).verdict == "different"


def test_nan_in_one_model(runtime: Runtime, tmp_path: Path, reference: Path) -> None:
    weights = folded_weights()
    weights["b2"][0] = np.nan
    proof = check(runtime, tmp_path, reference, FOLDED, weights)
    assert proof.verdict == "different"
    assert "NaN or Inf" in proof.reason


def test_an_output_that_is_flat_is_pointed_out(runtime: Runtime, tmp_path: Path) -> None:
    path = store(tmp_path, "flat", "g (float[N,4] x) => (float[N,4] y) { s = Sub(x, x) y = Relu(s) }")
    proof = verify(path, path, runtime=runtime)
    assert proof.verdict == "equal"
    assert any("one value everywhere" in note for note in proof.notes)


def test_nan_in_one_output_only_is_inconclusive(runtime: Runtime, tmp_path: Path) -> None:
    text = "g (float[N,4] x) => (float[N,4] y, float[N,4] z) { y = Neg(x) s = Sub(x, x) z = Div(s, s) }"
    path = store(tmp_path, "part", text)
    proof = verify(path, path, runtime=runtime)
    assert proof.verdict == "inconclusive"
    assert "output z" in proof.reason


def test_a_provider_that_is_not_there(runtime: Runtime, tmp_path: Path, reference: Path) -> None:
    proof = verify(reference, reference, providers=["NoSuchExecutionProvider"], runtime=runtime)
    assert proof.verdict == "inconclusive"
    assert "NoSuchExecutionProvider is not available" in proof.reason


def test_same_nan_in_both_models(runtime: Runtime, tmp_path: Path) -> None:
    weights, candidate = convnet_weights(), folded_weights()
    weights["b2"][0] = candidate["b2"][0] = np.nan
    weights["b2"][1] = candidate["b2"][1] = -np.inf
    path = store(tmp_path, "reference", CONVNET, weights)
    proof = check(runtime, tmp_path, path, FOLDED, candidate)
    assert proof.verdict == "equal", proof.reason
    assert proof.cases[0].as_written[0].metrics is not None
    assert proof.cases[0].as_written[0].metrics.nonfinite > 0


def test_inf_of_the_other_sign(runtime: Runtime, tmp_path: Path) -> None:
    weights, candidate = convnet_weights(), folded_weights()
    weights["b2"][1] = np.inf
    candidate["b2"][1] = -np.inf
    path = store(tmp_path, "reference", CONVNET, weights)
    assert check(runtime, tmp_path, path, FOLDED, candidate).verdict == "different"


def test_a_reference_that_is_all_nan_is_inconclusive(runtime: Runtime, tmp_path: Path) -> None:
    weights = convnet_weights()
    weights["b1"][:] = np.nan
    path = store(tmp_path, "reference", CONVNET, weights)
    proof = verify(path, path, runtime=runtime)
    assert (proof.verdict, proof.exit_code) == ("inconclusive", 2)
    assert "--inputs" in proof.reason


def test_other_values_are_drawn_where_normal_ones_give_nan(runtime: Runtime, tmp_path: Path) -> None:
    path = store(tmp_path, "log", "g (float[2,3] x) => (float[1] y) { l = Log(x) y = ReduceSum<keepdims=0>(l) }")
    proof = verify(path, path, runtime=runtime)
    assert proof.verdict == "equal", proof.reason
    assert proof.cases[0].style == "unit"


def test_swapped_outputs(runtime: Runtime, tmp_path: Path) -> None:
    text = "g (float[2,3] x) => (float[2,3] {0}, float[2,3] {1}) {{ a = Sin(x) b = Cos(x) }}"
    first = store(tmp_path, "first", text.format("a", "b"))
    second = store(tmp_path, "second", text.format("b", "a"))
    proof = verify(first, second, runtime=runtime)
    assert proof.verdict == "different"
    assert "another order" in proof.reason
    renamed = store(
        tmp_path,
        "renamed",
        text.format("a", "b").replace("Sin", "_").replace("Cos", "Sin").replace("_", "Cos"),
    )
    assert verify(first, renamed, runtime=runtime).verdict == "different"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("g (float[N,4] x) => (float[N,4] y) { y = Relu(x) }", "lacks output z"),
        ("g (float[N,4] x) => (double[N,4] y, float[N,4] z) "
         "{ z = Neg(x) r = Relu(x) y = Cast<to=11>(r) }", "became"),
        ("g (float[N,4] x) => (float[N,2,2] y, float[N,4] z) { z = Neg(x) r = Relu(x) "
         "s = Constant<value=int64[3] {-1,2,2}>() y = Reshape(r, s) }", "declared shape"),
        ("g (float[N,4] x, float[N,4] k) => (float[N,4] y, float[N,4] z) "
         "{ z = Neg(x) y = Add(x, k) }", "input k"),
        ("g (float[N,4] v) => (float[N,4] y, float[N,4] z) { z = Neg(v) y = Relu(v) }", "lacks input x"),
        ("g (float[N,5] x) => (float[N,5] y, float[N,5] z) { z = Neg(x) y = Relu(x) }", "declared shape"),
    ],
)  # fmt: skip
def test_another_signature(runtime: Runtime, tmp_path: Path, text: str, reason: str) -> None:
    original = "g (float[N,4] x) => (float[N,4] y, float[N,4] z) { z = Neg(x) y = Relu(x) }"
    proof = verify(store(tmp_path, "a", original), store(tmp_path, "b", text), runtime=runtime)
    assert proof.verdict == "different"
    assert reason in proof.reason


def test_a_shape_that_only_the_run_shows(runtime: Runtime, tmp_path: Path) -> None:
    first = store(tmp_path, "a", "g (float[N,4] x) => (float[M,4] y) { y = Concat<axis=0>(x, x) }")
    second = store(tmp_path, "b", "g (float[N,4] x) => (float[M,4] y) { y = Relu(x) }")
    proof = verify(first, second, runtime=runtime)
    assert proof.verdict == "different"
    assert "shape (2, 4) became (1, 4)" in proof.reason


def test_equal_at_one_size_only(runtime: Runtime, tmp_path: Path) -> None:
    """A mean over the width, baked in as a constant: right at the first size tried, wrong elsewhere."""
    first = store(tmp_path, "a", "g (float[N,3,H,W] x) => (float[N,3,H,1] y) { y = ReduceMean<axes=[3]>(x) }")
    second = store(
        tmp_path, "b",
        "g (float[N,3,H,W] x) => (float[N,3,H,1] y) { s = ReduceSum(x, ax) y = Div(s, width) }",
        {"ax": np.array([3]), "width": np.array(96, np.float32)},
    )  # fmt: skip
    proof = verify(first, second, runtime=runtime)
    assert proof.verdict == "different"
    passed = [all(output.passed for output in case.outputs) for case in proof.cases]
    assert sorted(passed) == [False, True]
    assert verify(first, second, shapes={"x": (2, 3, 8, 96)}, runtime=runtime).verdict == "equal"


def test_a_batch_that_was_baked_in(runtime: Runtime, tmp_path: Path) -> None:
    first = store(
        tmp_path,
        "a",
        "g (float[N,4] x) => (float[N,2,2] y) { y = Reshape(x, s) }",
        {"s": np.array([-1, 2, 2])},
    )
    second = store(
        tmp_path,
        "b",
        "g (float[N,4] x) => (float[N,2,2] y) { y = Reshape(x, s) }",
        {"s": np.array([1, 2, 2])},
    )
    proof = verify(first, second, runtime=runtime)
    assert proof.verdict == "different"
    assert "the candidate does not" in proof.reason


def test_small_scores_beside_large_coordinates(runtime: Runtime, tmp_path: Path) -> None:
    """Half a percent in scores below 1 must not hide behind coordinates of 640 in the same output."""
    text = "g (float[1,400,8] x) => (float[1,400,8] y) { s = Sigmoid(x) y = Mul(s, k) }"
    scale = np.array([640, 640, 640, 640, 1, 1, 1, 1], np.float32)
    wrong = scale.copy()
    wrong[6] *= 1.005
    first, second = store(tmp_path, "a", text, {"k": scale}), store(tmp_path, "b", text, {"k": wrong})
    assert verify(first, first, runtime=runtime).verdict == "equal"
    assert verify(first, second, runtime=runtime).verdict == "different"


def test_discrete_outputs_must_be_the_same(runtime: Runtime, tmp_path: Path) -> None:
    text = "g (float[N,9] x) => (int64[N] y) { y = ArgMax<axis=1, keepdims=0>(%s) }"
    first = store(tmp_path, "a", text % "x")
    second = store(tmp_path, "b", (text % "m").replace("{ y", "{ m = Neg(x) y"))
    assert verify(first, first, runtime=runtime).verdict == "equal"
    proof = verify(first, second, runtime=runtime)
    assert proof.verdict == "different"
    assert "elements differ" in proof.reason


def test_given_tolerances_replace_the_noise(runtime: Runtime, tmp_path: Path, reference: Path) -> None:
    weights = folded_weights()
    weights["b2"][0] += 1e-3
    candidate = store(tmp_path, "candidate", FOLDED, weights)
    assert verify(reference, candidate, runtime=runtime).verdict == "different"
    assert verify(reference, candidate, atol=2e-3, runtime=runtime).verdict == "equal"
    assert verify(reference, candidate, atol=2e-4, runtime=runtime).verdict == "different"
    assert verify(reference, folded_convnet(tmp_path), atol=0, runtime=runtime).verdict == "different"


def test_required_tolerance_would_pass(runtime: Runtime, tmp_path: Path, reference: Path) -> None:
    weights = folded_weights()
    weights["w2"][0, 0, 0, 0] += 0.01
    candidate = store(tmp_path, "candidate", FOLDED, weights)
    proof = verify(reference, candidate, runtime=runtime)
    needed = max(output.required_atol for case in proof.cases for output in case.outputs)
    assert verify(reference, candidate, atol=needed, runtime=runtime).verdict == "equal"
    assert verify(reference, candidate, atol=needed * 0.99, runtime=runtime).verdict == "different"


def test_every_input_is_fed_in_its_own_type(runtime: Runtime, tmp_path: Path) -> None:
    text = """g (float16[N,4] a, bool[N,4] b, int64[N,4] c, uint8[N,4] d, double[N,4] e, string[N] s)
        => (float[N,4] y, string[N] t) {
        t = Identity(s)
        fa = Cast<to=1>(a) fb = Cast<to=1>(b) fc = Cast<to=1>(c) fd = Cast<to=1>(d) fe = Cast<to=1>(e)
        y = Sum(fa, fb, fc, fd, fe) }"""
    path = store(tmp_path, "types", text)
    proof = verify(path, path, runtime=runtime)
    assert proof.verdict == "equal", proof.reason
    other = store(tmp_path, "other", text.replace("fb, fc", "fc, fc"))
    assert verify(path, other, runtime=runtime).verdict == "different"


def test_overridable_initializers_are_left_to_their_default(runtime: Runtime, tmp_path: Path) -> None:
    text = "g (float[N,4] x, float[4] k = {1, 2, 3, 4}) => (float[N,4] y) { y = Mul(x, k) }"
    frozen = "g (float[N,4] x) => (float[N,4] y) <float[4] k = {1, 2, 3, 4}> { y = Mul(x, k) }"
    first, second = store(tmp_path, "a", text), store(tmp_path, "b", frozen)
    proof = verify(first, second, runtime=runtime)
    assert proof.verdict == "equal", proof.reason
    assert any("no input k any more" in note for note in proof.notes)


def test_a_size_that_must_be_guessed_otherwise(runtime: Runtime, tmp_path: Path) -> None:
    """A flatten before a fixed Gemm: only 28 x 28 runs."""
    rng = np.random.default_rng(0)
    text = "g (float[N,1,H,W] x) => (float[N,3] y) { f = Flatten(x) y = Gemm(f, w) }"
    path = store(tmp_path, "lenet", text, {"w": rng.standard_normal((784, 3)).astype(np.float32)})
    proof = verify(path, path, runtime=runtime)
    assert proof.verdict == "equal", proof.reason
    assert {case.shapes["x"][2:] for case in proof.cases} == {(28, 28)}


def test_values_that_give_empty_outputs_are_drawn_otherwise(runtime: Runtime, tmp_path: Path) -> None:
    """The second input is the output's shape: with a 0 in it there is nothing to compare."""
    path = store(tmp_path, "fill", "g (int64[6] s) => (float[a,b,c,d,e,f] y) { y = ConstantOfShape(s) }")
    proof = verify(path, path, seed=1, runtime=runtime)
    assert proof.verdict == "equal", proof.reason
    assert proof.cases[0].as_written[0].shape.count(0) == 0


def test_no_size_runs(runtime: Runtime, tmp_path: Path) -> None:
    path = store(
        tmp_path, "odd", "g (float[N,C,L] x) => (float[N,3] y) { f = Flatten(x) y = Gemm(f, w) }",
        {"w": np.ones((1717, 3), np.float32)},
    )  # fmt: skip
    proof = verify(path, path, runtime=runtime)
    assert proof.verdict == "inconclusive"
    assert "--shape x=N,C,L" in proof.reason
    assert verify(path, path, shapes={"x": (2, 17, 101)}, runtime=runtime).verdict == "equal"


def test_operators_that_onnxruntime_lacks(runtime: Runtime, tmp_path: Path) -> None:
    header = '<ir_version: 8, opset_import: ["": 17, "my.domain": 1]>'
    path = tmp_path / "custom.onnx"
    onnx.save(build("g (float[4] x) => (float[4] y) { y = my.domain.Magic(x) }", header=header), path)
    proof = verify(path, path, runtime=runtime)
    assert (proof.verdict, proof.unsupported) == ("inconclusive", True)
    assert "Magic" in proof.reason


def test_a_candidate_that_does_not_load(runtime: Runtime, tmp_path: Path, reference: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"garbage")
    proof = verify(reference, broken, runtime=runtime)
    assert proof.verdict == "different"
    assert "\n" not in proof.reason


def test_usage_errors(runtime: Runtime, tmp_path: Path, reference: Path) -> None:
    with pytest.raises(UsageError, match="no such input; it has x"):
        verify(reference, reference, shapes={"z": (1,)}, runtime=runtime)
    with pytest.raises(UsageError, match="does not fit"):
        verify(reference, reference, shapes={"x": (1, 4, 8, 8)}, runtime=runtime)
    with pytest.raises(UsageError, match="--samples 0"):
        verify(reference, reference, samples=0)
    with pytest.raises(UsageError, match="--rtol"):
        verify(reference, reference, rtol=float("nan"))
    with pytest.raises(ModelFileError, match="no such file"):
        verify(reference, tmp_path / "missing.onnx", runtime=runtime)


def test_float64_reference(runtime: Runtime, tmp_path: Path, reference: Path) -> None:
    proof = verify(reference, folded_convnet(tmp_path), float64=True, shapes={"x": (1, 3, 8, 9)}, runtime=runtime)
    assert proof.verdict == "equal"
    assert proof.float64_error is not None
    errors = proof.float64_error["y"]
    assert 0 < errors["reference"] < 1e-5
    assert 0 < errors["candidate"] < 1e-5


def test_samples_and_seed_are_replayed(runtime: Runtime, tmp_path: Path, reference: Path) -> None:
    candidate = folded_convnet(tmp_path)
    first = verify(reference, candidate, samples=2, seed=5, runtime=runtime)
    assert [case.sample for case in first.cases] == [0, 0, 1, 1]
    again = verify(reference, candidate, samples=2, seed=5, runtime=runtime)
    assert first.cases == again.cases
    other = verify(reference, candidate, samples=2, seed=6, runtime=runtime)
    assert first.cases != other.cases


def test_one_reference_and_several_candidates(runtime: Runtime, tmp_path: Path, reference: Path) -> None:
    weights = folded_weights()
    weights["b2"][0] += 1
    wrong = store(tmp_path, "wrong", FOLDED, weights)
    with ProofSession(reference, ProofOptions(), runtime=runtime) as session:
        session.start()
        assert session.judge(folded_convnet(tmp_path)).verdict == "equal"
        assert session.judge(wrong, localise=False).verdict == "different"
        assert session.judge(folded_convnet(tmp_path)).verdict == "equal"


def test_graphs_and_protos_are_accepted(runtime: Runtime) -> None:
    from graphmorph.onnx_door import load

    model = build(CONVNET, convnet_weights(), HEADER)
    assert verify(model, load(build(FOLDED, folded_weights())), runtime=runtime).verdict == "equal"


def test_progress_is_told(runtime: Runtime, tmp_path: Path, reference: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    verify(reference, folded_convnet(tmp_path), runtime=runtime, progress=lambda *step: seen.append(step))
    assert {phase for phase, _, _ in seen} == {"reference", "candidate"}
    assert all(0 < done <= total for _, done, total in seen)


@pytest.mark.parametrize("change", [0.0, 0.1])
def test_float16_weights(runtime: Runtime, tmp_path: Path, change: float) -> None:
    """Folded weights that are rounded to float16 once more pass; a weight that is really wrong does not."""
    half = {name: array.astype(np.float16) for name, array in convnet_weights().items()}
    folded = {name: array.astype(np.float16) for name, array in folded_weights().items()}
    folded["w2"][0, 0, 1, 1] += np.float16(change)
    for outer in ("float16", "float"):
        first, second = (_in_half(text, outer) for text in (CONVNET, FOLDED))
        path = store(tmp_path, f"reference_{outer}", first, half)
        proof = check(runtime, tmp_path, path, second, folded)
        assert proof.verdict == ("different" if change else "equal"), (outer, proof.reason)


def _in_half(text: str, outer: str) -> str:
    """The network in float16 inside, with inputs and outputs of another type."""
    if outer == "float16":
        return text.replace("float[", "float16[")
    text = text.replace("(x, w1, b1)", "(xh, w1, b1)").replace("{\n", "{\n    xh = Cast<to=10>(x)\n", 1)
    text = text.replace("    y =", "    yh =").replace("(y)", "(yh)").replace("    pooled =", "    ph =")
    return text.replace("\n}", "\n    y = Cast<to=1>(yh)\n    pooled = Cast<to=1>(ph)\n}")


def test_the_second_opinion_is_recorded(runtime: Runtime, tmp_path: Path) -> None:
    """A steep function: the last bit of its input moves it by more than the floor."""
    first = store(tmp_path, "a", "g (float[N,64] x) => (float[N,64] y) { b = Mul(x, k) y = Sin(b) }", _steep(1e4))
    text = "g (float[N,64] x) => (float[N,64] y) { a = Mul(x, k) b = Mul(a, k) y = Sin(b) }"
    second = store(tmp_path, "b", text, _steep(1e2))
    assert verify(first, second, jitter=False, runtime=runtime).verdict == "different"
    proof = verify(first, second, runtime=runtime)
    assert proof.verdict == "equal", proof.reason
    assert proof.worst is not None
    assert proof.worst.second_opinion
    wrong = store(tmp_path, "c", text, _steep(1.01e2))
    assert verify(first, wrong, runtime=runtime).verdict == "different"


def _steep(factor: float) -> dict[str, np.ndarray]:
    return {"k": np.array(factor, np.float32)}
