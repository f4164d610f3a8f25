"""The checks pass a right rewrite and catch wrong ones; the mutants of a right one are caught too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_graphsurgeon as gs
import pytest

from graphmorph.graph import Graph
from tests.regions.check import MismatchError, check_near_miss, check_region
from tests.regions.fuzz import fuzz
from tests.regions.generator import random_region
from tests.regions.mutants import Mutant, judge, table
from tests.regions.naive import fold_normalization
from tests.regions.near_misses import near_miss


def test_a_right_rewrite_passes_and_does_something() -> None:
    tally = fuzz(fold_normalization, 0, 150, near_misses=True)
    assert tally.changed > 20
    assert tally.near_misses > 60
    assert tally.nodes_after < tally.nodes_before


def _first(graph: Graph, op: str) -> gs.Node:
    return next(node for node in graph.nodes if node.op == op)


def _nudged(graph: Graph) -> Graph:
    """One weight wrong by a millionth."""
    conv = _first(graph, "Conv")
    values = np.array(conv.inputs[1].values)
    values.flat[np.argmax(np.abs(values))] *= 1 + 1e-6
    conv.inputs[1] = gs.Constant("nudged", values)
    return graph


def _renamed(graph: Graph) -> Graph:
    graph.outputs[0].name = "renamed"
    return graph


def _unpadded(graph: Graph) -> Graph:
    for node in graph.nodes:
        node.attrs.pop("pads", None)
    return graph


@pytest.mark.parametrize("wrong", [_nudged, _renamed, _unpadded])
def test_wrong_rewrites_are_caught(wrong: object) -> None:
    region = next(
        r
        for r in map(random_region, range(500))
        if {"float64", "Conv", "2-d"} <= r.features
        and not {"constant node", "nonlinear reader"} & r.features
        and any(a.name == "pads" and any(a.ints) for n in r.model.graph.node for a in n.attribute)
    )
    with pytest.raises(MismatchError) as caught:
        check_region(region, wrong)  # type: ignore[arg-type]
    assert "--- before" in str(caught.value)
    assert "--- after" in str(caught.value)


def test_a_guarded_node_must_stay() -> None:
    def careless(graph: Graph) -> Graph:
        node = _first(graph, "Mul")
        node.op = "Add"
        return graph

    with pytest.raises(MismatchError, match=r"Mul by a full tensor: 'mul_.*' was to stay the output of Mul"):
        check_near_miss(near_miss("Mul by a full tensor"), careless)


def test_mutants_are_caught_and_survivors_counted() -> None:
    file = "tests/regions/naive.py"
    mutants = [
        Mutant("mean forgotten", file, "((bias - mean) * factor + shift)", "(bias * factor + shift)"),
        Mutant("second reader", file, "plain and readers[name] == 1 and", "plain and readers[name] > 0 and"),
        Mutant("nothing folded", file, "if plain and readers[name] == 1", "if plain and readers[name] == 99"),
        Mutant("no change", file, "for node in list(graph.nodes):", "for node in [*graph.nodes]:"),
    ]
    judged = judge(mutants, "tests.regions.naive:fold_normalization", last=40)
    assert [item.fate for item in judged] == ["mismatch", "mismatch", "other rewrites", "survived"]
    assert table(judged).endswith("3 of 4 caught")


def test_a_mutant_whose_line_is_gone_is_an_error() -> None:
    gone = Mutant("gone", "tests/regions/naive.py", "no such line", "")
    with pytest.raises(ValueError, match="has 0 times"):
        judge([gone], "tests.regions.naive:fold_normalization", last=1)
    assert "no such line" not in Path(__file__).with_name("naive.py").read_text()
