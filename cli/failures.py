"""The one place where exceptions become one line on stderr and an exit code."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from graphmorph.errors import GraphmorphError

TRACEBACK_VARIABLE = "GRAPHMORPH_TRACEBACK"
COULD_NOT = 2
INTERRUPTED = 130


def exit_code_of(action: Callable[[], Any]) -> int:
    """Run `action`, whose result is an exit code or None; a failure is one line on stderr and its own code.

    With GRAPHMORPH_TRACEBACK set (and not empty) the exception is raised instead: Python shows where.
    """
    try:
        return int(action() or 0)
    except (click.exceptions.Abort, KeyboardInterrupt):
        complain("interrupted")
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return COULD_NOT
    except click.UsageError as error:
        _maybe_raise()
        complain(f"{error.format_message()}{_help_hint(error)}")
        return COULD_NOT
    except click.ClickException as error:
        _maybe_raise()
        complain(error.format_message())
        return COULD_NOT
    except GraphmorphError as error:
        _maybe_raise()
        complain(str(error))
        return error.exit_code
    except OSError as error:
        _maybe_raise()
        complain(_of_the_system(error))
        return COULD_NOT
    except Exception as error:  # noqa: BLE001 - the last resort: a bug of ours must not print a traceback
        _maybe_raise()
        complain(
            f"internal error: {type(error).__name__}: {error} "
            f"(set {TRACEBACK_VARIABLE}=1 to see the traceback; please report it)"
        )
        return COULD_NOT


def complain(message: str) -> None:
    """Print `message` on stderr as exactly one line."""
    click.echo(f"graphmorph: error: {' '.join(message.split())}", err=True)


def _maybe_raise() -> None:
    """Inside an except block: raise the current exception again when the user wants tracebacks."""
    if os.environ.get(TRACEBACK_VARIABLE):
        raise


def _help_hint(error: click.UsageError) -> str:
    return f" (see `{error.ctx.command_path} --help`)" if error.ctx is not None else ""


def _of_the_system(error: OSError) -> str:
    """An OSError without its number: `model.onnx: No such file or directory`."""
    if error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
