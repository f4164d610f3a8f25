"""How far outputs are from each other, against numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from graphmorph.errors import UsageError
from graphmorph.proof import ProofOptions
from graphmorph.pruning.change import Latency, Original, changes
from graphmorph.runtime import Runtime
from tests.passes.text_models import build


def test_errors_are_taken_over_all_cases() -> None:
    before = [{"y": np.array([[3.0, 0.0]])}, {"y": np.array([[0.0, 4.0]])}]
    after = [{"y": np.array([[3.0, 0.0]])}, {"y": np.array([[3.0, 0.0]])}]
    (one,) = changes(before, after)
    assert one.relative_error == pytest.approx(1.0)  # sqrt(3² + 4²) / 5
    assert one.max_abs == 4.0
    assert one.cosine == pytest.approx(9 / (5 * 18**0.5))
    assert one.argmax_agreement == 0.5


def test_what_is_not_finite_is_infinitely_far() -> None:
    before, after = [{"y": np.array([1.0, 2.0])}], [{"y": np.array([1.0, np.nan])}]
    assert changes(before, after)[0].relative_error == float("inf")
    assert changes(before, before)[0].relative_error == 0.0


def test_other_shapes_are_infinitely_far() -> None:
    assert changes([{"y": np.zeros(2)}], [{"y": np.zeros(3)}])[0].relative_error == float("inf")


def test_zero_outputs_that_stay_zero_did_not_change() -> None:
    (one,) = changes([{"y": np.zeros((1, 2))}], [{"y": np.zeros((1, 2))}])
    assert (one.relative_error, one.cosine) == (0.0, 1.0)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """x and 2 x."""
    text = "g (float[N,2] x) => (float[N,2] y) { y = Mul(x, k) }"
    for name, factor in (("one", 1.0), ("two", 2.0)):
        onnx.save(build(text, {"k": np.array([factor])}), tmp_path / f"{name}.onnx")
    return tmp_path / "one.onnx", tmp_path / "two.onnx"


def test_models_are_run_on_the_users_inputs(files: tuple[Path, Path], runtime: Runtime) -> None:
    inputs = {"x": np.array([[1.0, 2.0], [3.0, 1.0], [0.0, 1.0]], np.float32)}
    options = ProofOptions(inputs=inputs, labels=np.array([1, 0, 0]))
    change = Original(files[0], options, runtime).change(files[1])
    assert change.relative_error == pytest.approx(1.0)
    assert change.outputs[0].argmax_agreement == 1.0
    assert change.accuracy is not None
    assert (change.accuracy.before, change.accuracy.samples) == (pytest.approx(2 / 3), 3)
    assert change.source == "given"


def test_labels_have_to_fit(files: tuple[Path, Path], runtime: Runtime) -> None:
    options = ProofOptions(inputs={"x": np.zeros((3, 2), np.float32)}, labels=np.array([1, 0]))
    with pytest.raises(UsageError, match="2 labels were given for 3 rows"):
        Original(files[0], options, runtime).change(files[1])


def test_latency_of_both(files: tuple[Path, Path], runtime: Runtime) -> None:
    latency = Original(files[0], ProofOptions(), runtime).latency(files[1])
    assert latency.before_ms > 0
    assert latency.after_ms > 0


def test_slower_means_by_more_than_the_measurement_errs() -> None:
    assert Latency(1.0, 1.2, 2).slower
    assert not Latency(1.0, 1.05, 2).slower
    assert not Latency(1.0, 0.5, 2).slower
