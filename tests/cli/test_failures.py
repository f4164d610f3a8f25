"""Every failure is one line on stderr and an exit code; a traceback comes on request only."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click
import pytest

from graphmorph.cli.failures import COULD_NOT, INTERRUPTED, TRACEBACK_VARIABLE, exit_code_of
from graphmorph.cli.main import run
from graphmorph.errors import ModelFileError, VerificationError


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def action() -> NoReturn:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ModelFileError("a.onnx: the file\nis empty"), 2, "graphmorph: error: a.onnx: the file is empty"),
        (VerificationError("the models differ"), 1, "graphmorph: error: the models differ"),
        (click.UsageError("no such option"), 2, "graphmorph: error: no such option"),
        (
            FileNotFoundError(2, "No such file or directory", "x"),
            2,
            "graphmorph: error: x: No such file or directory",
        ),
        (KeyboardInterrupt(), INTERRUPTED, "graphmorph: error: interrupted"),
    ],
)
def test_a_failure_is_one_line(error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(raising(error)) == code
    shown = capsys.readouterr()
    assert shown.err == line + "\n"
    assert shown.out == ""


def test_a_bug_is_one_line_that_tells_how_to_see_more(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(raising(ZeroDivisionError("by zero"))) == COULD_NOT
    line = capsys.readouterr().err
    assert line.startswith("graphmorph: error: internal error: ZeroDivisionError: by zero")
    assert f"{TRACEBACK_VARIABLE}=1" in line
    assert line.count("\n") == 1


def test_with_the_variable_set_the_exception_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRACEBACK_VARIABLE, "1")
    with pytest.raises(ZeroDivisionError):
        exit_code_of(raising(ZeroDivisionError()))


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (3, 3)])
def test_the_result_of_a_command_is_its_exit_code(result: int | None, code: int) -> None:
    assert exit_code_of(lambda: result) == code


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["fusee"], "No such command 'fusee'"),
        (["fuse"], "Missing argument 'MODEL'"),
        (["fuse", "m.onnx", "--shapes", "x:1"], "No such option"),
        (["fuse", "m.onnx", "--shape", "x=1"], "'x=1' is not of the form NAME:1,3,224,224"),
        (["fuse", "m.onnx", "--shape", "x:1", "--shape", "x:2"], "two shapes for the input 'x'"),
        (["fuse", "m.onnx", "--set", "limit=1"], "'limit=1' is not of the form PASS.OPTION=VALUE"),
        (["fuse", "m.onnx", "--samples", "0"], "--samples"),
        (["fuse", "m.onnx", "--check", "--in-place"], "--in-place and --check exclude each other"),
    ],
)
def test_bad_usage(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == COULD_NOT
    shown = capsys.readouterr().err
    assert line in shown
    assert shown.startswith("graphmorph: error: ")
    assert shown.count("\n") == 1


def test_a_reader_that_goes_away_is_no_failure_of_ours() -> None:
    """`graphmorph passes | true`: no traceback, no complaint, and not one of our own exit codes."""
    code = f"{sys.executable} -m graphmorph.cli passes | true; echo ${{PIPESTATUS[0]}}"
    shown = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True, cwd=Path("/"))
    assert shown.stderr == ""
    assert shown.stdout.strip() in {"0", "141"}
