"""Linear layers with branches: low-rank adaptation (Hu et al., 2022), parallel sums, normalisation."""

from __future__ import annotations

from torch import Tensor, nn

from graphmorph.models.reparameterise import add, conv_parameters, fold_norm, load_parameters


class LoRALinear(nn.Module):
    """y = W x + b + (alpha / rank) up(down(x)); one ``Linear`` in deploy form."""

    def __init__(
        self, in_features: int, out_features: int, rank: int, *, alpha: float = 1.0, bias: bool = True
    ) -> None:
        super().__init__()
        self.base = nn.Linear(in_features, out_features, bias=bias)
        self.down = nn.Linear(in_features, rank, bias=False)
        self.up = nn.Linear(rank, out_features, bias=False)
        self.scale = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (..., in) to (..., out)."""
        y: Tensor = self.base(x) + self.scale * self.up(self.down(x))
        return y

    def deploy(self) -> nn.Module:
        """Return the one ``Linear``: W + (alpha / rank) up down."""
        weight, bias = conv_parameters(self.base)
        weight = weight + self.scale * self.up.weight.detach().double() @ self.down.weight.detach().double()
        return _linear(self.base, weight, bias)


class ParallelLinears(nn.Module):
    """The sum of several ``Linear`` layers of one input."""

    def __init__(self, in_features: int, out_features: int, branches: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Linear(in_features, out_features) for _ in range(branches))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (..., in) to (..., out)."""
        total: Tensor = self.branches[0](x)
        for branch in list(self.branches)[1:]:
            total = total + branch(x)
        return total

    def deploy(self) -> nn.Module:
        """Return the one ``Linear``."""
        layers = [branch for branch in self.branches if isinstance(branch, nn.Linear)]
        return _linear(layers[0], *add(*[conv_parameters(layer) for layer in layers]))


class LinearNorm(nn.Module):
    """``Linear``, then ``BatchNorm1d`` over its features."""

    def __init__(self, in_features: int, out_features: int, *, bias: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias=bias)
        self.norm = nn.BatchNorm1d(out_features)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in) to (batch, out)."""
        y: Tensor = self.norm(self.linear(x))
        return y

    def deploy(self) -> nn.Module:
        """Return the one ``Linear``."""
        return _linear(self.linear, *fold_norm(conv_parameters(self.linear), self.norm))


def _linear(like: nn.Linear, weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(like.in_features, like.out_features, dtype=like.weight.dtype)
    loaded: nn.Linear = load_parameters(layer, (weight, bias))
    return loaded


def lora_mlp(features: int = 32, hidden: int = 48, rank: int = 4, classes: int = 10) -> nn.Sequential:
    """Build a perceptron of two LoRA layers and a normalised one: 7 linear layers trained, 3 in deploy."""
    return nn.Sequential(
        LoRALinear(features, hidden, rank, alpha=8.0),
        nn.GELU(),
        LinearNorm(hidden, hidden),
        nn.ReLU(),
        LoRALinear(hidden, classes, rank, alpha=2.0, bias=False),
    )
