"""`graphmorph passes`, and the page that is generated from the same registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphmorph.cli.main import run
from graphmorph.cli.passes_page import own_passes, page

OWN = ["fold-constants", "fold-batchnorm", "fuse-branches"]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "passes.md"


def test_every_pass_is_listed_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["passes"]) == 0
    shown = capsys.readouterr().out
    for name, rewrite in own_passes().items():
        assert name in shown
        assert rewrite.summary.split()[0] in shown


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["passes", "--json", "-"]) == 0
    listed = {one["name"]: one for one in json.loads(capsys.readouterr().out)["passes"]}
    assert set(OWN) <= set(listed)
    for name in OWN:
        assert listed[name]["kind"] == "exact"
        assert listed[name]["origin"].startswith("graphmorph.passes.")


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(own_passes()), "run `make docs`"
