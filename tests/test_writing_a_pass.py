"""The page on writing a pass: its code runs, and the pass on it does what its numbered cases say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

import graphmorph
from graphmorph.testing import assert_equivalent

PAGE = Path(__file__).resolve().parents[1] / "docs" / "writing-a-pass.md"
MakeModel = Callable[..., Path]


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What the Python blocks of the page define."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    defined: dict[str, Any] = {}
    # Not inherited: this file's own `from __future__ import annotations`, which the page does not have.
    exec(compile("\n".join(blocks), str(PAGE), "exec", dont_inherit=True), defined)
    return defined


@pytest.fixture
def two_relu(tmp_path: Path) -> MakeModel:
    """x -> Relu -> between -> Relu -> y, with `extra` outputs."""

    def make(extra: tuple[str, ...] = (), domain: str = "") -> Path:
        nodes = [
            helper.make_node("Relu", ["x"], ["between"], "inner"),
            helper.make_node("Relu", ["between"], ["y"], "outer", domain=domain),
        ]
        shape = [2, 3]
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("y", *extra)]
        graph = helper.make_graph(nodes, "two", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)], outputs)
        opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
        path = tmp_path / "two.onnx"
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
        return path

    return make


def run(page: dict[str, Any], path: Path) -> tuple[graphmorph.Graph, Any]:
    graph = graphmorph.load(path)
    result = page["manager"].run(graph)
    (report,) = result.passes
    return graph, report


def test_case_1_two_become_one(page: dict[str, Any], two_relu: MakeModel, tmp_path: Path) -> None:
    path = two_relu()
    graph, report = run(page, path)
    assert [(node.op, node.name) for node in graph.nodes] == [("Relu", "outer")]
    assert [rewrite.summary for rewrite in report.rewrites] == ["2 Relu became 1"]
    assert report.refusals == []
    graphmorph.save(graph, tmp_path / "one.onnx")
    assert_equivalent(path, tmp_path / "one.onnx")


def test_case_2_the_inner_one_is_an_output(page: dict[str, Any], two_relu: MakeModel) -> None:
    graph, report = run(page, two_relu(extra=("between",)))
    assert len(graph.nodes) == 2
    assert [(one.node, one.reason) for one in report.refusals] == [("outer", "between is also read elsewhere")]


def test_case_3_another_domain(page: dict[str, Any], two_relu: MakeModel) -> None:
    graph, report = run(page, two_relu(domain="example.custom"))
    assert len(graph.nodes) == 2
    assert report.refusals == []
    assert report.rewrites == []


def test_the_page_names_the_entry_point_group() -> None:
    from graphmorph.registry import GROUP

    assert f'[project.entry-points."{GROUP}"]' in PAGE.read_text()
