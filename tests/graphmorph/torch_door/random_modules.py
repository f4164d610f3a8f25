"""Random modules: a list of steps, each of which makes new values of older ones or writes into them.

Every value is (batch, 4, 6, 6), so that any step fits any value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import nn

Values = list[Any]
StepFunction = Callable[[Any, Any, Any, int], Any]
Step = tuple[str, int, int]

_STEPS: dict[str, StepFunction] = {}

#: Steps that write into buffers or have no ONNX meaning: their graphs have opaque nodes.
OPAQUE = frozenset({"counted", "averaged", "fourier", "drawn"})


def step(function: StepFunction) -> StepFunction:
    """A step gets the module, two older values and its place; it gives one new value, or a tuple of them."""
    _STEPS[function.__name__] = function
    return function


class RandomModule(nn.Module):
    """Layers in nested containers, one set for each place; `shared` is one convolution for all."""

    def __init__(self, steps: list[Step], shape: str = "tuple", seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.steps, self.shape = steps, shape
        self.auxiliary = nn.Linear(2, 2)
        self.shared = nn.Conv2d(4, 4, 1)
        self.again = nn.ModuleList([self.shared])
        self.blocks = nn.ModuleList([_layers(name) for name, _, _ in steps])
        self.scales = nn.ParameterList([nn.Parameter(torch.rand(4, 1, 1) + 0.5) for _ in range(2)])
        self.register_buffer("count", torch.ones(()))
        self.register_buffer("average", torch.zeros(4, 1, 1), persistent=False)

    def forward(self, x: Any) -> Any:
        values: Values = [x, x * 0.5]
        for place, (name, a, b) in enumerate(self.steps):
            made = _STEPS[name](self, values[-1 - a % len(values)], values[-1 - b % len(values)], place)
            values.extend(made if isinstance(made, tuple) else (made,))
        last = values[-3:]
        if self.shape == "distinct":
            return tuple(value + 0.25 for value in last)
        return {"tuple": tuple(last), "dict": {"a": last[0], "b": [last[1], (last[-1], 3)]}, "one": last[-1]}[
            self.shape
        ]


def _layers(name: str) -> nn.ModuleDict:
    """The layers that a step of this name calls."""
    made: dict[str, Callable[[], nn.Module]] = {
        "conv": lambda: nn.Conv2d(4, 4, 3, padding=1, bias=False),
        "norm": lambda: nn.BatchNorm2d(4),
        "block": lambda: nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)),
        "linear": lambda: nn.Linear(6, 6),
        "relu_layer": nn.ReLU,
        "relu_in_place": lambda: nn.ReLU(inplace=True),
        "unread_write": lambda: nn.ReLU(inplace=True),
        "hardswish_in_place": lambda: nn.Hardswish(inplace=True),
        "silu": nn.SiLU,
        "dropout": nn.Dropout,
        "identity": nn.Identity,
        "pooled": lambda: nn.MaxPool2d(3, 1, 1),
        "excited": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1), nn.Sigmoid()),
    }
    return nn.ModuleDict({"layer": made[name]()} if name in made else {})


def _layer(m: Any, x: Any, y: Any, place: int) -> Any:
    return m.blocks[place]["layer"](x)


for _name in (
    "conv",
    "norm",
    "block",
    "linear",
    "relu_layer",
    "relu_in_place",
    "hardswish_in_place",
    "silu",
    "dropout",
):
    _STEPS[_name] = _layer
for _name in ("identity", "pooled"):
    _STEPS[_name] = _layer


@step
def tied(m: Any, x: Any, y: Any, place: int) -> Any:
    return m.shared(x) if place % 2 else m.again[0](y)


@step
def unread_write(m: Any, x: Any, y: Any, place: int) -> Any:
    m.blocks[place]["layer"](x)
    return x * y


@step
def excited(m: Any, x: Any, y: Any, place: int) -> Any:
    return x * m.blocks[place]["layer"](y)


@step
def relu_functions(m: Any, x: Any, y: Any, place: int) -> Any:
    return torch.relu(x), F.relu(y, inplace=True)


@step
def relu_methods(m: Any, x: Any, y: Any, place: int) -> Any:
    return x.relu(), (y * 1.0).relu_()


@step
def added(m: Any, x: Any, y: Any, place: int) -> Any:
    return x + y


@step
def scaled(m: Any, x: Any, y: Any, place: int) -> Any:
    return 0.5 - x * m.scales[place % 2] / 2, torch.add(x, y, alpha=0.5)


@step
def augmented(m: Any, x: Any, y: Any, place: int) -> Any:
    x += y
    return x


@step
def augmented_by_numbers(m: Any, x: Any, y: Any, place: int) -> Any:
    x *= 0.5
    x -= 0.25
    return x


@step
def added_in_place(m: Any, x: Any, y: Any, place: int) -> Any:
    x.add_(y).mul_(0.5)
    return y.neg()


@step
def joined(m: Any, x: Any, y: Any, place: int) -> Any:
    a, b = torch.cat([x, y], 1).chunk(2, dim=1)
    return a * b, b


@step
def divided(m: Any, x: Any, y: Any, place: int) -> Any:
    pieces = torch.split(x, [1, 3], 1)
    return torch.cat([pieces[1], y[:, :1]], dim=1)


@step
def stacked(m: Any, x: Any, y: Any, place: int) -> Any:
    return torch.stack([x, y], 0).mean(0)


@step
def shuffled(m: Any, x: Any, y: Any, place: int) -> Any:
    b, c, h, w = x.size()
    return x.contiguous().view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, -1, h, w)


@step
def sized(m: Any, x: Any, y: Any, place: int) -> Any:
    return x.flatten(2).view(x.size(0), x.shape[1], 6, -1) * (y.size(1) ** -0.5)


@step
def permuted(m: Any, x: Any, y: Any, place: int) -> Any:
    return x.permute(0, 1, 3, 2)


@step
def expanded(m: Any, x: Any, y: Any, place: int) -> Any:
    return m.scales[0].expand_as(x) + y


@step
def aliases(m: Any, x: Any, y: Any, place: int) -> Any:
    return x.contiguous(), y.detach(), x.unsqueeze(0).squeeze(0)


@step
def slice_written(m: Any, x: Any, y: Any, place: int) -> Any:
    z = x * 1.0
    z[:, :2] = y[:, 2:]
    z[:, 1] += 1.0
    return z


@step
def view_written(m: Any, x: Any, y: Any, place: int) -> Any:
    z = x.contiguous() * 1.0
    flat = z.view(z.size(0), -1)
    flat.add_(1.0)
    return z, flat.view(z.size(0), 4, 6, 6)


@step
def functional_dropout(m: Any, x: Any, y: Any, place: int) -> Any:
    return F.dropout(x, 0.3, training=m.training)


@step
def padded(m: Any, x: Any, y: Any, place: int) -> Any:
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 1)


@step
def counted(m: Any, x: Any, y: Any, place: int) -> Any:
    m.count += 1
    return x / m.count


@step
def averaged(m: Any, x: Any, y: Any, place: int) -> Any:
    m.average.mul_(0.5).add_(x.detach().mean((0, 2, 3)).view(4, 1, 1), alpha=0.5)
    return y - m.average


@step
def fourier(m: Any, x: Any, y: Any, place: int) -> Any:
    return torch.fft.fft2(x).abs()


@step
def drawn(m: Any, x: Any, y: Any, place: int) -> Any:
    return x + torch.randn_like(y)


def steps(names: frozenset[str] = frozenset(_STEPS)) -> st.SearchStrategy[list[Step]]:
    """Lists of steps."""
    one = st.tuples(st.sampled_from(sorted(names)), st.integers(0, 5), st.integers(0, 5))
    return st.lists(one, min_size=1, max_size=9)


#: Steps whose graphs onnxruntime can run.
LOWERED = frozenset(_STEPS) - OPAQUE
