"""Which axes are free, what they are called, and the sizes that they are proven at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphmorph.errors import UsageError
from graphmorph.torch_door.file_cases import cases_for
from graphmorph.torch_door.flat_module import Interface, interface_of
from graphmorph.torch_door.free_axes import FreeAxes, free_axes, without_ones
from tests.graphmorph.torch_door.exportable import FixedBatch


class Two(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x.sum() + y.sum()


def two(*shapes: tuple[int, ...]) -> Interface:
    return interface_of(Two(), dict(zip("xy", (torch.ones(shape) for shape in shapes), strict=True)))


def free(interface: Interface, shapes: Mapping[str, Any] | None = None, *, batch: bool = False) -> FreeAxes:
    return free_axes(interface, dynamic_batch=batch, dynamic_shapes=shapes)


def test_the_batch_is_that_of_the_first_tensor() -> None:
    assert free(two((2, 3), (2,)), batch=True) == ({0: "batch"}, {0: "batch"})
    assert free(two((2, 3), (3, 2)), batch=True) == ({0: "batch"}, {})
    assert free(two((), (3, 2)), batch=True) == ({}, {0: "batch"})


def test_axes_in_every_form() -> None:
    interface = two((2, 3), (2, 3))
    wanted = {"x": {0: "n", -1: "width"}, "y": ("n", None)}
    assert free(interface, wanted) == ({0: "n", 1: "width"}, {0: "n"})
    assert free(interface, {"x": {0: torch.export.Dim("rows")}}) == ({0: "rows"}, {})
    assert free(interface, {"x": {0: torch.export.Dim.DYNAMIC}, "y": None}) == ({0: "x_0"}, {})


@pytest.mark.parametrize(
    ("shapes", "wanted", "batch", "message"),
    [
        (((), ()), None, True, "no input has an axis"),
        (((2,), (2,)), ({0: "n"},), False, "a mapping by argument"),
        (((2,), (2,)), {"z": {0: "n"}}, False, "no input z; there are x, y"),
        (((2,), (2,)), {"x": "n"}, False, "axis: name"),
        (((2,), (2,)), {"x": {1: "n"}}, False, "no axis 1"),
        (((2,), (2,)), {"x": {0: "a b"}}, False, "'a b' is no name"),
        (((2,), (3,)), {"x": {0: "n"}, "y": {0: "n"}}, False, "its size is 2 in one input and 3 in axis 0 of y"),
    ],
)
def test_what_does_not_fit(shapes: Any, wanted: Any, batch: bool, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        free(two(*shapes), wanted, batch=batch)


def test_free_axes_of_size_one_are_made_longer() -> None:
    interface = two((1, 3, 1), (1,))
    grown = without_ones(interface.tensors, free(interface, {"x": {0: "n", 2: "w"}}))
    assert [tuple(tensor.shape) for tensor in grown] == [(2, 3, 2), (1,)]


class Strided(nn.Module):
    """Takes widths that 4 divides."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], -1, 4)


def test_cases_meet_every_free_axis_alone_and_all_together() -> None:
    interface = interface_of(Strided(), {"x": torch.ones(2, 8)})
    cases = cases_for(Strided(), interface, free(interface, {"x": {0: "n", 1: "width"}}), samples=2, seed=0)
    shapes = [tuple(case.tensors[0].shape) for case in cases.cases]
    assert shapes == [(2, 8), (2, 8), (2, 8), (3, 8), (2, 16), (3, 16), (1, 8)]
    assert [case.source for case in cases.cases] == ["given"] + ["seeded"] * 6
    assert cases.unproven == []


def test_an_axis_at_which_no_other_size_runs_is_named() -> None:
    interface = interface_of(FixedBatch(), {"x": torch.ones(2, 4)})
    cases = cases_for(FixedBatch(), interface, free(interface, batch=True), samples=1, seed=0)
    assert cases.unproven == ["batch"]


def test_integers_are_drawn_from_those_of_the_example() -> None:
    ids = torch.tensor([[5, 11]])
    module = nn.Embedding(12, 3)
    interface = interface_of(module, {"input": ids})
    cases = cases_for(module, interface, free(interface, batch=True), samples=1, seed=0)
    assert {int(value) for case in cases.cases for value in case.tensors[0].flatten()} == {5, 11}
