"""LeNet with four and five layers, as CompNet morphs the one into the other (Lu, Ma and Faltings, section 3).

LeNet4 is the LeNet that comes with Caffe (two convolutions of 20 and 50 filters, 500 hidden units: the "431K" of
Han et al., NeurIPS 2015, table 1). LeNet5 has one more convolution, of 100 filters with ReLU, between the two
(section 3.2). The paper gives no size for its kernel: it is 5x5 here, as that of its neighbours, and padded so that
the layers around it keep their shapes.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class LeNet(nn.Module):
    """Two convolutions and two linear layers; one more convolution of ``inserted`` filters where that is not 0."""

    def __init__(self, num_classes: int = 10, *, in_channels: int = 1, width: int = 10, inserted: int = 0) -> None:
        super().__init__()
        middle = inserted or 2 * width
        self.first = nn.Conv2d(in_channels, 2 * width, 5)
        self.inserted = nn.Conv2d(2 * width, inserted, 5, padding=2) if inserted else None
        self.second = nn.Conv2d(middle, 5 * width, 5)
        self.hidden = nn.Linear(5 * width * 4 * 4, 50 * width)
        self.classifier = nn.Linear(50 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, in_channels, 28, 28) to logits (batch, num_classes)."""
        x = functional.max_pool2d(functional.relu(self.first(x)), 2)
        if self.inserted is not None:
            x = functional.relu(self.inserted(x))
        x = functional.max_pool2d(functional.relu(self.second(x)), 2)
        logits: Tensor = self.classifier(functional.relu(self.hidden(x.flatten(1))))
        return logits


def lenet4(num_classes: int = 10, *, in_channels: int = 1, width: int = 10) -> LeNet:
    """Build LeNet4: convolutions of ``2 * width`` and ``5 * width`` filters."""
    return LeNet(num_classes, in_channels=in_channels, width=width)


def lenet5(num_classes: int = 10, *, in_channels: int = 1, width: int = 10, inserted: int = 100) -> LeNet:
    """Build LeNet5; ``inserted`` is 41, 46 or 49 for the sparse layers of CompNet's table 1."""
    return LeNet(num_classes, in_channels=in_channels, width=width, inserted=inserted)
