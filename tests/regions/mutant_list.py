"""Wrong versions of single lines of the affine algebra and the operator rules.

`python -m tests.regions.mutant_list` breaks each in turn and writes what became of it to mutants.md; with names (or
parts of them) only those are judged, and nothing is written. Exit status 1 if a mutant survives.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.regions.mutants import Judged, Mutant, judge, table

REWRITE = "tests.regions.rewrites:pipeline"
LAST_SEED = 700

#: By file: name, the line as it is, the line as it must not be.
_LINES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "graphmorph/affine/kernel.py": (
        ("compose: inner stride", "tuple(s * outer_t + inner_t for", "tuple(outer_t + inner_t for"),
        ("compose: size term", "c1 + s1 * (1 + c2)", "c1 + s1 * c2"),
        ("compose: outer stride", "tuple(s1 * s2 for s1, s2 in", "tuple(s1 for s1, s2 in"),
        ("compose: taps overwrite", "gathered[:, :, place] += weights", "gathered[:, :, place] = weights"),
        ("compose: groups of a depthwise inner", "        return outer.groups\n", "        return 1\n"),
        ("compose: group count", "return gcd(outer.groups, inner.groups)", "return max(outer.groups, inner.groups)"),
        ("compose: group of a middle channel", "return group[:, None] * per_group +", "return 0 * group[:, None] +"),
        ("window: pads after dilation", "tuple(d * k - pad for", "tuple(d * (k - pad) for"),
        ("window: dilation", "tuple(d * k - pad for", "tuple(k - pad for"),
        ("window: size term", "begin + end - d * (k - 1) - 1", "begin + end - d * (k - 1)"),
        ("shift: sign", "(tuple(-b for b in begin),),", "(tuple(b for b in begin),),"),
        ("shift: size", "tuple(b + e - 1 for b, e", "tuple(b - e - 1 for b, e"),
        ("regroup: blocks", "dense[:, block, :, block] = blocked", "dense[:, block, :, 0] = blocked"),
        ("tap_sum: one tap", "weights.sum(axis=2)", "weights[:, :, 0]"),
        ("tap_sum: channels", "values.reshape(groups, per_group, 1)", "values[::-1].reshape(groups, per_group, 1)"),
        ("size: rounding", "(n + c) // s + 1", "-(-(n + c) // s) + 1"),
        ("diagonal: stride", "all(s == 1 for s in self.stride)", "all(s >= 1 for s in self.stride)"),
        ("diagonal: size", "all(c == -1 for c in self.size_term)", "all(c <= 9 for c in self.size_term)"),
        ("diagonal: offset", "self.offsets == ((0,) * self.rank,)", "len(self.offsets) == 1"),
        ("scale: per channel", "weights() * scale[:, None, None]", "weights() * scale[0]"),
        ("window: end pads", "pads_end.append(term + 1 + end)", "pads_end.append(max(term, 0) + 1 + end)"),
        ("window: no negative begin", "min(*values, 0), max", "min(values), max"),
        ("window: no negative end", "max(*values, -term - 1)", "max(values)"),
        ("window: dilation of the end", "for value in (*values, end))", "for value in values)"),
        ("merge: place", "(value - begin) // step", "value // step"),
        ("merge: place of the last dimension", "place * size + (value", "place + (value"),
        ("merge: only the last kernel", "total[:, :, places] += weights", "total[:, :, places] = weights"),
        (
            "cost: groups",
            "first.out_channels * (first.in_channels // groups)",
            "first.out_channels * first.in_channels",
        ),
    ),
    "graphmorph/affine/form.py": (
        ("scale: offset", "form.dense_bias() * scale + offset", "(form.dense_bias() + offset) * scale"),
        ("scale: ones are skipped", "if np.any(scale != 1.0) else t", "if np.all(scale != 1.0) else t"),
        ("sum: sign of the terms", "np.full(form.channels, sign)", "np.full(form.channels, 1.0)"),
        ("sum: sign of the bias", "(sign * form.dense_bias() for", "(form.dense_bias() for"),
        ("sum: channels broadcast", "if other.channels != first.channels:", "if other.channels < 0:"),
        ("sum: static sizes", "if first.size[dim] != other.size[dim]:", "if first.size[dim] is None:"),
        ("sum: dynamic sizes", "elif not _same_formula(first, other, dim):", "elif False:"),
        (
            "sum: formula without stride",
            "(t.source, t.kernel.stride[dim], t.kernel",
            "(t.source, t.kernel.rank, t.kernel",
        ),
        ("sum: batch", "if not _same_batch(first, other):", "if False:"),
        ("sum: unknown batches are equal", "a is not None and a == b for", "a == b for"),
        ("sum: strides", "if kernel.stride != term.kernel.stride:", "if kernel.rank != term.kernel.rank:"),
        ("window: bias of the inner", "total = total + tap_sum(outer", "total = total - tap_sum(outer"),
        (
            "window: bias dropped",
            "    if form.bias is not None:\n        total",
            "    if form.bias is None:\n        total",
        ),
        ("window: own bias", "if bias is None else bias\n    if form", "if bias is not None else bias\n    if form"),
        ("window: empty tensors", "n is not None and n < 1 for n in (*size", "n is not None and n < 0 for n in (*size"),
        ("window: borders", "        if problem is not None:\n", "        if False:\n"),
        (
            "cost: stride",
            "passage.cost / float(np.prod(kernel.stride))",
            "passage.cost * float(np.prod(kernel.stride))",
        ),
    ),
    "graphmorph/affine/exactness.py": (
        ("start: off by one", "inner.highest(dim) >= inner.stride[dim]", "inner.highest(dim) > inner.stride[dim]"),
        ("start: stride", "inner.highest(dim) >= inner.stride[dim]", "inner.highest(dim) >= 1"),
        ("start: not looked at", "if left and inner", "if False and inner"),
        ("end: off by one", "+ 1 + inner.lowest(dim) >= 0", "+ 2 + inner.lowest(dim) >= 0"),
        ("end: too strict", "+ 1 + inner.lowest(dim) >= 0", "+ inner.lowest(dim) >= 0"),
        ("end: not looked at", "if right and not", "if False and not"),
        ("reads: dynamic end", "outer.highest(dim) >= 0\n", "outer.highest(dim) > 0\n"),
        ("reads: static end", "outer.highest(dim) > size - 1", "outer.highest(dim) > size"),
        ("reads: last position", "last = stride * ((size + outer", "last = ((size + outer"),
        ("bias at the border", "if not _equal_outside(form, outside):", "if False:"),
        ("bias of one channel", "np.all(form.dense_bias() == outside)", "np.any(form.dense_bias() == outside)"),
    ),
    "graphmorph/affine/margin.py": (
        ("padding value", "kernel, form, None, passage, outside=step.value)", "kernel, form, None, passage)"),
        ("negative margins", "or min((*step.begin, *step.end)) < 0:", "or False:"),
        ("interior", "slice(b, b + n) for b, n", "slice(b, n) for b, n"),
        (
            "transposes",
            "margin.border.transpose(step.order), order,",
            "margin.border.transpose(step.order), step.order,",
        ),
        ("read transposed", "margin.order != tuple(range(len(margin.order)))", "not margin.order"),
        ("written inside", "not np.array_equal(np.isnan(margin.border), interior)", "False"),
        ("tolerance", "STORED_ROUNDINGS = 8", "STORED_ROUNDINGS = 1 << 20"),
        ("no tolerance", "STORED_ROUNDINGS = 8", "STORED_ROUNDINGS = 0"),
        ("precision", "known.get(dtype or 0, 2.0**-23)", "2.0**-7"),
    ),
    "graphmorph/affine/plan.py": (
        ("identity: several terms", "len(self.terms) == 1 and self.terms[0].kernel", "self.terms[0].kernel"),
        ("scale: windows", "all(term.kernel.is_diagonal and not", "all(True and not"),
        ("scale: with weights", "term.kernel.is_diagonal and not term.costs for", "term.kernel.is_diagonal for"),
        ("dearer", "or self.macs_after > self.macs_before * (1 + 1e-9)", "or self.macs_after > self.macs_before * 99"),
        ("two sources in a group", "if group.source != term.source:", "if group.source is None:"),
        ("nodes of the sum", "for group in groups) + len(groups) - 1", "for group in groups)"),
        ("bias without a node", "(form.rank > 0 or is_matrix(form))", "(form.rank >= 0 or is_matrix(form))"),
        ("groups that rise", "if rise <= 0 and (best", "if rise >= 0 and (best"),
    ),
    "graphmorph/affine/emission.py": (
        ("bias twice", "bias, self.pending_bias = self.pending_bias, None", "bias = self.pending_bias"),
        ("bias apart forgotten", "remaining = len(groups) - 1 + (1 if", "remaining = len(groups) - 1 + (0 if"),
        ("order of the pads", "[*window.pads_begin, *window.pads_end]", "[*window.pads_end, *window.pads_begin]"),
        ("strides", '"strides": list(stride)', '"strides": list(stride)[::-1]'),
        ("dilations", '"dilations": list(window.dilation)', '"dilations": list(window.dilation)[::-1]'),
        ("groups", '"group": groups,', '"group": 1,'),
        ("transposed MatMul", "np.ascontiguousarray(matrix.T)", "np.ascontiguousarray(matrix)"),
        ("transposed Gemm", '{"transB": 1}', '{"transB": 0}'),
        ("vector: axis", 'if self.plan.form.layout == "first" else 0', "if self.plan.form.rank < 0 else 0"),
        ("scale: one term", "for term in group.terms), np.zeros", "for term in group.terms[:1]), np.zeros"),
        ("identity forgotten", "if self.plan.form.is_source and total", "if False and total"),
        ("dtype", "numpy_type(self.facts.dtype(self.root) or 0)", "np.dtype(np.float32)"),
    ),
    "graphmorph/affine/absorption.py": (
        (
            "group order",
            "np.repeat(scale.reshape(groups, per_group), rows, axis=0)",
            "np.tile(scale.reshape(groups, per_group), (rows, 1))",
        ),
        ("bias unscaled", "facts.value(node.inputs[2]) * scale", "facts.value(node.inputs[2])"),
        ("offset dropped", "offset = form.dense_bias()\n", "offset = 0 * form.dense_bias()\n"),
        ("read outside", "if read_outside or facts", "if facts"),
        ("pinned", "or facts.is_pinned(source) or", "or"),
        ("windows", "all(t.kernel.is_diagonal for t in", "all(t.kernel.groups for t in"),
        ("variable weights", "all(facts.constant(t) for t in node.inputs[1:] if t.name)", "True"),
    ),
    "graphmorph/affine/region.py": (
        ("read by others", 'single = len(roots) == 1 and "" not in roots', "single = len(roots) >= 1"),
        ("pinned", "and not self.facts.is_pinned(name) else name", "else name"),
        ("flows by a constant input", "and name in inputs_of(self.steps[output])", ""),
        ("further outputs", "if any(tensor.name for tensor in node.outputs[1:]) and", "if False and"),
        (
            "axis of a scale",
            "            _check_axis(step.axis, first)\n            return scaled",
            "            return scaled",
        ),
        ("offset of a sum", "if np.any(step.offset) else total", "if not np.any(step.offset) else total"),
        ("batch", "shape[:1] if layout", "(1,) if layout"),
        ("constants that broadcast", "if values.size not in (1, form.channels):", "if values.size < 0:"),
        ("channels of a window", "if step.kernel.in_channels != form.channels or", "if"),
    ),
    "graphmorph/affine/operators/borders.py": (
        ("pad: ends", "pads[place], pads[len(axes) + place]", "pads[place], pads[place]"),
        ("pad: axes", "axis % rank for axis in chosen", "place for place, axis in enumerate(chosen)"),
        ("pad: mode", 'if mode != "constant":', 'if mode == "edge":'),
        ("pad: channels", '        return Wall("Pad pads the batch or the channels")', "        pass"),
        ("pad: value by input", "value = float(facts.value(node.inputs[2]).reshape(-1)[0])", "value = 0.0"),
        ("pad: value by attribute", 'value = float(node.attrs.get("value", 0.0))', "value = 0.0"),
        ("slice: end", "return first, size - last", "return first, last"),
        ("slice: dynamic end", "if start < 0 or 0 <= stop < TO_THE_END:", "if start < 0:"),
        ("slice: steps", "shift(shape[1], begin[2:], end[2:], step[2:])", "shift(shape[1], begin[2:], end[2:])"),
        (
            "slice: channels",
            'if any((*begin[:2], *end[:2])) or step[:2] != [1, 1]:\n        return Wall("Slice',
            'if step[:2] != [1, 1]:\n        return Wall("Slice',
        ),
        ("slice: backwards", "    if step < 1:\n", "    if step < -9:\n"),
        ("slice: negative axes", "return {a % rank: (s, e, t)", "return {abs(a): (s, e, t)"),
        ("scatter: reduction", '!= "none" or len(node.inputs) != 3:', '== "mul" or len(node.inputs) != 3:'),
    ),
    "graphmorph/affine/operators/convolution.py": (
        (
            "same: upper and lower",
            'begins.append(small if auto == "SAME_UPPER"',
            'begins.append(large if auto == "SAME_UPPER"',
        ),
        ("same: dilation", "reach = dilations[dim] * (shape[dim] - 1) + 1", "reach = shape[dim]"),
        ("same: stride", "total = max((-(-n // strides[dim]) - 1) * strides[dim] + reach - n, 0)", "total = reach - 1"),
        (
            "same: unknown size",
            "            if not isinstance(n, int):\n",
            "            n = n if isinstance(n, int) else 8\n            if False:\n",
        ),
        ("pads: order", "return tuple(pads[:rank]), tuple(pads[rank:])", "return tuple(pads[::2]), tuple(pads[1::2])"),
        ("average: pads not counted", 'not node.attrs.get("count_include_pad", 0)', "False"),
        ("average: ceil_mode", 'node.attrs.get("ceil_mode", 0) and any', "False and any"),
        ("average: value", "1.0 / prod(shape)", "1.0 / max(shape)"),
        ("average: dilations", 'any(d != 1 for d in _per_dimension(node, "dilations", rank)) or', ""),
        ("conv: variable weights", "if variable or len(node.inputs) < 2:", "if len(node.inputs) < 2:"),
        ("conv: bias", "    bias = bias_of(node, out_channels, facts)\n", "    bias = None\n"),
        ("conv: groups", "per_group * groups,\n", "per_group,\n"),
    ),
    "graphmorph/affine/operators/elementwise.py": (
        ("sub: constant first", "Scale(data.name, -ONE, constant.values,", "Scale(data.name, ONE, constant.values,"),
        ("sub: constant", "Scale(data.name, ONE, -constant.values,", "Scale(data.name, ONE, constant.values,"),
        ("sub: tensors", "_sum(node, (1.0, -1.0))", "_sum(node, (-1.0, 1.0))"),
        ("div: constant first", "(not isinstance(found, Wall) and found[2])", "False"),
        ("div: value", "1.0 / constant.values, ZERO", "constant.values, ZERO"),
        ("neg", "Scale(node.inputs[0].name, -ONE, ZERO, None)", "Scale(node.inputs[0].name, ONE, ZERO, None)"),
        ("mul: two tensors", 'return Wall(f"Mul of two', 'return _sum(node, (1.0, 1.0)) or Wall(f"Mul of two'),
        ("per channel: axis", "if rank >= 2 and wide[0] == 1:", "if rank >= 2 and wide[0] >= 1:"),
        ("per channel: more axes", "if len(aligned) > rank or len(wide) != 1:", "if len(aligned) > rank:"),
        ("per channel: rank", "or len(shape) <= len(data_shape)):", "or True):"),
        (
            "dropout: training",
            "if not facts.constant(mode) or any(facts.integers(mode)):",
            "if not facts.constant(mode):",
        ),
    ),
    "graphmorph/affine/operators/matrix.py": (
        ("alpha", "lambda: alpha * (facts", "lambda: (facts"),
        ("beta", "np.broadcast_to(beta * facts", "np.broadcast_to(facts"),
        ("transA", 'if node.attrs.get("transA", 0):', "if False:"),
        (
            "transB",
            'weight, transposed = node.inputs[1], bool(node.attrs.get("transB", 0))',
            "weight, transposed = node.inputs[1], True",
        ),
        ("bias of rows", "if shape not in ((), (1,), (1, 1), (channels,), (1, channels)):", "if False:"),
        ("matmul: transposed", "lambda: facts.value(weight).T)\n    axis", "lambda: facts.value(weight))\n    axis"),
        ("matmul: axis", '"first" if len(data) == 2 else "last"', '"first"'),
    ),
    "graphmorph/affine/operators/normalization.py": (
        ("epsilon", 'variance + float(node.attrs.get("epsilon", 1e-5))', "variance + 1e-5"),
        ("default epsilon", '"epsilon", 1e-5', '"epsilon", 1e-3'),
        ("root", "gamma / np.sqrt(denominator)", "gamma / denominator"),
        ("mean", "    offset = beta - mean * scale", "    offset = beta - mean"),
        ("training mode", 'version >= 14 and node.attrs.get("training_mode", 0)', "False"),
        ("training outputs", "if any(t.name for t in node.outputs[1:]):\n        return", "if False:\n        return"),
        ("spatial", 'version < 9 and not node.attrs.get("spatial", 1)', "False"),
        ("variable statistics", "    if variable:\n", "    if False:\n"),
    ),
}


#: Mutants that change no result, and why: not judged, named so that nobody adds them again.
EQUIVALENT = {
    "form.py: sum: formula without stride": "terms of one source must agree in stride anyway",
    "form.py: sum: unknown batches are equal": "every step commutes with broadcasting the batch",
    "form.py: sum: batch": "every step commutes with broadcasting the batch",
    "operators/borders.py: slice: backwards": "all of a known size is cut off, and no dynamic one ever pays",
    "operators/normalization.py: training outputs": "a region refuses nodes that have further outputs",
    "operators/normalization.py: spatial": "one parameter for each element is refused by its shape",
    "region.py: flows by a constant input": "no rule accepts a node that reads a variable tensor beside its data",
    "region.py: further outputs": "the rules of the operators that have further outputs refuse them",
    "region.py: channels of a window": "in a valid model a window reads as many channels as its input has",
    "operators/elementwise.py: per channel: more axes": "more elements than channels are refused later",
}


def mutants() -> list[Mutant]:
    """All of them but those that are equivalent."""
    every = [
        Mutant(f"{file.removeprefix('graphmorph/affine/')}: {name}", file, old, new)
        for file, lines in _LINES.items()
        for name, old, new in lines
    ]
    unknown = EQUIVALENT.keys() - {mutant.name for mutant in every}
    if unknown:
        raise ValueError(f"not in the list of mutants: {', '.join(sorted(unknown))}")
    return [mutant for mutant in every if mutant.name not in EQUIVALENT]


def as_markdown(judged: Sequence[Judged]) -> str:
    """A table of all mutants and the count."""
    caught = sum(item.caught for item in judged)
    rows = [f"| {item.mutant.name} | {item.fate} |" for item in judged]
    equivalent = [f"| {name} | {reason} |" for name, reason in EQUIVALENT.items()]
    return "\n".join(
        [
            "# Mutants of the affine algebra",
            "",
            f"{caught} of {len(judged)} caught by all near misses and {LAST_SEED} random regions.",
            'Written by `make test-mutants`. "other rewrites": no wrong result, but not the rewrites of the original.',
            "",
            "| mutant | fate |",
            "|---|---|",
            *rows,
            "",
            "Equivalent, and so not judged:",
            "",
            "| mutant | why nothing changes |",
            "|---|---|",
            *equivalent,
            "",
        ]
    )


def main(names: list[str]) -> int:
    chosen = [m for m in mutants() if not names or any(name in m.name for name in names)]
    judged = judge(chosen, REWRITE, last=LAST_SEED)
    sys.stdout.write(f"{table(judged)}\n")
    if not names:
        Path(__file__).with_name("mutants.md").write_text(as_markdown(judged))
    return int(any(not item.caught for item in judged))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
