"""JSON reports are strict JSON, on stdout or in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphmorph.cli.json_output import STDOUT, write_json
from tests.cli import reports


def test_a_file(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    write_json(reports.report().to_json(), str(target))
    document = json.loads(target.read_text())
    assert document["before"]["convolutions"] == 54
    assert document["proof"]["verdict"] == "equal"
    assert document["passes"][1]["refusals"][0]["reason"].startswith("pads of")


def test_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"a": 1}, STDOUT)
    assert json.loads(capsys.readouterr().out) == {"a": 1}


def test_numbers_that_json_lacks_are_strings(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"floor": [float("nan"), (float("-inf"),)]}, STDOUT)
    assert json.loads(capsys.readouterr().out) == {"floor": ["nan", ["-inf"]]}
