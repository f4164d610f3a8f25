"""Fusing a module in torch and fusing its exported file give the same graph: one set of passes, two doors.

Compared are the operators and how they are connected, the settings of every convolution and linear layer, and their
weights. Exported are fixed sizes: with free ones each exporter computes shapes in its own way.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import pytest
from torch import Tensor, nn

import graphmorph
from graphmorph.graph import Graph, constant_array
from graphmorph.models.blocks import SMALL_BLOCKS
from graphmorph.models.export import Form, export_onnx
from graphmorph.models.randomise import randomise
from graphmorph.models.small_catalogue import SMALL_ARCHITECTURES
from graphmorph.torch_door import trace
from tests.graphmorph.fused import one_thread  # noqa: F401

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")

DEFAULTS: dict[str, dict[str, Any]] = {
    "Conv": {"group": 1},
    "ConvTranspose": {"group": 1},
    "Gemm": {"transA": 0, "transB": 0, "alpha": 1.0, "beta": 1.0},
    "MatMul": {},
}


def settings(node: gs.Node) -> tuple[Any, ...]:
    """Every attribute with its default where it is left out, and the shapes of the constants."""
    shapes = tuple(tuple(t.shape) for t in node.inputs if isinstance(t, gs.Constant))
    given = {**DEFAULTS[node.op], **{k: v for k, v in node.attrs.items() if k != "auto_pad" or v != "NOTSET"}}
    rank = len(shapes[0]) - 2 if shapes else 0
    if node.op.startswith("Conv"):
        ones, none = [1] * rank, [0] * rank
        given = {"strides": ones, "dilations": ones, "pads": none + none, "kernel_shape": shapes[0][2:], **given}
    if node.op == "ConvTranspose":
        given = {"output_padding": [0] * rank, **given}
    return node.op, shapes, tuple(sorted((k, _plain(v)) for k, v in given.items()))


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value


def layers_of(graph: Graph) -> list[gs.Node]:
    """The nodes with weights; attention's products of two activations have none."""
    constant = [n for n in graph.nodes if any(isinstance(t, gs.Constant) for t in n.inputs)]
    return [node for node in constant if node.op in LAYERS]


def weights_of(node: gs.Node) -> list[np.ndarray]:
    return [constant_array(t) for t in node.inputs if isinstance(t, gs.Constant)]


def operators(graph: Graph) -> Counter[str]:
    return Counter(node.op for node in graph.nodes)


def edges(graph: Graph) -> Counter[tuple[str, str]]:
    """Which operator reads which, by number."""
    return Counter(
        (t.inputs[0].op if t.inputs else "input", node.op)
        for node in graph.nodes
        for t in node.inputs
        if isinstance(t, gs.Variable) and not t.is_empty()
    )


def both(module: nn.Module, x: Tensor, path: Path, form: Form = "legacy-training") -> tuple[Graph, Graph]:
    """The graph of the module fused in torch, and that of the fused file."""
    in_torch = trace(graphmorph.fuse(module, x, verify=False), x)
    return in_torch, graphmorph.fuse(export_onnx(module, path, x, form), verify=False).graph


def assert_same_layers(one: Graph, other: Graph) -> None:
    assert Counter(map(settings, layers_of(one))) == Counter(map(settings, layers_of(other)))
    left = list(layers_of(other))
    for node in layers_of(one):
        alike = [n for n in left if settings(n) == settings(node)]
        near = [n for n in alike if all(map(_close, weights_of(node), weights_of(n)))]
        assert near, f"no layer of the file has the weights of {node.name}"
        left = [n for n in left if n is not near[0]]


def _close(one: np.ndarray, other: np.ndarray) -> bool:
    """Within two roundings of the larger weights: both sides compute in float64 and round once."""
    return bool(np.allclose(one, other, rtol=1e-6, atol=3e-7 * float(np.abs(one).max(initial=0.0))))


BLOCKS = (
    "acb_k3_p1_s1_g1",
    "acb_k5_p0_s2_g4",
    "acb_k11_with_1x3",
    "acb_shifted_unpadded",
    "acb_no_norm_bias",
    "repvgg_stride",
    "repvgg_excite",
    "mobileone_depthwise",
    "dbb",
    "dbb_groups",
    "replknet_block",
    "lora_sequence",
    "parallel_linears",
    "linear_norm",
    "lcnet_pointwise",
    "transposed_groups",
    "conv_norm_1d",
    "conv_norm_3d",
)


@pytest.mark.parametrize(
    ("name", "form"),
    [*((name, "legacy-training") for name in BLOCKS), *((n, "dynamo-unoptimized") for n in BLOCKS[:3])],
)
def test_blocks(name: str, form: Form, tmp_path: Path) -> None:
    specimen = SMALL_BLOCKS[name]()
    one, other = both(specimen.module, specimen.example, tmp_path / "model.onnx", form)
    assert_same_layers(one, other)
    assert len(layers_of(one)) == specimen.layers
    assert operators(one) == operators(other)
    assert edges(one) == edges(other)


ARCHITECTURES = (
    "lenet4",
    "mlp_80_60_40",
    "cifar_quick_bn",
    "vgg16_cifar",
    "resnet18",
    "densenet40",
    "wrn_16_8",
    "repvgg_a0",
    "mobilenet_v2",
    "unet",
    "googlenet",
)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures(name: str, tmp_path: Path) -> None:
    architecture = SMALL_ARCHITECTURES[name]
    x = architecture.example_inputs()
    module = randomise(architecture.build(), 1, x)
    one, other = both(module, x, tmp_path / "model.onnx")
    assert_same_layers(one, other)
    assert len(layers_of(one)) > 0
    assert operators(one) == operators(other)
    assert edges(one) == edges(other)


def test_the_comparison_sees_a_difference(tmp_path: Path) -> None:
    """One wrong weight, one setting, one edge: each is seen."""
    specimen = SMALL_BLOCKS["repvgg_stride"]()
    one, other = both(specimen.module, specimen.example, tmp_path / "model.onnx")
    conv = layers_of(other)[0]
    right, strides = conv.inputs[1], conv.attrs["strides"]
    wrong = np.array(constant_array(right))
    wrong.flat[0] += 1e-4 * np.abs(wrong).max()
    conv.inputs[1] = gs.Constant("wrong", wrong)
    with pytest.raises(AssertionError, match="no layer of the file has the weights"):
        assert_same_layers(one, other)
    conv.inputs[1], conv.attrs["strides"] = right, [1, 1]
    with pytest.raises(AssertionError):
        assert_same_layers(one, other)
    conv.attrs["strides"] = strides
    assert_same_layers(one, other)
    conv.outputs[0].outputs[0].op = "Sigmoid"
    assert edges(one) != edges(other)
