"""What README and docs/layer-insertion.md say of inserting layers runs as it stands there, on the example model."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import graphmorph
from graphmorph.cli.main import run
from graphmorph.models.example import model_path

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    graphmorph.fuse(model_path(), "model.onnx")
    with np.load(Path(model_path()).with_name("digits.npz")) as data:
        np.savez("images.npz", x=data["x"])
    return tmp_path


def test_the_commands_of_the_readme(folder: Path) -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## A deeper network\n")[1].split("\n## ")[0]
    commands = re.findall(r"^    graphmorph (insert .*?)(?:\s+#.*)?$", section, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        assert run(shlex.split(command)) == 0
    assert (folder / "model.deeper.onnx").exists()


def test_the_pipeline_of_the_readme(folder: Path) -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Several steps\n")[1].split("\n## ")[0]
    (command,) = re.findall(r"^    graphmorph (run .*)$", section, re.MULTILINE)
    assert run(shlex.split(command.replace("examples/", f"{ROOT}/examples/"))) == 0
    assert (folder / "model.deploy.onnx").exists()


def test_the_block_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "layer-insertion.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(block, {})
    assert capsys.readouterr().out.startswith("1024 (32, 32)")
