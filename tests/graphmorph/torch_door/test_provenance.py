"""Every parameter of a materialised module knows what it was made from."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from hypothesis import given
from torch import nn

import graphmorph
from graphmorph.editor import Editor
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.journal import Journal, Slice
from graphmorph.torch_door import materialise, trace
from graphmorph.torch_door.provenance import ParameterOrigin, composed
from tests.graphmorph.torch_door.edits import node_of
from tests.graphmorph.torch_door.programs import SmallNet, images, program, rows
from tests.graphmorph.torch_door.slice_chains import by_numpy, chains, counted


@given(chains())
def test_composed_slices_take_what_the_chain_takes(chain: tuple[tuple[int, ...], list[Slice]]) -> None:
    shape, slices = chain
    whole = composed(slices, shape)
    assert len({one.axis for one in whole}) == len(whole)
    np.testing.assert_array_equal(by_numpy(counted(shape), list(whole)), by_numpy(counted(shape), slices))


def cut(graph: Graph, journal: Journal, node: str, index: int, axis: int, *taken: int, takes_over: bool = True) -> None:
    """Slice one constant."""
    editor, reader = Editor(graph, Facts(graph), journal), node_of(graph, node)
    editor.begin("test", reader.outputs[0].name)
    constant = editor.sliced(reader.inputs[index], (Slice(axis, taken),), takes_over=takes_over)
    editor.reread(reader, index, constant)
    editor.commit()
    editor.flush()


def test_what_nobody_touched_is_itself() -> None:
    module = SmallNet()
    module.unused = nn.Linear(2, 2)
    made = materialise(trace(module, images()))
    assert made.parameter_origins == {path: ParameterOrigin((path,)) for path, _ in module.named_parameters()}


def test_slices_of_slices_whatever_their_names() -> None:
    for takes_over in (True, False):
        graph, journal = trace(SmallNet(), images()), Journal()
        cut(graph, journal, "second", 1, 0, 3, 1, 0, takes_over=takes_over)
        cut(graph, journal, "second", 1, 1, 0, 1, 2, 3, 4, takes_over=takes_over)
        cut(graph, journal, "second", 1, 0, 2, 0, takes_over=takes_over)
        cut(graph, journal, "second", 2, 0, 0, 3, takes_over=takes_over)
        made = materialise(graph, journal)
        assert made.parameter_origins["second.weight"] == ParameterOrigin(
            ("second.weight",), (Slice(0, (0, 3)), Slice(1, (0, 1, 2, 3, 4)))
        )
        assert made.parameter_origins["features.0.weight"] == ParameterOrigin(("features.0.weight",))


def test_axes_are_those_of_the_module_where_the_graph_has_the_transpose() -> None:
    module = program(lambda m, x: m.layer(x) @ m.layer.weight, layer=nn.Linear(6, 4, bias=False))
    graph, journal = trace(module, rows()[:, None]), Journal()
    product = next(node for node in graph.nodes if node.op == "MatMul" and node.name != "layer")
    assert (node_of(graph, "layer").inputs[1].shape, product.inputs[1].shape) == ([6, 4], [4, 6])
    cut(graph, journal, "layer", 1, 1, 2, 0)
    cut(graph, journal, product.name, 1, 0, 2, 0)
    made = materialise(graph, journal)
    origins = {made.get_parameter(path).shape: origin for path, origin in made.parameter_origins.items()}
    # The second product is a layer of its own, which holds the weight the other way round.
    assert origins == {
        torch.Size((2, 6)): ParameterOrigin(("layer.weight",), (Slice(0, (2, 0)),)),
        torch.Size((6, 2)): ParameterOrigin(("layer.weight",), (Slice(0, (2, 0)),), transposed=True),
    }


def test_computed_parameters_name_all_that_went_into_them() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).eval()
    made = graphmorph.fuse(module, example_inputs=torch.zeros(1, 3, 4, 4))
    origin = made.parameter_origins["0.weight"]
    assert origin.slices is None
    assert origin.paths[0] == "0.weight"
    assert {"1.weight", "1.running_var"} <= set(origin.paths)


def test_parameters_made_of_nothing_have_no_origin() -> None:
    graph, journal = trace(SmallNet(), images()), Journal()
    editor, second = Editor(graph, Facts(graph), journal), node_of(graph, "second")
    editor.begin("test", second.outputs[0].name)
    weight = editor.values("fresh", np.ones((4, 8, 3, 3), np.float32))
    editor.reread(second, 1, weight)
    editor.commit()
    assert materialise(graph, journal).parameter_origins["second.weight"] == ParameterOrigin((), None)


def test_a_file_has_no_module_to_come_from() -> None:
    text = """<ir_version: 9, opset_import: ["": 17]> g (float[n, 3] x) => (float[n, 3] y)
        <float[3] w = {1, 2, 3}> { y = Mul(x, w) }"""
    graph = graphmorph.load(onnx.parser.parse_model(text))
    assert materialise(graph).parameter_origins is None
