"""Small models as ONNX text, and what passes make of them: the graph, the counted edits and the report,
together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser

from graphmorph.graph import Graph
from graphmorph.manager import PassManager, RunResult
from graphmorph.onnx_door import load, to_model
from graphmorph.pipeline import passes_for
from graphmorph.runtime import Runtime
from tests.regions.check import check_model

Weight = np.ndarray | tuple[int, ...]
Weights = Mapping[str, np.ndarray] | Mapping[str, tuple[int, ...]] | Mapping[str, Weight]
NUMPY_TYPES: dict[str, Any] = {
    "float": np.float32,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "double": np.float64,
}


def build(
    text: str,
    weights: Weights | None = None,
    *,
    opset: int = 17,
    ir: int = 8,
    dtype: str = "float",
    domains: Iterable[str] = (),
) -> onnx.ModelProto:
    """A model from ONNX text. Weights are given as arrays, or as shapes to be filled with Gaussian numbers.

    `dtype` replaces float in the text and in the weights; `domains` are imported beside ONNX's own.
    """
    imports = ", ".join([f'"": {opset}', *(f'"{domain}": 1' for domain in domains)])
    header = f"<ir_version: {ir}, opset_import: [{imports}]>"
    model = onnx.parser.parse_model(f"{header}\n{text.replace('float[', f'{dtype}[')}")
    for name, weight in weights_of(weights or {}, dtype).items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(weight, name))
    return model


def weights_of(weights: Weights, dtype: str = "float") -> dict[str, np.ndarray]:
    """Arrays of the model's type; integers and booleans stay what they are."""
    rng = np.random.default_rng(5)
    made = {}
    for name, weight in weights.items():
        array = rng.standard_normal(weight) if isinstance(weight, tuple) else weight
        made[name] = array.astype(NUMPY_TYPES[dtype]) if array.dtype.kind == "f" else array
    return made


def norm(channels: int, prefix: str = "") -> dict[str, Weight]:
    """The parameters s, b, m, v of a BatchNormalization."""
    rng = np.random.default_rng(channels)
    return {
        f"{prefix}s": rng.uniform(0.5, 2.0, channels),
        f"{prefix}b": rng.standard_normal(channels),
        f"{prefix}m": rng.standard_normal(channels),
        f"{prefix}v": rng.uniform(0.5, 2.0, channels),
    }


CONV: dict[str, Weight] = {"w": (6, 4, 3, 3), **norm(6)}
ONE = "g (float[N,4,8,8] x) => (float[N,6,8,8] y)"
TWO = "g (float[N,4,8,8] x) => (float[N,6,8,8] y, float[N,6,8,8] z)"
NORMALISED = "c = Conv<pads=[1,1,1,1]>(x, w) y = BatchNormalization(c, s, b, m, v)"
X = {"x": (2, 4, 8, 8)}
BORDER = "it pads an input whose bias is not the padding value, so its border differs from the folded kernel's"


@dataclass(frozen=True)
class Ran:
    """A model before and after some passes."""

    before: onnx.ModelProto
    graph: Graph
    result: RunResult

    @property
    def after(self) -> onnx.ModelProto:
        return to_model(self.graph)

    @property
    def ops(self) -> dict[str, int]:
        return dict(Counter(node.op for node in self.graph.nodes))

    @property
    def edits(self) -> tuple[int, int, int]:
        """Nodes removed, nodes added, constants made: as the journal counted them."""
        journal = self.result.journal
        return journal.nodes_removed, journal.nodes_added, len(journal.edits)

    @property
    def summaries(self) -> list[str]:
        return [rewrite.summary for one in self.result.passes for rewrite in one.rewrites]

    @property
    def refusals(self) -> dict[str, str]:
        """Reasons by node."""
        return {refusal.node: refusal.reason for one in self.result.passes for refusal in one.refusals}

    def node(self, output: str) -> Any:
        """The node that makes a tensor."""
        return next(node for node in self.graph.nodes if node.outputs[0].name == output)


def run(model: onnx.ModelProto, runtime: Runtime, *names: str, freeze: bool = False, **options: Any) -> Ran:
    """Run passes, the whole pipeline by default, and look at what they did."""
    graph = load(model, freeze_initializers=freeze)
    result = PassManager(passes_for(only=names), runtime=runtime, **options).run(graph)
    return Ran(model, graph, result)


def assert_same_function(ran: Ran, *shapes: Mapping[str, Sequence[int]]) -> None:
    """Compare with the independent evaluator, in float64, on inputs of the given shapes."""
    outcome = check_model(ran.before, lambda _: ran.graph, [{n: tuple(s) for n, s in f.items()} for f in shapes])
    assert outcome.compared == len(shapes)


def assert_untouched(ran: Ran) -> None:
    """Nothing was edited, and the file would be what it was, field by field."""
    assert not ran.result.journal.modified
    assert ran.summaries == []
    assert ran.after == to_model(load(ran.before))
    assert {*_fields(ran.after)} == {*_fields(ran.before)}


def _fields(model: onnx.ModelProto) -> list[str]:
    """Each node and initializer as text, so that a difference can be read."""
    return [str(part) for part in (*model.graph.node, *model.graph.initializer, *model.functions)]


def assert_refused(ran: Ran, **reasons: str) -> None:
    """Nothing was edited, and the report says why: reasons by node, and no others."""
    assert_untouched(ran)
    assert ran.refusals == reasons


def initializers(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    return {tensor.name: tensor for tensor in model.graph.initializer}
