"""What tests of every folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from graphmorph.runtime import Runtime


@pytest.fixture(scope="session")
def runtime() -> Iterator[Runtime]:
    """One child process for all tests that need onnx's and onnxruntime's opinion."""
    with Runtime() as one:
        yield one
