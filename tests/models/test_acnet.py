"""Where the asymmetric kernels of a block land in its fused square kernel."""

from __future__ import annotations

import pytest
import torch

from graphmorph.models.acnet import AsymmetricConvolutionBlock


def taps(block: AsymmetricConvolutionBlock) -> list[list[float]]:
    """Return the fused kernel, with every weight set to one, of the first filter and channel."""
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.fill_(1.0)
    kernel, _ = block.kernel_and_bias()
    rows: list[list[float]] = kernel[0, 0].tolist()
    return rows


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [[1, 2, 1], [2, 3, 2], [1, 2, 1]]),
        ({"vertical": False}, [[1, 1, 1], [2, 2, 2], [1, 1, 1]]),
        ({"horizontal": False}, [[1, 2, 1], [1, 2, 1], [1, 2, 1]]),
        ({"shifted": True}, [[1, 1, 2], [1, 1, 2], [2, 2, 3]]),
    ],
)
def test_position_of_the_asymmetric_kernels(options: dict[str, bool], expected: list[list[int]]) -> None:
    block = AsymmetricConvolutionBlock(1, 1, 3, padding=1, normalise="none", **options)
    assert taps(block) == expected


def test_small_asymmetric_kernels_lie_at_the_centre_of_a_large_one() -> None:
    block = AsymmetricConvolutionBlock(1, 1, 5, padding=2, normalise="none", asymmetric_size=3)
    assert taps(block) == [
        [1, 1, 1, 1, 1],
        [1, 1, 2, 1, 1],
        [1, 2, 3, 2, 1],
        [1, 1, 2, 1, 1],
        [1, 1, 1, 1, 1],
    ]


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("padding", range(5))
def test_any_padding_and_stride(padding: int, shifted: bool, stride: int, dilation: int) -> None:
    torch.manual_seed(padding)
    block = AsymmetricConvolutionBlock(
        4, 6, 5, stride=stride, padding=padding, dilation=dilation, groups=2, bias=True, shifted=shifted
    )
    block.double().eval()
    deployed = block.deploy()
    for size in ((12, 11), (13, 14)):
        x = torch.randn(2, 4, *size, dtype=torch.float64)
        with torch.no_grad():
            torch.testing.assert_close(block(x), deployed(x), rtol=0, atol=1e-12)


def test_branches_train() -> None:
    block = AsymmetricConvolutionBlock(2, 4, 3, padding=1).train()
    block(torch.randn(4, 2, 6, 6)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in block.parameters())


@pytest.mark.parametrize(("square", "asymmetric"), [(4, 3), (5, 2), (3, 5)])
def test_kernels_without_a_common_centre_are_refused(square: int, asymmetric: int) -> None:
    with pytest.raises(ValueError, match=f"kernel sizes {square} and {asymmetric} must be odd"):
        AsymmetricConvolutionBlock(1, 1, square, asymmetric_size=asymmetric)
