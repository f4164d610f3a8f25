"""Where the reports go: a rich console on stdout, and what all renderings share."""

from __future__ import annotations

from typing import NoReturn

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

PLAIN_WIDTH = 120  # where the output is no terminal (a log, a pipe), lines need not wrap at 80

INDENT = 2


class ReportConsole(Console):
    """A console that leaves a broken pipe to the command line's own handling, which knows the exit codes."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


def report_console() -> ReportConsole:
    """The console that reports are printed to."""
    console = ReportConsole(highlight=False, markup=False, emoji=False)
    return (
        console if console.is_terminal else ReportConsole(highlight=False, markup=False, emoji=False, width=PLAIN_WIDTH)
    )


def table(*columns: str, numbers_from: int = 1) -> Table:
    """A light table: column titles in dim, no frame; columns from `numbers_from` on are right-aligned."""
    result = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, show_edge=False, padding=(0, 1))
    for index, title in enumerate(columns):
        result.add_column(title, justify="right" if index >= numbers_from else "left", overflow="fold")
    return result


def body(renderable: RenderableType) -> Padding:
    """A section's body, indented under its heading."""
    return Padding(renderable, (0, 0, 0, INDENT), expand=False)


def heading(text: str, remark: str = "") -> Text:
    """A section's title, with a remark in dim behind it."""
    return Text.assemble("\n", (text, "bold"), ("  " + remark if remark else "", "dim"))


def indented(text: str, style: str = "") -> Text:
    """One line of a section's body."""
    return Text(" " * INDENT + text, style=style)
