"""Scales absorbed into a producer that is linear but no kernel on its source: ConvTranspose.

Its weights are (in, out/groups, k...): output channel o is column o % (out/groups) of the rows of group
o // (out/groups) (ONNX ConvTranspose).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.affine.kernel import Float64
from graphmorph.affine.plan import Plan
from graphmorph.editor import Editor
from graphmorph.facts import Facts
from graphmorph.rewrite import Site
from graphmorph.schema import violation


def scaled_transposed_weights(weights: Float64, groups: int, scale: Float64) -> Float64:
    """Scale the output channels. `weights`: (in, out/groups, k...), `scale`: (out,) -> (in, out/groups, k...)."""
    per_group = weights.shape[1]
    rows = weights.shape[0] // groups
    by_row = np.repeat(scale.reshape(groups, per_group), rows, axis=0)
    return weights * by_row.reshape(*by_row.shape, *(1,) * (weights.ndim - 2))


@dataclass(frozen=True, eq=False)
class Absorption:
    """A ConvTranspose and the region of scales and offsets behind it."""

    producer: gs.Node
    plan: Plan
    facts: Facts

    def apply(self, editor: Editor) -> None:
        node, facts, form = self.producer, self.facts, self.plan.form
        scale = sum((t.kernel.weights()[:, 0, 0] for t in form.terms), np.zeros(form.channels))
        weights = node.inputs[1]
        groups = int(node.attrs.get("group", 1))
        exact = scaled_transposed_weights(facts.value(weights), groups, scale)
        offset = form.dense_bias()
        if len(node.inputs) > 2 and node.inputs[2].name:
            offset = offset + facts.value(node.inputs[2]) * scale
        made_from = [t.name for n in (node, *self.plan.cone.nodes) for t in n.inputs if isinstance(t, gs.Constant)]
        inputs = [node.inputs[0], editor.constant(f"{weights.name}_fused", exact, weights.dtype, made_from)]
        if np.any(offset):
            inputs.append(editor.constant(f"{weights.name}_fused_bias", offset, weights.dtype, made_from))
        output = editor.root_stand_in(facts.tensors[self.plan.cone.root])
        editor.node("ConvTranspose", node.name or "ConvTranspose", inputs, output, node.attrs, in_place_of=node)
        editor.remove([node, *self.plan.cone.nodes])


def absorptions(plans: list[Plan], facts: Facts) -> Iterator[Site]:
    """Regions that only scale and shift the output of a ConvTranspose that nobody else reads."""
    for plan in plans:
        sources = {term.source for term in plan.form.terms}
        source = sources.pop()
        producer = facts.producer.get(source)
        if sources or producer is None or not _absorbs(producer, facts):
            continue
        inside = plan.cone.outputs
        read_outside = any(r.node.outputs[0].name not in inside for r in facts.readers[source])
        if read_outside or facts.is_pinned(source) or source in facts.kept:
            continue
        if not _scales_channels_of(producer, plan):
            continue
        if all(t.kernel.is_diagonal for t in plan.form.terms) and plan.form.layout == "first":
            claims = inside | {source}
            ops = ", ".join(node.op for node in plan.cone.nodes)
            yield Site(plan.cone.root, claims, f"ConvTranspose, {ops} -> 1 node", Absorption(producer, plan, facts))


def _absorbs(node: gs.Node, facts: Facts) -> bool:
    return (
        node.op == "ConvTranspose"
        and facts.is_standard(node)
        and violation(node, facts.opset) is None
        and all(facts.constant(t) for t in node.inputs[1:] if t.name)
    )


def _scales_channels_of(node: gs.Node, plan: Plan) -> bool:
    """Whether the weights (in, out/groups, k...) have the channels that the region scales."""
    shape, groups = node.inputs[1].shape, int(node.attrs.get("group", 1))
    return len(shape) > 2 and groups > 0 and shape[0] % groups == 0 and shape[1] * groups == plan.form.channels
