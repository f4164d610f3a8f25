"""Every mutant of the affine algebra is caught by the random regions and the near misses."""

from __future__ import annotations

import ast

import pytest

from tests.regions.mutant_list import LAST_SEED, REWRITE, mutants
from tests.regions.mutants import ROOT, judge


@pytest.mark.slow
def test_every_mutant_is_a_line_of_the_code() -> None:
    """Fails where a line was rewritten: its mutant has to follow."""
    listed = mutants()
    assert len(listed) >= 100
    assert len({mutant.name for mutant in listed}) == len(listed)
    for mutant in listed:
        text = (ROOT / mutant.file).read_text()
        assert text.count(mutant.old) == 1, mutant
        ast.parse(text.replace(mutant.old, mutant.new))


@pytest.mark.slow
def test_every_mutant_is_caught() -> None:
    survivors = [item.mutant.name for item in judge(mutants(), REWRITE, last=LAST_SEED) if not item.caught]
    assert survivors == []
