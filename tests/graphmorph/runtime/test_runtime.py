"""Sessions in the child process, its answers, its errors, and its death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest

from graphmorph.errors import ModelFileError, ModelRunError, RuntimeCrashError
from graphmorph.proof import ProofSession
from graphmorph.runtime import Runtime, TensorFacts
from tests.graphmorph.proof.small_models import build, convnet, folded_convnet

DOUBLED = "g (float[N,4] x) => (float[N,4] y) { s = Neg(x) y = Sub(x, s) }"


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with Runtime() as one:
        yield one


def test_a_session_runs(runtime: Runtime) -> None:
    session = runtime.open_session(build(DOUBLED).SerializeToString(), optimized=False)
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    assert np.array_equal(runtime.run(session, {"x": x})["y"], 2 * x)
    runtime.close(session)
    with pytest.raises(ModelRunError, match="is not open"):
        runtime.run(session, {"x": x})


def test_start_and_submit_return_at_once(runtime: Runtime) -> None:
    begun = time.perf_counter()
    first = runtime.start()
    second = runtime.submit("ping")
    assert time.perf_counter() - begun < 0.05
    assert not second.done()
    assert first.result().header["pid"] == second.result().header["pid"] == runtime.child_pid


def test_no_child_without_a_request() -> None:
    with Runtime() as one:
        assert one.child_pid is None


def test_more_outputs_are_exposed(runtime: Runtime, tmp_path: Path) -> None:
    session = runtime.open_session(convnet(tmp_path), optimized=False, outputs=["r1", "y"])
    outputs = runtime.run(session, {"x": np.ones((1, 3, 5, 6), np.float32)})
    assert {name: array.shape for name, array in outputs.items()} == {"r1": (1, 8, 5, 6), "y": (1, 4, 5, 6)}


def test_more_outputs_of_a_model_with_external_data(runtime: Runtime, tmp_path: Path) -> None:
    path = tmp_path / "external.onnx"
    onnx.save(onnx.load(convnet(tmp_path)), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    assert (tmp_path / "w.bin").stat().st_size > 0
    session = runtime.open_session(path, optimized=False, outputs=["c1"])
    assert runtime.run(session, {"x": np.ones((1, 3, 5, 6), np.float32)})["c1"].shape == (1, 8, 5, 6)


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, np.float16, np.bool_, np.int8])
def test_arrays_of_every_type_travel(runtime: Runtime, dtype: Any) -> None:
    name = {"bool": "bool", "float8_e4m3fn": "float8e4m3fn"}.get(np.dtype(dtype).name, np.dtype(dtype).name)
    header = '<ir_version: 10, opset_import: ["": 21]>'
    model = build(
        f"g ({name}[N] x, float[M] z) => ({name}[N] y, float[M] t) {{ y = Identity(x) t = Neg(z) }}",
        header=header,
    )
    session = runtime.open_session(model.SerializeToString(), optimized=False)
    x = np.array([0, 1, 2, 3]).astype(dtype)
    outputs = runtime.run(session, {"x": x, "z": np.ones(2, np.float32)})
    assert outputs["y"].dtype == np.dtype(dtype)
    assert np.array_equal(outputs["y"], x)
    assert outputs["t"].tolist() == [-1, -1]


def test_strings_scalars_empty_and_sequences(runtime: Runtime) -> None:
    text = """g (string[N] s, float c, float[0,3] e)
        => (string[N] t, float d, float[0,3] f, seq(float[N]) q) {
        t = Identity(s) d = Neg(c) f = Neg(e) q = SequenceConstruct(c, d) }"""
    session = runtime.open_session(build(text).SerializeToString(), optimized=False)
    feeds = {
        "s": np.array(["ä", ""], object),
        "c": np.array(2, np.float32),
        "e": np.zeros((0, 3), np.float32),
    }
    outputs = runtime.run(session, feeds)
    assert outputs["t"].tolist() == ["ä", ""]
    assert (outputs["d"].shape, float(outputs["d"])) == ((), -2.0)
    assert outputs["f"].shape == (0, 3)
    assert float(outputs["q[1]"]) == -2.0


def test_shapes_are_inferred(runtime: Runtime) -> None:
    text = """g (float[N,3,8] x) => (float y) { s = Shape(x) r = Reshape(x, s) c = Conv(x, w)
        y = ReduceMean<keepdims=0>(c) u = my.Op(x) }"""
    header = '<ir_version: 8, opset_import: ["": 17, "my": 1]>'
    model = build(text, {"w": np.ones((5, 3, 3), np.float32)}, header)
    facts = runtime.infer_shapes(model.SerializeToString())
    assert facts["x"] == TensorFacts(1, ("N", 3, 8))
    assert facts["c"] == TensorFacts(1, ("N", 5, 6))
    assert facts["w"] == TensorFacts(1, (5, 3, 3))
    assert facts["s"] == TensorFacts(7, (3,))
    assert facts["y"] == TensorFacts(1, ())
    assert "u" not in facts or facts["u"].shape is None


def test_a_model_without_inputs_is_evaluated(runtime: Runtime) -> None:
    model = build("g () => (float[2] y) { a = Constant<value = float[2] {1, 2}>() y = Add(a, a) }")
    assert runtime.evaluate(model.SerializeToString())["y"].tolist() == [2, 4]


def test_the_checker(runtime: Runtime, tmp_path: Path) -> None:
    runtime.check_model(convnet(tmp_path))
    model = build(DOUBLED)
    model.graph.node[0].input[0] = "nowhere"
    onnx.save(model, tmp_path / "bad.onnx")
    with pytest.raises(ModelFileError, match="nowhere") as refusal:
        runtime.check_model(tmp_path / "bad.onnx")
    assert "\n" not in str(refusal.value)
    with pytest.raises(ModelFileError):
        runtime.check_model(tmp_path / "missing.onnx")


@pytest.mark.parametrize(
    ("text", "unsupported"),
    [
        ("g (double[1,1,4,4] x, double[1,1,3,3] k) => (double[1,1,2,2] y) { y = Conv(x, k) }", True),
        ("g (float[4] x) => (float[4] y) { y = Frobnicate(x) }", True),
        ("g (float[4] x) => (float[4] y) { y = Relu(z) }", False),
    ],
)  # fmt: skip
def test_refusals_are_one_clean_line(runtime: Runtime, text: str, unsupported: bool) -> None:
    with pytest.raises(ModelRunError) as refusal:
        runtime.open_session(build(text).SerializeToString(), optimized=False)
    message = str(refusal.value)
    assert refusal.value.unsupported is unsupported, message
    assert "\n" not in message
    assert "onnxruntime/core" not in message
    assert "[ONNXRuntimeError]" not in message


def test_wrong_feeds_are_refused(runtime: Runtime) -> None:
    session = runtime.open_session(build(DOUBLED).SerializeToString(), optimized=False)
    for feeds in ({}, {"x": np.ones((2, 5), np.float32)}, {"x": np.ones((2, 4))}, {"z": np.ones(1)}):
        with pytest.raises(ModelRunError):
            runtime.run(session, feeds)


def test_a_killed_child_is_reported_and_replaced(runtime: Runtime) -> None:
    session = runtime.open_session(build(DOUBLED).SerializeToString(), optimized=False)
    first = runtime.child_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    with pytest.raises(RuntimeCrashError, match=r"died while running the model .*SIGKILL"):
        runtime.run(session, {"x": np.ones((1, 4), np.float32)})
    with pytest.raises(ModelRunError, match="lost when the child process died"):
        runtime.run(session, {"x": np.ones((1, 4), np.float32)})
    assert runtime.child_pid not in (None, first)


def compiled(folder: Path, body: str) -> Path:
    """A shared library that runs `body` when it is loaded; skips the test where there is no C compiler."""
    source, library = folder / "library.c", folder / "library.so"
    includes = "#include <stdio.h>\n#include <stdlib.h>\n"
    source.write_text(f"{includes}__attribute__((constructor)) void load(void) {{ {body} }}\n")
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("no C compiler")
    return library


def test_native_code_that_prints_does_not_garble_the_answers(runtime: Runtime, tmp_path: Path) -> None:
    library = compiled(tmp_path, 'puts("hello"); fflush(stdout);')
    model = build(DOUBLED).SerializeToString()
    with pytest.raises(ModelRunError, match="RegisterCustomOps"):
        runtime.open_session(model, optimized=False, custom_ops=[str(library)])
    assert runtime.open_session(model, optimized=False)


def test_optimizations_are_off_unless_asked_for(runtime: Runtime, tmp_path: Path) -> None:
    """Folding the BatchNormalization rounds differently, so the two runs differ in their last bits."""
    path = convnet(tmp_path)
    feeds = {"x": np.random.default_rng(0).standard_normal((1, 3, 20, 20)).astype(np.float32)}
    off, again, on = (
        runtime.run(runtime.open_session(path, optimized=optimized), feeds)["y"] for optimized in (False, False, True)
    )
    assert np.array_equal(off, again)
    assert not np.array_equal(off, on)
    assert np.allclose(off, on, atol=1e-4)


def test_a_native_abort_keeps_its_last_words(runtime: Runtime, tmp_path: Path) -> None:
    """A custom-operator library that aborts the process when it is loaded."""
    library = compiled(tmp_path, 'fputs("terminate called: bad kernel\\n", stderr); abort();')
    path = tmp_path / "model.onnx"
    onnx.save(build(DOUBLED), path)
    with pytest.raises(RuntimeCrashError, match=r"loading the model .*model\.onnx \(signal SIGABRT: terminate called"):
        runtime.open_session(path, optimized=False, custom_ops=[str(library)])
    assert runtime.evaluate(build("g () => (float y) { y = Constant<value = float {1}>() }").SerializeToString())


def test_a_crash_while_the_candidate_runs_is_a_report(runtime: Runtime, tmp_path: Path) -> None:
    reference, candidate = convnet(tmp_path), folded_convnet(tmp_path)

    def kill_in_the_candidate(phase: str, done: int, total: int) -> None:
        if phase == "candidate" and runtime.child_pid is not None:
            os.kill(runtime.child_pid, signal.SIGSEGV)

    with ProofSession(reference, runtime=runtime, progress=kill_in_the_candidate) as session:
        proof = session.judge(candidate)
    assert proof.verdict == "different"
    assert "died while running the model" in proof.reason
    with ProofSession(reference, runtime=runtime) as session:
        assert session.judge(candidate).verdict == "equal"


def test_a_request_that_takes_too_long(tmp_path: Path) -> None:
    text = """g (int64 n) => (float y) { t = Constant<value = bool {1}>() z = Constant<value = float {0}>()
        y = Loop(n, t, z) <body = b (int64 i, bool c, float a) => (bool d, float e) {
            d = Identity(c) e = Add(a, a) }> }"""
    with Runtime(timeout_s=1.5) as runtime:
        session = runtime.open_session(build(text).SerializeToString(), optimized=False)
        with pytest.raises(RuntimeCrashError, match=r"no answer within 1.5 s"):
            runtime.run(session, {"n": np.array(2**60)})


def test_a_memory_limit_ends_in_an_error() -> None:
    text = "g (int64[2] s) => (float[a,b] y) { y = ConstantOfShape(s) }"
    with Runtime(memory_limit=6 << 30) as runtime:
        session = runtime.open_session(build(text).SerializeToString(), optimized=False)
        with pytest.raises((ModelRunError, RuntimeCrashError)):
            runtime.run(session, {"s": np.array([1 << 17, 1 << 17])})


def test_shutdown_does_not_wait_for_the_child() -> None:
    runtime = Runtime()
    tickets = [runtime.start(), runtime.submit("ping"), runtime.submit("ping")]
    begun = time.perf_counter()
    runtime.shutdown()
    assert time.perf_counter() - begun < 2
    for ticket in tickets:
        with pytest.raises(RuntimeCrashError):
            ticket.result(timeout=5)
    with pytest.raises(RuntimeCrashError, match="closed"):
        runtime.submit("ping")


def test_the_child_is_gone_after_the_block() -> None:
    with Runtime() as runtime:
        pid = int(runtime.start().result().header["pid"])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_modules_in_the_current_folder_are_not_imported(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('imported from the current folder')")
    code = "from graphmorph.runtime import Runtime\nwith Runtime() as r: print(r.start().result().header['pid'])"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONSAFEPATH": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_parent_and_child_import_little() -> None:
    code = (
        "import sys, graphmorph.runtime, graphmorph.proof\n"
        "slow = {'onnx', 'onnxruntime', 'onnx_graphsurgeon', 'torch', 'scipy'}\n"
        "print(sorted(slow & sys.modules.keys()))\n"
        "import graphmorph.runtime.worker\n"
        "print(sorted(slow & sys.modules.keys()))\n"
        "graphmorph.runtime.worker._sessions()\n"
        "print(sorted(slow & sys.modules.keys()))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]", "['onnxruntime']"]
