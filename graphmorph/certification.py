"""Hands a staged edit to the certificate: the nodes that go, those that come, and what they read."""

from __future__ import annotations

from graphmorph.affine.certificate import Certificate, certify
from graphmorph.affine.layout import Layouts
from graphmorph.affine.operators.rules import step_of
from graphmorph.affine.operators.steps import Step, Wall
from graphmorph.affine.probe_sizes import SourceSpec
from graphmorph.editor import Edit
from graphmorph.facts import Facts


def certificate_for(edit: Edit, facts: Facts) -> Certificate:
    """Must be called before the edit is committed, while the old nodes still have their inputs."""
    made = {t.name for node in edit.old for t in node.outputs}
    steps: dict[str, Step] = {}
    for node in edit.old:
        step = step_of(node, facts)
        if not isinstance(step, Wall):
            steps[node.outputs[0].name] = step
    for node in edit.old:
        if node.op == "ScatterND" and not all(facts.constant(t) for t in node.inputs[1:]):
            return Certificate(edit.root, "not certified", "its border is written with values of a dynamic shape")
    if any(node.op == "BatchNormalization" and node.attrs.get("training_mode", 0) for node in edit.new):
        return Certificate(edit.root, "not certified", "it normalises by the statistics of the batch")
    layouts = Layouts(steps, facts)
    read = {
        t.name: t
        for node in (*edit.old, *edit.new)
        for t in node.inputs
        if t.name and t.name not in made and not facts.constant(t)
    }
    added = {t.name for node in edit.new for t in node.outputs}
    sources = {}
    for name, tensor in read.items():
        if name in added:
            continue
        shape = facts.shape(tensor) or layouts.shape(name)
        if shape is None:
            return Certificate(edit.root, "not certified", f"the shape of {name} is not known")
        sources[name] = _spec(name, list(shape), layouts)
    return certify(edit.old, edit.new, edit.root, sources, exact_constants=edit.exact, opset=facts.opset)


def _spec(name: str, shape: list[int | str | None], layouts: Layouts) -> SourceSpec:
    layout = layouts.of(name)
    axis = 1 if layout == "first" else len(shape) - 1
    channels = shape[axis] if isinstance(shape[axis], int) else layouts.channels(name) or 1
    sizes = [n if isinstance(n, int) else None for place, n in enumerate(shape) if place not in (0, axis)]
    return SourceSpec(int(channels or 1), len(shape), layout, tuple(sizes))
