"""Reports as JSON: strict JSON, in which a number that is not finite is written as a string."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import click

STDOUT = "-"


def write_json(document: dict[str, Any], target: str) -> None:
    """Write `document` to the file `target`, or to stdout for `-`."""
    text = json.dumps(strict(document), indent=2, allow_nan=False, default=str) + "\n"
    if target == STDOUT:
        click.echo(text, nl=False)
    else:
        Path(target).write_text(text, encoding="utf-8")


def strict(value: Any) -> Any:
    """`value` with "nan", "inf" and "-inf" in place of the floats that JSON has no word for."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): strict(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(entry) for entry in value]
    return value
