"""What a group of channels is, in a word: how its channels are made and joined."""

from __future__ import annotations

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.criteria.roles import roles
from graphmorph.channels.groups import Group

NORMALISATIONS = {"LayerNormalization", "InstanceNormalization", "GroupNormalization"}


def kind_of(analysis: Analysis, group: Group) -> str:
    """The first of these that holds."""
    producer = analysis.facts.producer
    matrices = [member for member in group.members if len(member.slot.shape) > 1]
    makers = [member for member in matrices if "output" in roles(member, analysis.facts)]
    made_by = [producer[member.slot.uses[0].node] for member in makers]
    grouped = [node for node in made_by if node.op == "Conv" and int(node.attrs.get("group", 1)) > 1]
    ops = {producer[use.node].op for member in group.members for use in member.slot.uses}
    readers = [member for member in matrices if "input" in roles(member, analysis.facts)]
    if ops & NORMALISATIONS:
        return "normalised"
    if any(int(node.attrs["group"]) == int(node.inputs[1].shape[0]) for node in grouped):
        return "depthwise"
    if grouped:
        return "grouped"
    if any(member.positions.shape[1] > 1 for member in makers):
        return "heads or shuffle"
    if any(member.positions.shape[1] > 1 for member in readers):
        return "flatten or repeats"
    if len(makers) > 1:
        return "residual or gate"
    return "plain" if len(readers) < 2 else "read by several"
