"""`graphmorph demo`: the example in the wheel, fused and proven, with accuracy before and after."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graphmorph.cli.main import run
from tests.cli.small_models import operators


def test_the_example_becomes_its_deploy_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["demo"]) == 0
    shown = capsys.readouterr()
    text = " ".join(shown.out.split())
    assert text.startswith("$ graphmorph fuse ")
    assert "proof equal" in text
    accuracies = re.search(r"accuracy ([\d.]+) % before, ([\d.]+) % after", text)
    assert accuracies is not None
    assert float(accuracies[1]) == float(accuracies[2]) > 90
    (written,) = tmp_path.iterdir()
    assert "BatchNormalization" not in operators(written)
    assert shown.err == ""


def test_quiet_and_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "digits.onnx"
    assert run(["demo", "--quiet", "--output", str(target)]) == 0
    assert target.exists()
    assert capsys.readouterr() == ("", "")
