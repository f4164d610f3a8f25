"""Exact removal on the command line: `graphmorph prune --exact`, and `graphmorph fuse --exact-prune`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphmorph.cli.main import run
from tests.cli import channel_models
from tests.cli.channel_models import widths


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return channel_models.classifier(tmp_path / "model.onnx", dead=3)


def test_channels_that_are_constant_go(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prune", str(model), "--exact"]) == 0
    assert sorted(dims[:2] for dims in widths(model.with_name("model.pruned.onnx")).values() if len(dims) == 4) == [
        [13, 3],
        [24, 13],
    ]
    text = " ".join(capsys.readouterr().out.split())
    assert "proof equal" in text
    assert "remove-channels exact 1" in text


def test_a_model_without_any_is_written_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = channel_models.classifier(tmp_path / "model.onnx")
    assert run(["prune", str(model), "--exact"]) == 0
    assert "nothing to rewrite" in capsys.readouterr().out
    assert widths(tmp_path / "model.pruned.onnx") == widths(model)


def test_what_there_is_not_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = channel_models.classifier(tmp_path / "model.onnx")
    assert run(["prune", str(model), "--exact", "--dry-run"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "nothing to rewrite: no removable channel is unread, constant or duplicate" in text
    assert "deploy form" not in text


def test_channels_that_are_kept_are_not_removable(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prune", str(model), "--exact", "--dry-run", "--keep", "*"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "nothing to rewrite: no removable channel is unread, constant or duplicate" in text


def test_as_part_of_fuse(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fuse", str(model), "--exact-prune", "--json", "-"]) == 0
    report = json.loads(capsys.readouterr().out)
    names = [one["name"] for one in report["passes"]]
    assert names == ["fold-constants", "fuse-branches", "fold-batchnorm", "remove-channels"]
    assert len(report["passes"][-1]["rewrites"]) == 1
    assert run(["fuse", str(model), "--exact-prune", "--check", "-q"]) == 3
    assert run(["fuse", str(model), "--check", "-q"]) == 0


def test_beside_the_passes_that_were_chosen(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fuse", str(model), "--exact-prune", "--only", "fold-constants", "--json", "-", "--dry-run"]) == 0
    names = [one["name"] for one in json.loads(capsys.readouterr().out)["passes"]]
    assert names == ["fold-constants", "remove-channels"]
