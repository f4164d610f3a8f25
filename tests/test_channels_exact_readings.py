"""The benchmark's second reading of a model: what hangs over the edge counts as padding does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from benchmarks.channels_exact_readings import counting_overhang
from tests.passes.text_models import build

TEXT = """g (float[1,1,6] x) => (float[1,1,n] y) {
    y = AveragePool<kernel_shape=[3], strides=[2], ceil_mode=CEIL, count_include_pad=COUNTED>(x)
}"""


@pytest.mark.parametrize(("ceil", "counted", "differs"), [(1, 1, True), (0, 1, False), (1, 0, False)])
def test_what_hangs_over(ceil: int, counted: int, differs: bool, tmp_path: Path) -> None:
    path, target = tmp_path / "model.onnx", tmp_path / "other.onnx"
    onnx.save(build(TEXT.replace("CEIL", str(ceil)).replace("COUNTED", str(counted)), {}), path)
    assert counting_overhang(path, target) == differs
    assert target.exists() == differs
    if differs:
        session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
        (found,) = session.run(None, {"x": np.ones((1, 1, 6), np.float32)})
        np.testing.assert_allclose(np.asarray(found).reshape(-1), [1, 1, 2 / 3], rtol=1e-6)
