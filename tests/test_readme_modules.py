"""The README's sections on live modules and on channels: their Python runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parent.parent / "README.md"


def blocks(section: str) -> list[str]:
    text = README.read_text(encoding="utf-8").split(f"## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_the_section_on_live_modules_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = blocks("Live torch modules")
    assert len(found) == 3
    scope: dict[str, object] = {}
    for block in found:
        exec(block, scope)
    assert capsys.readouterr().out.split()[:4] == ["54", "->", "20", "equal"]
    assert (tmp_path / "model.onnx").stat().st_size > 1_000_000
    assert scope["acnet"].report.proof.verdict == "equal"  # type: ignore[attr-defined]


def test_the_section_on_channels_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("Fewer channels")
    scope: dict[str, object] = {}
    exec(block, scope)
    smaller = scope["smaller"]
    assert smaller.report.removal.verdict == "equal"  # type: ignore[attr-defined]
    assert smaller.report.parameters_left < 0.4  # type: ignore[attr-defined]
    assert (tmp_path / "plan.json").exists()
