"""Reads a pipeline, from a TOML file or from plain data, and checks all of it before anything runs."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from graphmorph.errors import UsageError
from graphmorph.proof.labels import is_array_name, read_labels
from graphmorph.steps.kinds import PIPELINE_OPTIONS, StepKind, kind_named
from graphmorph.steps.options import REQUIRED, Option

PipelineSource = str | os.PathLike[str] | Mapping[str, Any] | Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Step:
    """asked: the options as they were given. options: the same as the function takes them."""

    number: int
    kind: StepKind
    asked: Mapping[str, Any]
    options: Mapping[str, Any]

    def __str__(self) -> str:
        return f"step {self.number} ({self.kind.name})"


@dataclass(frozen=True)
class Pipeline:
    """shared: what holds for all steps, as the functions take it (the seed of everything is `seed`)."""

    name: str
    steps: tuple[Step, ...]
    shared: Mapping[str, Any]


def read_pipeline(source: PipelineSource, overriding: Mapping[str, Any] | None = None) -> Pipeline:
    """A pipeline from a file, from a table as the file has it, or from a list of steps.

    overriding: options of the whole pipeline that go before its own; their files are not relative to it.

    Raises:
        UsageError: the file cannot be read, or something in it is unknown, missing or of another type; one line.
    """
    name, table, folder = _opened(source)
    tables = table.pop("step", ())
    if isinstance(tables, Mapping) or not isinstance(tables, Sequence) or not tables:
        raise UsageError(f'{name}: there is no step; each begins with [[step]] and a line like run = "fuse"')
    steps = tuple(_step(number, one, name, folder) for number, one in enumerate(tables, 1))
    what = f"{name}: at the top, there is no option"
    given = _read(table, PIPELINE_OPTIONS, folder, f"{name}: ", what)
    given |= _read(dict(overriding or {}), PIPELINE_OPTIONS, None, "", "a pipeline has no option")
    return Pipeline(name, steps, {**given, **_labels(given)})


def _opened(source: PipelineSource) -> tuple[str, dict[str, Any], Path | None]:
    if not isinstance(source, str | os.PathLike):
        return "pipeline", dict(source) if isinstance(source, Mapping) else {"step": source}, None
    path = Path(source)
    try:
        with path.open("rb") as file:
            return str(path), tomllib.load(file), path.parent
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not TOML: {error}") from error


def _step(number: int, table: Any, name: str, folder: Path | None) -> Step:
    where = f"{name}: step {number}"
    if not isinstance(table, Mapping) or not isinstance(table.get("run"), str):
        raise UsageError(f'{where}: say what it does, as in run = "fuse"')
    try:
        kind = kind_named(table["run"])
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    where = f"{where} ({kind.name})"
    asked = {option: value for option, value in table.items() if option != "run"}
    options = _read(asked, kind.options, folder, f"{where}: ", f"{where} has no option")
    missing = [one.name for one in kind.options.values() if one.default is REQUIRED and one.name not in options]
    if missing:
        raise UsageError(f"{where} needs {missing[0]}: {kind.options[missing[0]].wanted}")
    try:
        if kind.check is not None:
            kind.check(options)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    return Step(number, kind, asked, options)


def _read(
    given: Mapping[str, Any], known: Mapping[str, Option], folder: Path | None, where: str, unknown: str
) -> dict[str, Any]:
    """Values by the names of the functions, which a file may write with dashes."""
    found: dict[str, Any] = {}
    for written, value in given.items():
        name = str(written).replace("-", "_")
        if name not in known:
            raise UsageError(f"{unknown} {written}{_advice(name, known)}")
        if name in found:
            raise UsageError(f"{where}{name} is given twice")
        try:
            found[name] = _value(known[name], value, folder)
        except ValueError as error:
            shown = os.fspath(value) if isinstance(value, os.PathLike) else value
            raise UsageError(f"{where}{written} = {shown!r}: {error}") from error
    return found


def _advice(name: str, known: Mapping[str, Option]) -> str:
    if name in PIPELINE_OPTIONS:
        return ": it is for the whole pipeline, so put it at the top of the file, before the first [[step]]"
    near = get_close_matches(name, known, 1)
    return f"{f': did you mean {near[0]}?' if near else ';'} There are {', '.join(known) or 'none'}"


def _value(option: Option, value: Any, folder: Path | None) -> Any:
    if option.name == "labels" and isinstance(value, str | os.PathLike):
        return _Unread(os.fspath(value), folder)  # a file, or an array of the inputs: which, they say
    read = option.read(value, folder)
    if option.name == "custom_ops":
        return tuple(str((folder or Path()) / one) for one in read)
    return read


@dataclass(frozen=True)
class _Unread:
    """Labels that are known once the inputs are."""

    text: str
    folder: Path | None


def _labels(given: Mapping[str, Any]) -> dict[str, Any]:
    labels, inputs = given.get("labels"), given.get("inputs")
    if not isinstance(labels, _Unread):
        return {}
    file = Path(inputs) if isinstance(inputs, str | os.PathLike) else None
    text = labels.text
    if file is not None and not is_array_name(text, file):
        text = str((labels.folder or Path()) / text)
    return {"labels": read_labels(text, file)}
