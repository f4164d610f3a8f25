"""Options come from signatures and fields, and values are taken only as the types that these declare."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Unpack

import pytest

import graphmorph
from graphmorph.channels.criteria import Criterion
from graphmorph.passes.insert_layer import InsertLayer
from graphmorph.proof.user_data import UserData
from graphmorph.rewrite_options import RewriteOptions
from graphmorph.steps.options import REQUIRED, Option, options_of, options_of_pass


def test_options_of_a_function_are_its_keywords() -> None:
    found = options_of(graphmorph.prune)
    assert "model" not in found
    assert found["ratio"].hint == float | None
    assert found["round_to"].default == 8
    assert found["plan"].is_file  # declared by a name that only type checkers see


def test_an_unpacked_table_of_options_gives_way_to_what_the_function_names_itself() -> None:
    def own(model: object, *, keep: int = 3, after: str, **options: Unpack[RewriteOptions]) -> None: ...  # type: ignore[misc]

    found = options_of(own)
    assert (found["keep"].hint, found["keep"].default) == (int, 3)
    assert found["after"].default is REQUIRED
    assert found["samples"].hint is int
    assert options_of(graphmorph.widen)["keep"].hint == Iterable[str]


def test_options_of_a_pass_are_its_fields() -> None:
    found = options_of_pass(InsertLayer, InsertLayer.options())
    assert "chosen" not in found
    assert found["kernel"].hint == tuple[int, ...]
    assert found["calibration"].is_file


@pytest.mark.parametrize(
    ("hint", "value", "read"),
    [
        (float, 1, 1.0),
        (float | None, 0.5, 0.5),
        (int, 3, 3),
        (bool, True, True),
        (str, "a", "a"),
        (Literal["a", "b"], "b", "b"),
        (Iterable[str], ["a", "b"], ("a", "b")),
        (Iterable[str], "a", ("a",)),
        (Sequence[int], [1, 2], (1, 2)),
        (int | tuple[int, ...], [3, 3], (3, 3)),
        (int | tuple[int, ...], 3, 3),
        (str | Mapping[str, Sequence[int]], {"c": [1]}, {"c": (1,)}),
        (Mapping[str, Mapping[str, Any]] | None, {"p": {"o": "text"}}, {"p": {"o": "text"}}),
        (Literal["l1"] | Criterion, Criterion("l2"), Criterion("l2")),
        (int | None, None, None),
    ],
)
def test_values_of_the_declared_type_are_taken(hint: Any, value: object, read: object) -> None:
    found = Option("o", hint).read(value)
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("hint", "value", "wanted"),
    [
        (float | None, "0.5", "a number"),
        (float, True, "a number"),
        (int, 1.0, "a whole number"),
        (int, True, "a whole number"),
        (bool, 1, "true or false"),
        (str, 1, "a text"),
        (Literal["a", "b"], "c", "one of a, b"),
        (Literal["a", "b"], ["a"], "one of a, b"),
        (Literal["l1"] | Criterion, 3, "one of l1"),
        (Iterable[str], [1], "a list of texts"),
        (Sequence[int], "1", "a list of whole numbers"),
        (int | tuple[int, ...], [1.5], "a whole number or a list of whole numbers"),
        (Mapping[str, Sequence[int]] | None, [1], "a table"),
        (Mapping[str, Sequence[int]], {"x": 1}, "a table"),
        (float, None, "a number"),
        (UserData, 3, "a file"),
        (UserData, datetime.date(2020, 1, 1), "a file"),
        (Any, 1.5, "a file"),
    ],
)
def test_others_are_not_and_it_is_said_what_is_wanted(hint: Any, value: object, wanted: str) -> None:
    option = Option("o", hint)
    assert option.wanted == wanted
    with pytest.raises(ValueError, match=f"^{wanted} is wanted$"):
        option.read(value)


def test_a_file_is_relative_to_the_folder_and_has_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "data.npz").touch()
    option = Option("calibration", UserData)
    assert option.read("data.npz", tmp_path) == str(tmp_path / "data.npz")
    assert option.read(["data.npz"], tmp_path) == [str(tmp_path / "data.npz")]
    assert option.read(str(tmp_path / "data.npz")) == str(tmp_path / "data.npz")
    with pytest.raises(ValueError, match=r"other\.npz does not exist"):
        option.read("other.npz", tmp_path)


def test_data_in_memory_go_through() -> None:
    feeds = iter([{"x": 1}])
    assert Option("inputs", Any).read(feeds) is feeds
