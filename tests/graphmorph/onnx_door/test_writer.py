"""Staging: the target is never half written, and nothing is left behind."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest

from graphmorph.errors import ModelFileError
from graphmorph.onnx_door import load, save, stage, writer
from tests.graphmorph.onnx_door.door_models import LARGE, chain

MODEL = chain({"w": np.ones(LARGE, np.float32)})


def test_stage_writes_beside_the_target_and_commit_renames(tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    target.write_bytes(b"old")
    with stage(load(MODEL), target, external_data=True) as staged:
        assert staged.path.name == "model.onnx"
        assert staged.path.parent.parent == tmp_path
        assert onnx.load(staged.path).graph.node == MODEL.graph.node
        assert target.read_bytes() == b"old"
        assert staged.files == [target, tmp_path / "model.onnx.data"]
        assert staged.commit() == staged.files
    assert sorted(os.listdir(tmp_path)) == ["model.onnx", "model.onnx.data"]
    assert onnx.load(target).graph.node == MODEL.graph.node


def test_without_commit_nothing_is_left(tmp_path: Path) -> None:
    with stage(load(MODEL), tmp_path / "model.onnx"):
        assert len(os.listdir(tmp_path)) == 1
    assert not os.listdir(tmp_path)


def test_an_error_inside_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="judged"), stage(load(MODEL), tmp_path / "model.onnx"):
        raise RuntimeError("judged to be wrong")
    assert not os.listdir(tmp_path)


def test_a_failure_while_writing_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "in.onnx").write_bytes(MODEL.SerializeToString())
    graph = load(tmp_path / "in.onnx")
    os.truncate(tmp_path / "in.onnx", 500)
    (tmp_path / "out.onnx").write_bytes(b"old")
    with pytest.raises(ModelFileError, match="became shorter"):
        save(graph, tmp_path / "out.onnx")
    assert (tmp_path / "out.onnx").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["in.onnx", "out.onnx"]


def test_targets_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="is a folder"):
        save(load(MODEL), tmp_path)
    with pytest.raises(ModelFileError, match=r"missing.*cannot be written: No such file"):
        save(load(MODEL), tmp_path / "missing" / "model.onnx")


def test_a_model_may_be_written_over_itself(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(MODEL.SerializeToString())
    graph = load(path)
    save(graph, path)
    save(graph, path)
    assert onnx.load(path) == MODEL


def test_large_models_move_their_weights_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_EXTERNAL_ABOVE", 5000)
    assert len(save(load(MODEL), tmp_path / "model.onnx")) == 2
    assert len(save(load(MODEL), tmp_path / "inline.onnx", external_data=False)) == 1


def test_what_cannot_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_EXTERNAL_ABOVE", 5000)
    monkeypatch.setattr(writer, "_PROTOBUF_LIMIT", 5000)
    with pytest.raises(writer.UsageError, match="external_data=True"):
        save(load(MODEL), tmp_path / "model.onnx", external_data=False)
    with pytest.raises(writer.UsageError, match="external data"):
        writer.to_model(load(MODEL))


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    path.chmod(0o640)
    save(load(MODEL), path)
    assert path.stat().st_mode & 0o777 == 0o640


def test_constants_that_onnx_cannot_hold_are_named(tmp_path: Path) -> None:
    graph = load(MODEL)
    graph.nodes[0].inputs[1] = gs.Constant("dates", np.zeros(3, "datetime64[s]"))
    with pytest.raises(ModelFileError, match="constant 'dates' cannot be written"):
        save(graph, tmp_path / "model.onnx")
    assert not os.listdir(tmp_path)
