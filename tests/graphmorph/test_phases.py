"""Phases: those of one name add up, an error ends one as well, and who listens hears of both ends."""

from __future__ import annotations

import pytest

from graphmorph.phases import Phases


def test_phases_add_up_and_end_with_errors() -> None:
    heard: list[tuple[str, int, int]] = []
    phases = Phases(lambda *what: heard.append(what))
    with phases("proof"):
        pass
    with pytest.raises(KeyError), phases("proof"):
        raise KeyError
    first = phases.seconds["proof"]
    phases.add("proof", 2.0)
    assert phases.seconds == {"proof": first + 2.0}
    assert heard == [("proof", 0, 1), ("proof", 1, 1)] * 2
