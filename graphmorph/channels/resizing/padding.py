"""Pad: as many new elements as are kept of those that it adds."""

from __future__ import annotations

from graphmorph.channels.resizing.resized import Resized, resizer


@resizer("Pad")
def pad(node: Resized) -> None:
    """Pad: an attribute before opset 11, an input since; opset 18 may name axes."""
    attribute = "pads" in node.node.attrs
    pads = [int(n) for n in node.attribute("pads")] if attribute else node.integers(1)
    axes = node.integers(3) if node.has(3) else list(range(len(node.before(0))))
    if pads is None or axes is None:
        raise node.refused("the widths that it pads by are not constant")
    for place, axis in enumerate(axes):
        mask = node.output_mask(node.normal(axis))
        if mask is not None:
            before, after = pads[place], pads[place + len(axes)]
            pads[place] = int(mask[:before].sum())
            pads[place + len(axes)] = int(mask[mask.size - after :].sum())
    if attribute:
        node.set_attribute("pads", pads)
    else:
        node.set_integers(1, pads, "pads")
