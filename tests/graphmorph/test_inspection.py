"""Looking at a model: its ports, what could be rewritten, and what could not for which reason."""

from __future__ import annotations

import json

import graphmorph
from graphmorph.inspection import Port
from graphmorph.onnx_door import load, to_model
from tests.passes.text_models import build, norm

MODEL = build(
    """g (float[N,4,8,8] x, int64[?] n) => (float[N,6,8,8] y, float[N,6,8,8] z) {
        c = Conv<pads=[1,1,1,1]>(x, w)
        d = BatchNormalization(c, s, b, m, v)
        y = Relu(d)
        e = Conv<pads=[1,1,1,1]>(x, w)
        f = BatchNormalization<training_mode=1>(e, s, b, m, v)
        z = Expand(f, n)
    }""",
    {"w": (6, 4, 3, 3), **norm(6)},
)


def test_what_is_in_a_model() -> None:
    graph = load(MODEL)
    before = to_model(graph)
    found = graphmorph.inspect_model(graph)
    assert found.inputs == [Port("x", "float", ("N", 4, 8, 8)), Port("n", "int64", ("?",))]
    assert [port.name for port in found.outputs] == ["y", "z"]
    assert (found.opset, found.ir_version) == (17, 8)
    assert found.summary.operators == {"Conv": 2, "BatchNormalization": 2, "Relu": 1, "Expand": 1}
    assert [rewrite.summary for rewrite in found.rewrites] == ["Conv, BatchNormalization -> 1 node"]
    assert [(refusal.node, refusal.reason) for refusal in found.refusals] == [
        ("f", "BatchNormalization is in training mode (training_mode is 1)")
    ]
    assert to_model(graph) == before


def test_it_is_plain_data() -> None:
    data = json.loads(json.dumps(graphmorph.inspect_model(MODEL, only=["fold-batchnorm"]).to_json()))
    assert data["summary"]["batchnorms"] == 2
    assert data["rewrites"][0]["root"] == "d"
    assert data["refusals"][0]["op"] == "BatchNormalization"
    assert data["inputs"][0] == {"name": "x", "dtype": "float", "shape": ["N", 4, 8, 8]}
