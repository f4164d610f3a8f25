"""Which line of the user's model something happened at: frames of torch and of this package are looked past."""

from __future__ import annotations

import linecache
import os
import sys
import traceback
from types import CodeType

import torch

_SKIPPED = (os.path.dirname(torch.__file__) + os.sep, os.path.dirname(os.path.dirname(__file__)) + os.sep)


def _is_users(code: CodeType) -> bool:
    return not code.co_filename.startswith(_SKIPPED) and not code.co_filename.startswith("<")


def _described(filename: str, number: int, function: str) -> str:
    text = linecache.getline(filename, number).strip()
    return f"{os.path.basename(filename)}:{number} in {function}" + (f": `{text}`" if text else "")


def current_line() -> str:
    """The innermost line of the user's code that is being executed."""
    frame = sys._getframe(1)
    while frame is not None:
        if _is_users(frame.f_code):
            return _described(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        if frame.f_back is None:
            break
        frame = frame.f_back
    return "an unknown line"


def failing_place(error: BaseException) -> str:
    """The innermost line of the user's code that an exception passed through (`at net.py:3 in f: `), or nothing."""
    lines = [
        _described(frame.f_code.co_filename, number, frame.f_code.co_name)
        for frame, number in traceback.walk_tb(error.__traceback__)
        if _is_users(frame.f_code)
    ]
    return f"at {lines[-1]}: " if lines else ""


def failing_line(error: BaseException) -> str:
    """The innermost line of the user's code that an exception passed through, and what it says."""
    return f"{failing_place(error)}{' '.join(str(error).split())}".rstrip(".")
