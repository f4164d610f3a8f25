"""Numbers as the reports write them."""

from __future__ import annotations

import pytest

from graphmorph.cli import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0"),
        (54, "54"),
        (9_999, "9,999"),
        (15_312, "15.3 k"),
        (19_907_624, "19.9 M"),
        (999_949, "1 M"),
        (999_400, "999 k"),
        (1_820_000_000, "1.82 G"),
    ],
)
def test_count(value: int | None, text: str) -> None:
    assert numbers.count(value) == text


@pytest.mark.parametrize(("value", "text"), [(12, "12 B"), (1024, "1.0 KiB"), (79_900_000, "76.2 MiB")])
def test_bytes(value: int, text: str) -> None:
    assert numbers.bytes_of(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.123, "0.12 s"), (14.2, "14 s"), (200, "3 min 20 s")])
def test_duration(seconds: float, text: str) -> None:
    assert numbers.duration(seconds) == text


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [(54, 20, "\N{MINUS SIGN}63 %"), (10, 15, "+50 %"), (3, 3, ""), (None, 3, ""), (3, None, ""), (0, 3, "")],
)
def test_change(before: float | None, after: float | None, text: str) -> None:
    assert numbers.change(before, after) == text


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.0, "0"), (3.14e-7, "3.1e-07"), (float("nan"), "nan")])
def test_error(value: float | None, text: str) -> None:
    assert numbers.error(value) == text


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [(1, "site", "1 site"), (1200, "site", "1,200 sites"), (2, "branch", "2 branches")],
)
def test_plural(number: int, noun: str, text: str) -> None:
    assert numbers.plural(number, noun) == text


def test_percent() -> None:
    assert numbers.percent(0.9825) == "98.25 %"
