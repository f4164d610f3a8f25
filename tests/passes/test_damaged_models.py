"""Models with flipped bits: the whole pipeline ends in a result or in an error of ours, never in another exception."""

from __future__ import annotations

import random

import pytest

from graphmorph.errors import GraphmorphError
from graphmorph.manager import PassManager
from graphmorph.models.example import model_path
from graphmorph.onnx_door import load, to_model
from graphmorph.pipeline import passes_for
from graphmorph.runtime import Runtime


def survive(flips: int, seed: int) -> dict[str, int]:
    """Run the pipeline on `flips` damaged copies of the example; counts of results and of errors."""
    original = model_path().read_bytes()
    generator = random.Random(seed)
    counts = {"rewritten": 0, "refused": 0}
    messages: list[str] = []
    with Runtime(timeout_s=60) as runtime:
        for _ in range(flips):
            damaged = bytearray(original)
            for _ in range(generator.choice((1, 1, 1, 2, 5))):
                damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
            try:
                result = PassManager(passes_for(), runtime=runtime).run(load(bytes(damaged)))
                to_model(result.graph)
                counts["rewritten"] += 1
            except GraphmorphError as error:
                messages.append(str(error))
                counts["refused"] += 1
    assert all(message.strip() and "\n" not in message for message in messages)
    return counts


def test_a_few_hundred_flips() -> None:
    counts = survive(200, seed=1)
    assert counts["rewritten"] > 50
    assert counts["refused"] > 5


@pytest.mark.slow
def test_ten_thousand_flips() -> None:
    counts = survive(10_000, seed=2)
    assert sum(counts.values()) == 10_000
