"""Turn what onnxruntime and onnx raise into one clean line."""

from __future__ import annotations

import re

_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : (?P<code>[A-Z_]+) : ")
_SOURCE = re.compile(r"\S*/onnxruntime/\S+?:\d+\s+(?:[\w:~<>,&*\s]+\([^)]*\)\s*(?:const\s*)?)?")
_EXCEPTION = re.compile(r"^Exception during (?:initialization|loading): ")
_LAMBDA = re.compile(r"^\s*(?:::)?<lambda\(\)> ")
_UNSUPPORTED = re.compile(
    r"NOT_IMPLEMENTED|could not find an implementation|is not a registered function/op|no op registered for"
    r"|no opset (?:import|domain)|does not have a kernel|unsupported model ir version|unsupported type"
    r"|only guarantees? support|is under development and support|no kernel|not implemented"
    r"|type 'tensor\(bfloat16\)' of input parameter",  # older operators, as exporters write them
    re.IGNORECASE,
)
_MAX_LENGTH = 400


class RefusedModelError(Exception):
    """The checker refuses the file; the message is one line."""


def describe(error: BaseException) -> tuple[str, bool]:
    """One line on what went wrong, and whether it is a missing kernel or operator rather than a bad model."""
    text = str(error).strip()
    return one_line(text) or type(error).__name__, bool(_UNSUPPORTED.search(text))


def one_line(text: str) -> str:
    """The part of a native error message that a user can act on, in one line without source file names."""
    text = _PREFIX.sub("", text.strip())
    text = _EXCEPTION.sub("", text)
    text = _LAMBDA.sub("", _SOURCE.sub("", text))
    joined = " ".join(part.strip() for part in text.splitlines() if part.strip())
    printable = "".join(char if char.isprintable() else "?" for char in joined)
    return printable if len(printable) <= _MAX_LENGTH else printable[: _MAX_LENGTH - 3] + "..."
