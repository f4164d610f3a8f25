"""Squeeze without axes drops whatever has size 1: what comes down to one element must not go with it."""

from __future__ import annotations

from graphmorph.channels.resizing.resized import Resized, resizer

#: The axes are an input since this version.
_INPUT_SINCE = 13


@resizer("Squeeze")
def squeeze(node: Resized) -> None:
    """Squeeze: axes in an attribute before opset 13, then in an input."""
    if "axes" in node.node.attrs or node.has(1) or 1 not in node.output_after():
        return
    axes = [axis for axis, size in enumerate(node.before(0)) if size == 1]
    if node.opset < _INPUT_SINCE:
        node.set_attribute("axes", axes)
    else:
        node.set_integers(1, axes, "axes")
