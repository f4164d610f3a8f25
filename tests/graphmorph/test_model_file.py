"""The files of models that came as files, as graphs and as ModelProtos."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import onnx
import onnx.parser
import pytest

from graphmorph.model_file import as_file, opened_model
from graphmorph.onnx_door import load

MODEL = onnx.parser.parse_model(
    '<ir_version: 8, opset_import: ["": 17]> g (float[2] x) => (float[2] y) { y = Relu(x) }'
)


def test_a_file_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        assert as_file(Path("m.onnx"), "other", stack) == str(tmp_path / "m.onnx")


@pytest.mark.parametrize("kind", ["graph", "proto"])
def test_an_object_has_one_as_long_as_the_stack(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as stack:
        path = as_file(load(MODEL) if kind == "graph" else MODEL, "original", stack)
        assert os.path.basename(path) == "original.onnx"
        assert [node.op for node in load(path).nodes] == ["Relu"]
    assert not os.path.exists(path)
    assert capsys.readouterr().out == ""  # graphsurgeon logs there what a graph is asked for and does not have


@pytest.mark.parametrize("kind", ["file", "graph", "proto"])
def test_an_opened_model_is_a_file_and_a_graph_of_its_own(kind: str, tmp_path: Path) -> None:
    onnx.save(MODEL, tmp_path / "m.onnx")
    given = {"file": tmp_path / "m.onnx", "graph": load(MODEL), "proto": MODEL}[kind]
    with ExitStack() as stack:
        opened = opened_model(given, stack, freeze_initializers=False)
        assert opened.name == (str(given) if kind == "file" else "model")
        opened.graph.nodes.clear()
        assert [node.op for node in load(opened.path).nodes] == ["Relu"]
        assert kind != "graph" or len(given.nodes) == 1
