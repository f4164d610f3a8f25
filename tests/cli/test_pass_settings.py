"""`--set pass.option=value`: typed by the frozen dataclass fields of the pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import click
import pytest

from graphmorph import Rewrite
from graphmorph.cli.pass_settings import read_value, typed_options


@dataclass(frozen=True)
class Example(Rewrite):
    """Stands for a pass: only the fields matter here."""

    name: ClassVar[str] = "example"
    limit: int = 3
    ratio: float = 0.5
    merge: bool = True
    mode: Literal["fast", "small"] = "fast"
    cap: int | None = None
    kinds: tuple[str, ...] = ()
    label: str = ""


AVAILABLE: dict[str, Any] = {"example": Example}


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("limit", "7", 7),
        ("ratio", "1e-3", 1e-3),
        ("merge", "off", False),
        ("merge", "TRUE", True),
        ("mode", "small", "small"),
        ("cap", "none", None),
        ("cap", "12", 12),
        ("kinds", "Conv, Gemm", ("Conv", "Gemm")),
        ("label", "a=b", "a=b"),
    ],
)
def test_a_value_is_read_as_its_field_says(option: str, text: str, value: Any) -> None:
    assert typed_options([("example", option, text)], AVAILABLE) == {"example": {option: value}}


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        (("nothing", "limit", "1"), "no pass is called 'nothing'; there are example"),
        (("example", "limits", "1"), "example has no option 'limits'; its options: limit, ratio"),
        (("example", "limit", "1.5"), "example.limit: '1.5' is no whole number"),
        (("example", "ratio", "x"), "example.ratio: 'x' is no number"),
        (("example", "merge", "maybe"), "example.merge: 'maybe' is neither true nor false"),
        (("example", "mode", "slow"), "example.mode: 'slow' is none of fast, small"),
    ],
)
def test_a_wrong_setting_names_what_there_is(setting: tuple[str, str, str], complaint: str) -> None:
    with pytest.raises(click.BadParameter, match=complaint):
        typed_options([setting], AVAILABLE)


def test_several_settings_of_one_pass_are_gathered() -> None:
    settings = [("example", "limit", "1"), ("example", "merge", "no"), ("example", "limit", "2")]
    assert typed_options(settings, AVAILABLE) == {"example": {"limit": 2, "merge": False}}


def test_an_empty_list_is_an_empty_tuple() -> None:
    assert read_value("", tuple[str, ...]) == ()
