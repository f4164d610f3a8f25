"""Options of steps: read off the signatures of the functions and the fields of the passes that take them."""

from __future__ import annotations

import builtins
import datetime
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from inspect import Parameter, signature
from numbers import Integral, Number, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

#: The default of an option that has none.
REQUIRED = Parameter.empty

#: Options that name a file although a pass declares them as texts.
_FILES = frozenset({"calibration"})

_SCALARS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
_LISTED = {int: "whole numbers", float: "numbers", str: "texts"}


@dataclass(frozen=True)
class Option:
    """hint: the type that the function or the pass declares; Any where it needs torch to be known."""

    name: str
    hint: Any
    default: Any = REQUIRED

    @property
    def wanted(self) -> str:
        """What a value has to be, in words."""
        return "a file" if self.is_file else _wanted_by(self.hint)

    @property
    def is_file(self) -> bool:
        """Whether a text can only mean a file: beside data in memory, or of a type that is not known here."""
        return self.name in _FILES or any(
            arm is Any or os.PathLike in (arm, get_origin(arm)) for arm in _arms(self.hint)
        )

    def read(self, value: Any, beside: Path | None = None) -> Any:
        """A value as the function takes it; the path of a file is relative to the folder `beside`.

        Raises:
            ValueError: it is of another type, or a file that is not there.
        """
        return _file_or_data(value, beside) if self.is_file else _as_hint(value, self.hint)


def options_of(function: Callable[..., Any]) -> dict[str, Option]:
    """Keyword options of a function, and those of an unpacked TypedDict that it does not name itself."""
    hints = _hints(function)
    own: dict[str, Option] = {}
    unpacked: dict[str, Option] = {}
    for name, parameter in signature(function).parameters.items():
        if parameter.kind is Parameter.KEYWORD_ONLY:
            own[name] = Option(name, hints[name], parameter.default)
        elif parameter.kind is Parameter.VAR_KEYWORD:
            unpacked = {key: one for kind in get_args(hints[name]) for key, one in options_of_typed_dict(kind).items()}
    return {**own, **{name: one for name, one in unpacked.items() if name not in own}}


def options_of_typed_dict(kind: type) -> dict[str, Option]:
    """The keys of a TypedDict, none of which is required."""
    hints = _hints(kind)
    return {name: Option(name, hint, None) for name, hint in hints.items()}


def options_of_pass(kind: type, defaults: Mapping[str, Any]) -> dict[str, Option]:
    """The fields of a pass that users set."""
    hints = get_type_hints(kind)
    return {name: Option(name, hints[name], default) for name, default in defaults.items()}


class _Known(dict[str, Any]):
    """Names of a module; those that it imports for type checkers alone mean Any."""

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name) or name.startswith("__"):
            raise KeyError(name)
        return Any


def _hints(owner: Any) -> dict[str, Any]:
    return get_type_hints(owner, localns=_Known(vars(sys.modules[owner.__module__])))


def _arms(hint: Any) -> Iterator[Any]:
    if get_origin(hint) in (Union, UnionType):
        for one in get_args(hint):
            yield from _arms(one)
    else:
        yield hint


def _wanted_by(hint: Any) -> str:
    return " or ".join(dict.fromkeys(text for arm in _arms(hint) if (text := _wanted(arm))))


def _wanted(arm: Any) -> str:
    origin, arguments = get_origin(arm), get_args(arm)
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if not isinstance(origin, type):
        return _SCALARS.get(arm, "")
    return "a table" if issubclass(origin, Mapping) else f"a list of {_LISTED.get(arguments[0], 'values')}"


def _file_or_data(value: Any, beside: Path | None) -> Any:
    if isinstance(value, Number | datetime.date | datetime.time):
        raise ValueError("a file is wanted")
    if isinstance(value, list | tuple) and all(isinstance(one, str | os.PathLike) for one in value):
        return [_existing(one, beside) for one in value]
    return _existing(value, beside) if isinstance(value, str | os.PathLike) else value


def _existing(value: str | os.PathLike[str], beside: Path | None) -> str:
    path = (beside or Path()) / value
    if not path.exists():
        raise ValueError(f"{path} does not exist")
    return str(path)


def _as_hint(value: Any, hint: Any) -> Any:
    for arm in _arms(hint):
        with suppress(ValueError):
            return _as_arm(value, arm)
    raise ValueError(f"{_wanted_by(hint)} is wanted")


def _as_arm(value: Any, arm: Any) -> Any:
    origin, arguments = get_origin(arm), get_args(arm)
    if arm is Any:
        return value
    if origin is Literal:
        return arguments[[(type(one), one) for one in arguments].index((type(value), value))]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: _as_hint(entry, arguments[1]) for key, entry in _only(value, Mapping).items()}
    if isinstance(origin, type) and issubclass(origin, Iterable):
        entries = (value,) if isinstance(value, str) else _only(value, list | tuple | set | frozenset)
        return tuple(_as_hint(entry, arguments[0]) for entry in entries)
    return _as_scalar(value, arm)


def _as_scalar(value: Any, kind: Any) -> Any:
    if kind in (int, float):
        number = _only(value, Integral if kind is int else Real)
        if isinstance(number, bool):
            raise ValueError
        return kind(number)
    return _only(value, NoneType if kind is None else kind)


def _only(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise ValueError
    return value
