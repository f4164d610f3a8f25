"""Models that look as if they could be fused, each with one condition broken, and what must stay of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx

from tests.regions import (
    near_misses_borders,
    near_misses_constants,
    near_misses_graph,
    near_misses_windows,
)
from tests.regions.builder import Builder, Feeds
from tests.regions.choices import Choices, Seeded
from tests.regions.near_misses_base import MAKERS

# Each registers what it makes.
MODULES = (near_misses_borders, near_misses_constants, near_misses_graph, near_misses_windows)


@dataclass(frozen=True)
class NearMiss:
    """`guarded` maps tensors to the operator that has to go on producing them: rewriting across it would be
    wrong, or would cost what it must not. Where it is empty the model may be rewritten, but only rightly.

    `evaluable` is false where neither evaluator can run the model: then only what is guarded can be checked.
    """

    condition: str
    model: onnx.ModelProto
    feeds: tuple[Feeds, ...]
    guarded: Mapping[str, str]
    evaluable: bool = True


def near_miss(condition: str, choices: Choices | None = None) -> NearMiss:
    """The near miss of this name, with random weights and, in part, random attributes."""
    entry = MAKERS[condition]
    b = Builder(choices or Seeded(0), entry.dtype, entry.opset)
    parts = entry.make(b)
    region = b.region(parts.outputs, **parts.model_fields)
    producers = {output: node.op_type for node in region.model.graph.node for output in node.output}
    guarded = {name: producers[name] for name in parts.guarded}
    return NearMiss(condition, region.model, region.feeds, guarded, parts.evaluable)


def conditions() -> list[str]:
    """Names of all broken conditions."""
    return sorted(MAKERS)
