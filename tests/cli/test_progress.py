"""The bar: nothing before a second, nothing off a terminal, and always cleared."""

from __future__ import annotations

import sys
import threading
import time
from io import StringIO

import pytest

from graphmorph.cli.progress import ProgressBar


class Terminal(StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def as_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in the place of stderr. No fixture: pytest takes stderr back before the test runs."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    return stream


def test_what_ends_at_once_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = as_terminal(monkeypatch)
    with ProgressBar(enabled=True) as bar:
        bar("reference", 1, 2)
    assert terminal.getvalue() == ""


def test_what_takes_longer_shows_its_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = as_terminal(monkeypatch)
    with ProgressBar(enabled=True, delay=0.01) as bar:
        bar("reference", 1, 2)
        time.sleep(0.3)
        bar("candidate", 0, 2)
        time.sleep(0.3)
    assert "reference" in terminal.getvalue()
    assert "candidate" in terminal.getvalue()


@pytest.mark.parametrize("enabled", [True, False])
def test_off_a_terminal_or_quiet_nothing_is_shown(enabled: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar(enabled=enabled, delay=0.0) as bar:
        bar("reference", 1, 2)
        time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_it_may_be_called_from_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    as_terminal(monkeypatch)
    with ProgressBar(enabled=True, delay=0.0) as bar:
        threads = [
            threading.Thread(target=lambda name=name: [bar(name, step, 50) for step in range(50)]) for name in "abcd"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def test_an_exception_passes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    as_terminal(monkeypatch)
    with pytest.raises(ValueError, match="boom"), ProgressBar(enabled=True, delay=0.0):
        raise ValueError("boom")
