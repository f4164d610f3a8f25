"""The page of lowering rules and translations is generated, and up to date."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from graphmorph.cli.torch_rules_page import main, page
from graphmorph.torch_door.rule_table import load_rules, lowers_module

PAGE = Path(__file__).resolve().parents[2] / "docs" / "torch-rules.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


def test_the_page_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["torch_rules_page", str(tmp_path / "page.md")])
    main()
    assert "`operator.setitem`" in (tmp_path / "page.md").read_text()


def test_a_second_rule_for_a_call_is_refused() -> None:
    assert ("module", nn.Conv2d) in load_rules()
    with pytest.raises(ValueError, match="two lowering rules"):
        lowers_module(nn.Conv2d)(lambda site, module: None)
