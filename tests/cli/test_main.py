"""The group: help at once, without importing anything heavy; version; the list of commands."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

import graphmorph
from graphmorph.cli.main import ENTRIES, group, run

HELP_SECONDS = 0.3
HEAVY = ("numpy", "onnx", "onnx_graphsurgeon", "onnxruntime", "torch", "rich", "scipy")


def test_help_is_fast() -> None:
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "graphmorph.cli", "--help"], capture_output=True, check=True)
        seconds.append(time.perf_counter() - begin)
        if seconds[-1] < HELP_SECONDS:
            return
    pytest.fail(f"--help took {min(seconds):.2f} s at best")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["fuse", "--help"],
        ["verify", "--help"],
        ["demo", "--help"],
        ["prune", "--help"],
        ["groups", "--help"],
    ],
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom graphmorph.cli.main import run\n"
        f"code = run({arguments!r})\nprint([name for name in {HEAVY!r} if name in sys.modules], code)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[] 0"


def test_the_listed_summary_is_there_for_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, entry in ENTRIES.items():
        assert f"{name} {entry.summary}" in text
    assert "Exit codes" in text


@pytest.mark.parametrize("name", ENTRIES)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert f"Usage: graphmorph {name}" in capsys.readouterr().out


def test_every_option_is_explained() -> None:
    context = group.make_context("graphmorph", ["passes"])
    for name in ENTRIES:
        command = group.get_command(context, name)
        assert command is not None
        for parameter in command.get_params(context):
            record = parameter.to_info_dict()
            assert record["param_type_name"] == "argument" or record["help"], (name, parameter.name)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"graphmorph {graphmorph.__version__}\n"


def test_without_arguments_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "Usage: graphmorph" in capsys.readouterr().err
