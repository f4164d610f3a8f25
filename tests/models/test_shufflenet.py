"""Channel shuffling interleaves the groups."""

from __future__ import annotations

import torch

from graphmorph.models.shufflenet import channel_shuffle


def test_channel_shuffle() -> None:
    x = torch.arange(6.0).view(1, 6, 1, 1).expand(2, 6, 3, 4)
    assert channel_shuffle(x, 2)[1, :, 2, 3].tolist() == [0, 3, 1, 4, 2, 5]
    assert channel_shuffle(x, 3)[0, :, 0, 0].tolist() == [0, 2, 4, 1, 3, 5]
    assert torch.equal(channel_shuffle(channel_shuffle(x, 2), 3), x)
