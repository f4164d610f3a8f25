"""Passes found by entry point, and what is refused of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from importlib.metadata import EntryPoint

import pytest

from graphmorph import registry
from graphmorph.errors import UsageError
from graphmorph.passes.fold_batchnorm import FoldBatchnorm
from graphmorph.pipeline import FUSE_PIPELINE, passes_for
from graphmorph.rewrite import Rewrite


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """The entry points that are installed, to be added to."""
    installed = [EntryPoint("fold-batchnorm", "graphmorph.passes.fold_batchnorm:FoldBatchnorm", registry.GROUP)]
    monkeypatch.setattr(registry, "entry_points", lambda group: installed)
    registry._entries.cache_clear()
    yield installed
    registry._entries.cache_clear()


def test_every_pass_of_the_pipeline_is_installed() -> None:
    passes = registry.available()
    assert set(FUSE_PIPELINE) <= set(passes)
    for name, one in passes.items():
        assert issubclass(one, Rewrite)
        assert one.name == name
        assert one.summary
        assert one.kind in ("exact", "approximate")
        options = {field.name: field.default for field in fields(one) if not field.metadata.get("internal")}
        assert one.options() == options


def test_an_unknown_pass_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no pass named fold-bn; installed are .*fold-batchnorm"):
        registry.load("fold-bn")


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(UsageError, match="pass fold-batchnorm has no option strength; it has none"):
        registry.create("fold-batchnorm", {"strength": 3})


def test_options_are_frozen_fields(entries: list[EntryPoint], monkeypatch: pytest.MonkeyPatch) -> None:
    entries.append(EntryPoint("strong", f"{__name__}:Strong", registry.GROUP))
    registry._entries.cache_clear()
    monkeypatch.setattr(EntryPoint, "load", lambda self: Strong if self.name == "strong" else FoldBatchnorm)
    made = registry.create("strong", {"strength": 3})
    assert isinstance(made, Strong)
    assert made.strength == 3
    assert Strong.options() == {"strength": 1}
    assert registry.available() == {"fold-batchnorm": FoldBatchnorm, "strong": Strong}


def test_two_passes_of_one_name_are_refused(entries: list[EntryPoint]) -> None:
    entries.append(EntryPoint("fold-batchnorm", "somewhere.else:FoldBatchnorm", registry.GROUP))
    with pytest.raises(UsageError, match="two installed packages register a pass fold-batchnorm"):
        registry.available()


def test_one_package_seen_twice_is_fine(entries: list[EntryPoint]) -> None:
    entries.append(entries[0])
    assert list(registry.available()) == ["fold-batchnorm"]


def test_what_is_no_rewrite_is_refused(entries: list[EntryPoint]) -> None:
    entries.append(EntryPoint("odd", "pathlib:Path", registry.GROUP))
    with pytest.raises(UsageError, match=r"pass odd \(pathlib:Path\) is not a graphmorph.Rewrite"):
        registry.load("odd")


def test_the_pipeline_is_chosen_by_only_and_skip() -> None:
    assert [one.name for one in passes_for()] == list(FUSE_PIPELINE)
    assert [one.name for one in passes_for(only=["fold-batchnorm", "fold-constants"])] == [
        "fold-constants",
        "fold-batchnorm",
    ]
    assert [one.name for one in passes_for(skip=["fuse-branches"])] == ["fold-constants", "fold-batchnorm"]


@pytest.mark.parametrize("choose", [lambda name: passes_for(only=[name]), lambda name: passes_for(skip=[name])])
def test_a_misspelt_pass_is_an_error_and_not_ignored(choose: Callable[[str], object]) -> None:
    with pytest.raises(UsageError, match="no pass named fuse-brunches"):
        choose("fuse-brunches")


def test_options_for_a_pass_that_is_not_there_are_an_error() -> None:
    with pytest.raises(UsageError, match="no pass named prune"):
        passes_for(options={"prune": {"ratio": 0.5}})


@dataclass(frozen=True)
class Strong(FoldBatchnorm):
    strength: int = 1
