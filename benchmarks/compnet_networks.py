"""The parents of CompNet's experiments, and the deeper networks that are trained from scratch beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from graphmorph.layer_insertion.new_layer import Activation

#: Convolutions of each stage, between which images are halved (Simonyan and Zisserman 2014, D and E). The parents lack
#: the first convolution of 512 channels (CompNet, sections 3.3 and 3.5).
STAGES = {"vgg15": (2, 2, 3, 2, 3), "vgg16": (2, 2, 3, 3, 3), "vgg18": (2, 2, 4, 3, 4)}
_WIDTHS = (1, 2, 4, 8, 8)
_ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


@dataclass(frozen=True)
class Experiment:
    """One row of CompNet's table 1.

    parent: "lenet4", or a key of STAGES. after: the index of the layer that the new one goes behind. redundant:
    N_redundant. width: channels of a VGG's first stage. channels: those of an image.
    """

    name: str
    parent: str
    after: int
    redundant: int
    activation: Activation = "relu"
    width: int = 64
    channels: int = 1
    dropout: float = 0.0

    def network(self) -> nn.Sequential:
        """The parent, untrained."""
        if self.parent == "lenet4":
            return lenet4()
        return vgg(STAGES[self.parent], self.width, self.channels, self.dropout)

    def deeper_network(self) -> nn.Sequential:
        """The parent with the new layer, all of it untrained."""
        layers = list(self.network())
        behind = next(index for index in range(self.after + 1, len(layers)) if isinstance(layers[index], nn.Conv2d))
        following = layers[behind]
        assert isinstance(following, nn.Conv2d)
        new = nn.Conv2d(following.in_channels, self.redundant, 3, padding=1)
        size, pad = following.kernel_size[0], following.padding[0]
        assert isinstance(pad, int)
        layers[behind] = nn.Conv2d(self.redundant, following.out_channels, size, padding=pad)
        layers[self.after + 1 : self.after + 1] = [new, _ACTIVATIONS[self.activation]()]
        deeper = nn.Sequential(*layers)
        return deeper if self.parent == "lenet4" else _initialised(deeper)


def lenet4() -> nn.Sequential:
    """20 and 50 filters of 5 x 5, 500 units, for images (batch, 1, 28, 28)."""
    return nn.Sequential(
        *(nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10)),
    )


def lenet() -> Experiment:
    """LeNet4 to LeNet5: behind the first pooling."""
    return Experiment("lenet4-5", "lenet4", after=2, redundant=100)


def vgg(stages: Sequence[int], width: int, channels: int, dropout: float) -> nn.Sequential:
    """3 x 3 convolutions in five stages, then three fully connected layers, for images (batch, channels, 32, 32)."""
    layers: list[nn.Module] = []
    for count, times in zip(stages, _WIDTHS, strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(channels, times * width, 3, padding=1), nn.ReLU()]
            channels = times * width
        layers.append(nn.MaxPool2d(2))
    layers.append(nn.Flatten())
    for _ in range(2):
        layers += [nn.Linear(channels, channels), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
    return _initialised(nn.Sequential(*layers, nn.Linear(channels, 10)))


def vgg_experiments(width: int, channels: int, dropout: float) -> list[Experiment]:
    """The VGG rows. Where the paper does not say where a layer goes: in front of the stage that is as wide as it is."""

    def row(parent: str, deeper: int, stage: int, activation: Activation = "relu") -> Experiment:
        after = sum(2 * count + 1 for count in STAGES[parent][:stage]) - 1
        redundant = _WIDTHS[stage] * width
        name = f"{parent}-{deeper}-{activation}"
        return Experiment(name, parent, after, redundant, activation, width, channels, dropout)

    return [
        *(row("vgg15", 16, 3), row("vgg15", 16, 3, "sigmoid"), row("vgg15", 16, 3, "tanh")),
        *(row("vgg16", 17, 2), row("vgg18", 19, 3)),
    ]


def _initialised(network: nn.Sequential) -> nn.Sequential:
    """He's initialisation: without batch normalisation, torch's own lets the signal of so many layers fade."""
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return network
