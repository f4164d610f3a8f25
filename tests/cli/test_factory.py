"""Modules from the command line: what a reference may lead to, and what is said where it leads nowhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from graphmorph.cli.factory import load_module
from graphmorph.cli.input_shapes import WantedInput, example_inputs
from graphmorph.errors import GraphmorphError, UsageError

NETS = """
from torch import nn

def layer(size=2, name="x"):
    return nn.Linear(size, size)

def broken(size=2):
    raise ValueError(f"no layers\\nof {size}")

def leaving():
    raise SystemExit(3)

class Net(nn.Linear):
    def __init__(self):
        super().__init__(3, 3)

    @classmethod
    def small(cls):
        return cls()

there = nn.ReLU()
number = 3
listed = lambda: [nn.ReLU()]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with modules in it."""
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "unfinished.py").write_text("def build(:\n")
    (tmp_path / "hungry.py").write_text("import a_package_that_is_missing\n")
    (tmp_path / "crashing.py").write_text("table = {}\ntable['key']\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in ("nets", "unfinished", "hungry", "crashing"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("reference", "arguments", "kind"),
    [
        ("nets:layer", {"size": 5}, nn.Linear),
        ("nets:Net", {}, nn.Linear),
        ("nets:Net.small", {}, nn.Linear),
        ("nets:there", {}, nn.ReLU),
        ("torch.nn:Conv2d", {"in_channels": 3, "out_channels": 4, "kernel_size": (3, 1)}, nn.Conv2d),
    ],
)
def test_what_a_reference_may_lead_to(reference: str, arguments: dict[str, Any], kind: type[nn.Module]) -> None:
    assert isinstance(load_module(reference, arguments, None), kind)


@pytest.mark.parametrize(
    ("reference", "arguments", "message"),
    [
        ("nets", {}, "is not of the form PACKAGE.MODULE:FACTORY"),
        (":layer", {}, "is not of the form"),
        ("nowhere:layer", {}, "there is no Python module nowhere, here"),
        ("torch.nowhere:layer", {}, "there is no Python module torch.nowhere"),
        ("nets:layers", {}, "nets has no layers; there is layer"),
        ("nets:Net.big", {}, "nets has no big"),
        ("nets:there", {"inplace": True}, "is a module already"),
        ("nets:number", {}, "nets:number is a int"),
        ("nets:listed", {}, "nets:listed returned a list"),
    ],
)
def test_where_it_leads_nowhere(reference: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_module(reference, arguments, None)


@pytest.mark.parametrize(
    ("reference", "arguments", "message"),
    [
        (
            "nets:broken",
            {"size": 4},
            r"nets:broken\(size=4\) raised ValueError at nets.py:8 in broken: .*: no layers of 4",
        ),
        ("nets:leaving", {}, r"nets:leaving\(\) raised SystemExit at nets.py:11 in leaving"),
        ("nets:layer", {"width": 4}, r"nets:layer\(width=4\) raised TypeError .*unexpected keyword argument 'width'"),
        ("unfinished:build", {}, r"importing unfinished raised SyntaxError .*unfinished.py, line 1"),
        ("hungry:build", {}, r"importing hungry raised ModuleNotFoundError at hungry.py:1 .*a_package_that_is_missing"),
        (
            "crashing:build",
            {},
            r"importing crashing raised KeyError at crashing.py:2 in <module>: `table\['key'\]`: 'key'",
        ),
    ],
)
def test_errors_of_the_users_code_name_their_line(reference: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphmorphError, match=message) as caught:
        load_module(reference, arguments, None)
    assert "\n" not in str(caught.value)


def test_weights_are_loaded(folder: Path) -> None:
    state = nn.Linear(3, 3).state_dict()
    for saved in (state, {"state_dict": state, "epoch": 3}):
        torch.save(saved, folder / "weights.pt")
        loaded = load_module("nets:Net", {}, folder / "weights.pt")
        assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.state_dict().items())


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        ({"weight": torch.ones(3, 3)}, r"does not fit Net: 1 \(bias\) missing, none unknown"),
        ({"a": torch.ones(1), "b": torch.ones(1)}, r"2 \(weight ...\) missing, 2 \(a ...\) unknown"),
        ({"weight": torch.ones(3, 3), "bias": torch.ones(2)}, "size mismatch for bias"),
        ([torch.ones(1)], "holds a list, a state_dict is needed"),
        (nn.Linear(3, 3), "is no state_dict that torch.load reads"),
    ],
)
def test_weights_that_do_not_fit(saved: Any, message: str, folder: Path) -> None:
    torch.save(saved, folder / "weights.pt")
    with pytest.raises(UsageError, match=message) as caught:
        load_module("nets:Net", {}, folder / "weights.pt")
    assert "\n" not in str(caught.value)


def test_weights_that_are_none(folder: Path) -> None:
    (folder / "weights.pt").write_text("not a checkpoint")
    with pytest.raises(UsageError, match="is no state_dict"):
        load_module("nets:Net", {}, folder / "weights.pt")
    with pytest.raises(FileNotFoundError):
        load_module("nets:Net", {}, folder / "nowhere.pt")


def test_inputs_have_the_type_of_the_weights() -> None:
    inputs = example_inputs(nn.Linear(3, 3).half(), [WantedInput(None, (2, 3), None)], 0)
    assert inputs is not None
    assert inputs["input"].dtype == torch.float16
    again = example_inputs(nn.Linear(3, 3).half(), [WantedInput("input", (2, 3), None)], 0)
    assert again is not None
    assert torch.equal(inputs["input"], again["input"])
    assert example_inputs(nn.Linear(3, 3), [], 0) is None
