"""The pass `insert-layer` by itself, run by a pass manager."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphmorph import registry
from graphmorph.errors import UsageError
from graphmorph.manager import PassManager
from graphmorph.onnx_door import load, to_model
from graphmorph.passes.insert_layer import InsertLayer
from graphmorph.runtime import Runtime
from tests.graphmorph.layer_insertion import networks
from tests.graphmorph.layer_insertion.networks import change, images, outputs
from tests.passes.text_models import Ran

LINEAR: dict[str, Any] = {"activation": "leaky-relu", "slope": 1.0, "ridge": 0.0, "kernel": (1,), "positions": 0}


def run(runtime: Runtime, **options: Any) -> Ran:
    model = networks.convolutions()
    graph = load(model)
    return Ran(model, graph, PassManager([InsertLayer(**options)], runtime=runtime).run(graph))


def test_it_inserts_once(runtime: Runtime) -> None:
    ran = run(runtime, after="a", data=images(), channels=12, survivors=4, **LINEAR)
    assert ran.summaries == ["insert a_inserted (convolution, 12 -> 4 channels) after a (4 channels), read by Conv d"]
    assert ran.ops["Conv"] == 4
    assert ran.edits[:2] == (0, 2)
    assert change(outputs(ran.before, images(3)), outputs(ran.after, images(3))) < 1e-4


def test_data_may_be_named_in_the_options(runtime: Runtime, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=images()["x"])
    named = run(runtime, after="a", calibration=str(tmp_path / "data.npz"), survivors=5)
    given = run(runtime, after="a", data=images(), survivors=5)
    assert named.after == given.after


def test_its_kind_is_that_of_its_algorithm(runtime: Runtime) -> None:
    assert InsertLayer(after="a").kind == "approximate"
    assert InsertLayer(after="a", algorithm="net2deeper").kind == "exact"
    ran = run(runtime, after="a", algorithm="net2deeper")
    assert np.array_equal(outputs(ran.before, images(2)), outputs(ran.after, images(2)))


def test_a_graph_is_left_alone_where_nothing_can_go(runtime: Runtime) -> None:
    model = networks.convolutions()
    graph = load(model)
    manager = PassManager([InsertLayer(after="nothing", data=images())], runtime=runtime)
    with pytest.raises(UsageError, match="no node or tensor nothing"):
        manager.run(graph)
    assert to_model(graph) == to_model(load(model))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "insert-layer needs after"),
        ({"after": "a", "algorithm": "best"}, "algorithm is best; give one of"),
        ({"after": "a", "survivors": 0}, "survivors 0: must be at least 1"),
        ({"after": "a", "algorithm": "net2deeper", "survivors": 3}, "net2deeper drops no channels"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str, runtime: Runtime) -> None:
    with pytest.raises(UsageError, match=message):
        run(runtime, data=images(4), **options)


def test_no_data(runtime: Runtime) -> None:
    with pytest.raises(UsageError, match="compnet-3 looks at activations: give calibration data"):
        run(runtime, after="a")


def test_it_is_registered() -> None:
    assert registry.load("insert-layer") is InsertLayer
