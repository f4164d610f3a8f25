"""`--set PASS.OPTION=VALUE`: the frozen dataclass fields of a pass are its options, and type the values."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

import click

from graphmorph.cli.options import combined, keep_option, repeated_names

if TYPE_CHECKING:
    from graphmorph import Rewrite

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})


def parse_settings(_ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """Option callback: (pass, option, text) of each; a text is typed once the pass is known."""
    settings = []
    for value in values:
        path, equals, text = value.partition("=")
        pass_name, dot, option = path.partition(".")
        if not (equals and dot and pass_name and option):
            raise click.BadParameter(f"{value!r} is not of the form PASS.OPTION=VALUE", param=param, param_hint="--set")
        settings.append((pass_name, option.replace("-", "_"), text))
    return settings


pass_options = combined(
    repeated_names("--only", metavar="PASS", help="Run these passes and no other."),
    repeated_names("--skip", metavar="PASS", help="Run all passes but these."),
    keep_option,
    click.option(
        "--set",
        "settings",
        multiple=True,
        callback=parse_settings,
        metavar="PASS.OPTION=VALUE",
        help="Option of a pass (repeatable); `graphmorph passes` lists them.",
    ),
)


def options_of_passes(settings: list[tuple[str, str, str]]) -> dict[str, dict[str, Any]]:
    """The values of --set, typed by the passes' own fields."""
    if not settings:
        return {}
    from graphmorph.registry import available

    return typed_options(settings, available())


def typed_options(
    settings: list[tuple[str, str, str]], available: dict[str, type[Rewrite]]
) -> dict[str, dict[str, Any]]:
    """Options by pass name, each value read as the type of its field.

    Raises:
        click.BadParameter: no such pass, no such option, or a value that the option's type does not take.
    """
    result: dict[str, dict[str, Any]] = {}
    for pass_name, option, text in settings:
        if pass_name not in available:
            raise _bad(f"no pass is called {pass_name!r}; there are {', '.join(sorted(available))}")
        hints = option_types(available[pass_name])
        if option not in hints:
            known = ", ".join(hints) or "none"
            raise _bad(f"{pass_name} has no option {option!r}; its options: {known}")
        try:
            result.setdefault(pass_name, {})[option] = read_value(text, hints[option])
        except ValueError as error:
            raise _bad(f"{pass_name}.{option}: {error}") from error
    return result


def option_types(rewrite: type[Rewrite]) -> dict[str, Any]:
    """Declared type of each option."""
    hints = get_type_hints(rewrite)
    return {name: hints[name] for name in rewrite.options()}


def read_value(text: str, hint: Any) -> Any:
    """`text` as a value of type `hint`: bool, int, float, str, a Literal, `T | None`, tuple[T, ...].

    Raises:
        ValueError: `text` is no such value.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if text.lower() == "none" and NoneType in arguments:
            return None
        return read_value(text, next(argument for argument in arguments if argument is not NoneType))
    if origin is Literal:
        for choice in arguments:
            if str(choice) == text:
                return choice
        raise ValueError(f"{text!r} is none of {', '.join(map(str, arguments))}")
    if origin is tuple:
        return tuple(read_value(part.strip(), arguments[0]) for part in text.split(",") if part.strip())
    return _read_scalar(text, hint)


def _read_scalar(text: str, hint: Any) -> bool | int | float | str:
    if hint is bool:
        if text.lower() in TRUE_WORDS | FALSE_WORDS:
            return text.lower() in TRUE_WORDS
        raise ValueError(f"{text!r} is neither true nor false")
    if hint is int or hint is float:
        try:
            number: int | float = hint(text)
        except ValueError:
            raise ValueError(f"{text!r} is no {'whole number' if hint is int else 'number'}") from None
        return number
    return text


def _bad(message: str) -> click.BadParameter:
    return click.BadParameter(message, param_hint="--set")
