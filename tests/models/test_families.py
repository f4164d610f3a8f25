"""The list of families is the list of modules."""

from __future__ import annotations

import importlib
from pathlib import Path

import graphmorph.models

SHARED = {"__init__", "catalogue", "export", "layers", "randomise", "reparameterise", "small_catalogue"}


def test_every_family_is_listed_and_imports() -> None:
    folder = Path(graphmorph.models.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - SHARED == set(graphmorph.models.FAMILIES)
    for family in graphmorph.models.FAMILIES:
        assert importlib.import_module(f"graphmorph.models.{family}").__doc__
