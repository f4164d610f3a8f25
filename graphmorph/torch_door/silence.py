"""Silence for what prints, logs and warns about its own internals, from Python and from C++."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def silenced() -> Iterator[list[warnings.WarningMessage]]:
    """Nothing is printed or logged meanwhile; warnings are collected instead."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(record=True) as caught,
            open(os.devnull, "w", encoding="utf-8") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
            _descriptor(1),
            _descriptor(2),
        ):
            warnings.simplefilter("always")
            yield caught
    finally:
        logging.disable(disabled)


@contextlib.contextmanager
def _descriptor(number: int) -> Iterator[None]:
    """Send a file descriptor nowhere, which is where C++ code writes without asking Python."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed:
            stream.flush()
    try:
        saved = os.dup(number)
    except OSError:  # a process without that stream
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
        yield
    finally:
        os.dup2(saved, number)
        os.close(saved)
