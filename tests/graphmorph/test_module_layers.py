"""Fusing live modules, layer by layer: what is folded, what is left alone, and what the new layers are."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

import graphmorph
from tests.graphmorph.fused import (
    assert_close,
    fused,
    one_thread,  # noqa: F401
    refusals,
    settled,
)
from tests.graphmorph.torch_door.identity_law import unchanged
from tests.graphmorph.torch_door.programs import images, program

X = images(2, 3, 12)


def conv_norm(**options: Any) -> nn.Module:
    torch.manual_seed(1)
    return settled(nn.Sequential(nn.Conv2d(3, 4, 3, **options), nn.BatchNorm2d(4), nn.ReLU()))


def functional_norm(training: Callable[[nn.Module], bool]) -> nn.Module:
    """F.conv2d and F.batch_norm on parameters and buffers of the module itself."""
    torch.manual_seed(0)

    def forward(m: Any, x: Tensor) -> Tensor:
        y = functional.conv2d(x, m.kernel, padding=1)
        return functional.batch_norm(y, m.mean, m.var, m.scale, m.shift, training(m), 0.1, 1e-3)

    parts = {"kernel": torch.randn(4, 3, 3, 3), "scale": torch.randn(4), "shift": torch.randn(4)}
    module = program(forward, **{name: nn.Parameter(part) for name, part in parts.items()})
    module.register_buffer("mean", torch.randn(4))
    module.register_buffer("var", torch.rand(4) + 0.5)
    return module


@pytest.mark.parametrize("training", [lambda m: False, lambda m: m.training], ids=["never", "by mode"])
def test_functional_batch_norm(training: Callable[[nn.Module], bool]) -> None:
    made = fused(functional_norm(training), X, layers=1)
    assert list(made.state_dict()) == ["conv2d.weight", "conv2d.bias"]
    assert isinstance(made.conv2d, nn.Conv2d)


def test_functional_batch_norm_that_always_trains() -> None:
    """The proof runs it, and undoes what it writes into its statistics."""
    module = functional_norm(lambda m: True)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    made = graphmorph.fuse(module, X)
    for one in (module, made):
        assert all(torch.equal(tensor, before[name]) for name, tensor in one.state_dict().items())
    assert "training_mode is 1" in refusals(made)["batch_norm"]


def test_norms_without_scales_or_without_statistics() -> None:
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False, eps=0.01, momentum=None))
    fused(settled(plain), X, layers=1)
    made = fused(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)).eval(), X, layers=1, left=1
    )
    assert "training mode" in refusals(made)["1"]


def test_norms_in_front() -> None:
    made = fused(settled(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3))), X, layers=1)
    assert list(made.state_dict()) == ["1.weight", "1.bias"]
    padded = fused(settled(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3, padding=1))), X, layers=1, left=1)
    assert "border" in refusals(padded)["0"]


@pytest.mark.parametrize(
    ("layer", "norm", "shape"),
    [
        (nn.Conv1d(4, 6, 3, stride=2, groups=2), nn.BatchNorm1d(6), (2, 4, 11)),
        (nn.Conv3d(2, 4, (1, 2, 3), bias=False), nn.BatchNorm3d(4), (2, 2, 5, 6, 7)),
        (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2, output_padding=1), nn.BatchNorm2d(6), (2, 4, 5, 6)),
        (nn.Linear(5, 4), nn.BatchNorm1d(4), (6, 5)),
        (nn.Linear(5, 4, bias=False), nn.BatchNorm1d(4), (6, 5)),
        (nn.Conv2d(4, 6, 3, padding="same", dilation=2), nn.BatchNorm2d(6), (2, 4, 9, 8)),
        (nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(6), (2, 4, 9, 8)),
    ],
    ids=["conv1d", "conv3d", "transposed", "linear", "linear without bias", "same", "reflect"],
)
def test_layers_of_every_kind(layer: nn.Module, norm: nn.Module, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    made = fused(settled(nn.Sequential(layer, nn.Dropout(), nn.Identity(), norm, nn.ReLU(True))), x, layers=1)
    kept = [one for one in made.modules() if type(one) is type(layer)]
    assert len(kept) == 1
    assert kept[0].bias is not None


def shared(function: Callable[[Any, Tensor], Tensor]) -> nn.Module:
    torch.manual_seed(0)
    parts = {"conv": nn.Conv2d(3, 3, 3, padding=1), "one": nn.BatchNorm2d(3), "two": nn.BatchNorm2d(3)}
    return settled(program(function, **parts))


def test_a_convolution_under_two_norms_becomes_two() -> None:
    module = shared(lambda m, x: m.two(m.conv(m.one(m.conv(x)).relu())))
    made = fused(module, X, layers=2)
    assert {name for name, child in made.named_modules() if isinstance(child, nn.Conv2d)} == {"conv", "conv_2"}


def test_a_convolution_twice_under_one_norm_stays_one() -> None:
    made = fused(shared(lambda m, x: m.one(m.conv(m.one(m.conv(x)).relu()))), X, layers=1)
    assert made.report.after.convolutions == 2


def test_a_convolution_with_a_norm_in_one_place_only() -> None:
    module = shared(lambda m, x: m.conv(m.one(m.conv(x)).relu()))
    made = fused(module, X, layers=2)
    assert any(
        torch.equal(child.weight, module.conv.weight) for child in made.modules() if isinstance(child, nn.Conv2d)
    )


def test_tied_parameters_of_two_layers() -> None:
    module = shared(lambda m, x: m.two(m.other(m.one(m.conv(x)).relu())))
    module.other = nn.Conv2d(3, 3, 3, padding=1)
    module.other.weight = module.conv.weight
    made = fused(module, X, layers=2)
    assert not torch.equal(made.conv.weight, made.other.weight)


def test_an_output_that_is_read_elsewhere() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        y = m.conv(x)
        return m.one(y) + y.sum((2, 3), keepdim=True)

    made = fused(shared(forward), X, layers=1, left=1)
    assert "also read elsewhere" in refusals(made)["one"]


HOOKS: dict[str, Callable[[nn.Module], Any]] = {
    "after": lambda layer: layer.register_forward_hook(lambda module, inputs, output: output * 2),
    "before": lambda layer: layer.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 2,)),
    "pruned": lambda layer: prune.random_unstructured(layer, "weight", 0.5),
}


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("verify", [True, False])
def test_a_layer_with_hooks_is_left_alone(hook: str, verify: bool) -> None:
    module = conv_norm()
    HOOKS[hook](module[0])
    made = graphmorph.fuse(module, X, verify=verify)
    assert made.report.after.operators == {"Opaque": 1, "BatchNormalization": 1, "Relu": 1}
    assert_close(module, made, X)


def test_a_container_with_hooks_is_left_alone() -> None:
    module = nn.Sequential(conv_norm(), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
    HOOKS["after"](settled(module)[0])
    made = graphmorph.fuse(module, X)
    assert_close(module, made, X)
    assert made.report.after.operators == {"Opaque": 1, "Conv": 1}


@pytest.mark.parametrize("parametrize", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_a_layer_with_computed_weights_is_left_alone(parametrize: Callable[[nn.Module], nn.Module]) -> None:
    module = conv_norm()
    parametrize(module[0])
    made = graphmorph.fuse(module, X)
    assert_close(module, made, X)
    assert "Opaque 0" in refusals(made)["1"]


def test_weights_that_hooks_keep_are_copied() -> None:
    """Pruning and the old weight normalisation hold a tensor that has a history, which torch refuses to copy."""
    module = conv_norm()
    prune.random_unstructured(module[0], "weight", 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        nn.utils.weight_norm(module.append(nn.Conv2d(4, 2, 1))[-1])
    module.eval()(X)
    assert_close(module, graphmorph.fuse(module, X, skip=["fold-batchnorm", "fuse-branches"]), X)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_other_types_of_floats(dtype: torch.dtype) -> None:
    made = fused(conv_norm().to(dtype), X.to(dtype), layers=1)
    assert {parameter.dtype for parameter in made.parameters()} == {dtype}


def test_norms_of_32_bits_behind_weights_of_16() -> None:
    module = conv_norm().half()
    module[1].float()
    made = fused(module, X.half(), layers=1)
    assert {parameter.dtype for parameter in made.parameters()} == {torch.float16}


def test_memory_format_and_frozen_weights_are_kept() -> None:
    module = conv_norm().to(memory_format=torch.channels_last).requires_grad_(False)
    made = fused(module, X, layers=1)
    assert made.get_parameter("0.weight").is_contiguous(memory_format=torch.channels_last)
    assert not any(parameter.requires_grad for parameter in made.parameters())
    assert all(parameter.requires_grad for parameter in fused(conv_norm(), X, layers=1).parameters())


def test_subclasses_are_traced_through() -> None:
    class Twice(nn.BatchNorm2d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * 2

    class Standardised(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return self._conv_forward(x, self.weight / self.weight.norm(), self.bias)

    torch.manual_seed(0)
    fused(settled(nn.Sequential(Standardised(3, 4, 3), Twice(4), nn.ReLU())), X, layers=1)


def test_a_module_that_draws_random_numbers_is_proven_with_the_same_ones() -> None:
    torch.manual_seed(0)
    module = settled(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    noisy = program(lambda m, x: functional.dropout(m.net(x), 0.5, training=True), net=module)
    with unchanged(noisy):
        made = graphmorph.fuse(noisy, X)
    assert made.report.after.operators == {"Conv": 1, "Dropout": 1}
    assert made.report.proof is not None
    worst = max(o.metrics.max_abs for case in made.report.proof.cases for o in case.as_written if o.metrics)
    assert worst < 1e-4
