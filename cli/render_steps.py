"""The steps of a pipeline and their options on the terminal, read off the functions and passes themselves."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from graphmorph.cli.terminal import body, table
from graphmorph.steps.kinds import PIPELINE_OPTIONS, kind_named, step_names
from graphmorph.steps.options import REQUIRED, Option


def render_steps() -> RenderableType:
    """What may stand in a pipeline: at the top, and in each step."""
    parts: list[RenderableType] = [
        _title("at the top of the file", "for all steps"),
        _options(PIPELINE_OPTIONS.values(), with_defaults=False),
    ]
    for name in step_names():
        kind = kind_named(name)
        parts += [Text(), _title(f'run = "{kind.name}"', kind.summary), _options(kind.options.values())]
    return Group(*parts)


def _title(text: str, remark: str) -> Text:
    return Text.assemble((text, "bold"), "  ", (remark, "dim"))


def _options(options: Iterable[Option], *, with_defaults: bool = True) -> RenderableType:
    result = table("option", "value", *(["default"] if with_defaults else []), numbers_from=9)
    for one in options:
        result.add_row(one.name, one.wanted, *([_default(one)] if with_defaults else []))
    return body(result)


def _default(option: Option) -> str:
    if option.default is REQUIRED:
        return "required"
    if option.default is None or option.default == ():
        return ""
    return str(option.default).lower() if isinstance(option.default, bool) else str(option.default)
