"""A click group that imports a command's module only when that command is called or its own help is shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click

BROKEN_PIPE = 141


class Entry(NamedTuple):
    """Where a command lives, and the line that the group's help shows for it."""

    module: str
    attribute: str
    summary: str


class LazyGroup(click.Group):
    """Group over a table of entries, so that the group's own help costs no import."""

    def __init__(self, *, name: str, help: str, entries: Mapping[str, Entry]) -> None:
        super().__init__(name=name, help=help, context_settings={"help_option_names": ["-h", "--help"]})
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        command = getattr(import_module(entry.module), entry.attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self.entries.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. When the reader of stdout goes away (`| head`), leave as quietly as the shell."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Otherwise the interpreter flushes stdout once more on its way out, and complains.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(BROKEN_PIPE)
