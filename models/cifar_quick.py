"""Cifar-quick (Snoek, Larochelle and Adams, NeurIPS 2012, section 4.4), after Caffe's ``cifar10_quick``.

ACNet (Ding et al., ICCV 2019, table 1) trains it with batch normalisation after each convolution. Caffe rounds the
sizes of pooled images up, and its first pooling comes before the ReLU.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class CifarQuick(nn.Module):
    """Three 5x5 convolutions, each pooled by two, and two linear layers without an activation between them."""

    def __init__(self, num_classes: int = 10, *, in_channels: int = 3, width: int = 32, norm: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 5, padding=2, bias=not norm)
        self.conv2 = nn.Conv2d(width, width, 5, padding=2, bias=not norm)
        self.conv3 = nn.Conv2d(width, 2 * width, 5, padding=2, bias=not norm)
        self.norm1: nn.Module = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.norm2: nn.Module = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.norm3: nn.Module = nn.BatchNorm2d(2 * width) if norm else nn.Identity()
        self.pool = nn.AvgPool2d(3, 2, ceil_mode=True)
        self.hidden = nn.Linear(2 * width * 4 * 4, 2 * width)
        self.classifier = nn.Linear(2 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, in_channels, 32, 32) to logits (batch, num_classes)."""
        x = functional.relu(functional.max_pool2d(self.norm1(self.conv1(x)), 3, 2, ceil_mode=True))
        x = self.pool(functional.relu(self.norm2(self.conv2(x))))
        x = self.pool(functional.relu(self.norm3(self.conv3(x))))
        logits: Tensor = self.classifier(self.hidden(x.view(x.size(0), -1)))
        return logits


def cifar_quick(num_classes: int = 10, *, in_channels: int = 3, width: int = 32, norm: bool = False) -> CifarQuick:
    """Build Cifar-quick; ``norm`` gives the form with batch normalisation of the ACNet paper."""
    return CifarQuick(num_classes, in_channels=in_channels, width=width, norm=norm)
