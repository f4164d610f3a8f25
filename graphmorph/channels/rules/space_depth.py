"""Space and depth: blocks of pixels become channels, and back."""

from __future__ import annotations

import numpy as np

from graphmorph.channels.view import View, rule


@rule("DepthToSpace")
def depth_to_space(view: View) -> None:
    """DepthToSpace: C b² channels, by the position in the block and then the channel (DCR), or the reverse (CRD)."""
    x = view.axes(0)
    _space(view)
    positions = int(view.attribute("blocksize")) ** 2
    ids = x[1]
    if ids is None:
        view.give((x[0], None, None, None))
        return
    outputs = view.fresh(ids.size // positions)
    column = view.attribute("mode", "DCR") in ("CRD", b"CRD")
    for copy in ids.reshape(-1, positions).T if column else ids.reshape(positions, -1):
        view.link(outputs, np.ascontiguousarray(copy), "goes into one channel with what must stay")
    view.give((x[0], outputs, None, None))


@rule("SpaceToDepth")
def space_to_depth(view: View) -> None:
    """SpaceToDepth: all channels for one position of the block after the other."""
    x = view.axes(0)
    _space(view)
    positions = int(view.attribute("blocksize")) ** 2
    view.give((x[0], None if x[1] is None else np.tile(x[1], positions), None, None))


def _space(view: View) -> None:
    view.wall_all(0, "is cut into blocks", but=(0, 1))
