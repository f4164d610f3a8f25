"""The child's side: read requests from stdin, answer on stdout, until the parent closes the pipe.

A child for sessions imports numpy and onnxruntime at start; anything else is imported by the requests that need it.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from graphmorph.runtime.protocol import Message, arrays_of, receive, send
from graphmorph.runtime.reasons import RefusedModelError, describe

if TYPE_CHECKING:
    from graphmorph.runtime.sessions import Sessions


@cache
def _sessions() -> Sessions:
    from graphmorph.runtime.sessions import Sessions

    return Sessions()


def main(role: str) -> None:
    """Serve until the parent is gone."""
    if role == "sessions":
        _sessions()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # native code that prints must not write into the answers
    requests = sys.stdin.buffer.raw if hasattr(sys.stdin.buffer, "raw") else sys.stdin.buffer
    while True:
        try:
            request = receive(requests)
        except EOFError:
            return
        answer = _answer(request)
        try:
            send(answers, answer)
        except BrokenPipeError:
            return


def _answer(request: Message) -> Message:
    try:
        return _dispatch(request)
    except RefusedModelError as refusal:
        return Message({"error": {"type": "file", "message": str(refusal), "unsupported": False}})
    except MemoryError:
        return Message({"error": {"type": "run", "message": "out of memory", "unsupported": False}})
    except Exception as error:  # noqa: BLE001 - onnxruntime's exceptions share no narrower base class
        message, unsupported = describe(error)
        return Message({"error": {"type": "run", "message": message, "unsupported": unsupported}})


def _arrays(arrays: dict[str, np.ndarray]) -> Message:
    return Message({}, {**arrays})


def _in_session(session: int, request: Message) -> Message:
    kind = request.header["kind"]
    if kind == "run":
        return _arrays(_sessions().run(session, request.payloads))
    if kind == "shapes":
        return Message({"shapes": _sessions().shapes(session, request.payloads)})
    if kind == "time":
        return Message({"seconds": _sessions().time(session, request.payloads, int(request.header["repeats"]))})
    if kind == "close":
        _sessions().close(session)
        return Message({})
    raise ValueError(f"unknown request {kind!r} to a session")


def _dispatch(request: Message) -> Message:
    header: dict[str, Any] = request.header
    kind = header["kind"]
    model: Any = request.payloads.get("model", header.get("path"))
    if kind == "ping":
        return Message({"pid": os.getpid()})
    if kind == "open":
        return Message(_sessions().open(model, header))
    if "session" in header:
        return _in_session(header["session"], request)
    if kind == "fold_constants":
        from graphmorph.runtime.sessions import fold_constants

        return _arrays(fold_constants(model, header["max_bytes"]))
    if kind == "evaluate":
        from graphmorph.runtime.sessions import evaluate

        return _arrays(evaluate(model))
    if kind == "infer_shapes":
        from graphmorph.runtime.onnx_checks import infer_shapes

        return Message({"facts": infer_shapes(model)})
    if kind == "check_model":
        from graphmorph.runtime.onnx_checks import check_model

        check_model(model)
        return Message({})
    if kind == "outline":
        from graphmorph.runtime.outline import outline

        return Message(outline(model))
    if kind == "run_in_double":
        from graphmorph.runtime.double import run_in_double

        feeds = {name: array for name, array in arrays_of(request).items() if name != "model"}
        return _arrays(run_in_double(header["path"], feeds))
    if kind == "limit_memory":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (header["bytes"], header["bytes"]))
        return Message({})
    raise ValueError(f"unknown request {kind!r}")
