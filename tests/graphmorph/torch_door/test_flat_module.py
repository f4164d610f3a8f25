"""Named tensors in and out, whatever forward takes and returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphmorph.errors import UsageError
from graphmorph.torch_door.flat_module import FlatModule, interface_of
from tests.graphmorph.torch_door.exportable import Several


class Returning(nn.Module):
    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result

    def forward(self, x: Any) -> Any:
        return self.result


@dataclass
class Closed:
    tensor: Tensor


def test_names_of_a_nested_module() -> None:
    interface = interface_of(Several().eval(), Several.example())
    assert interface.input_names == ("x", "pair_rows", "pair_ids")
    assert interface.arguments == ("x", "pair", "pair")
    assert interface.output_names == ("maps", "both_0", "both_1", "x_output")
    assert interface.notes == ("1 returned value(s) that are no tensors are left out of the file: [3]",)


def test_the_flat_module_computes_the_same_under_the_same_names() -> None:
    module, example = Several().eval(), Several.example()
    interface = interface_of(module, example)
    flat = FlatModule(module, interface)
    expected = module(**example)
    for got, wanted in zip(flat(*interface.tensors), (expected["maps"], *expected["both"], expected["x"]), strict=True):
        assert torch.equal(got, wanted)
    assert list(flat.state_dict()) == list(module.state_dict())
    assert all(a is b for a, b in zip(flat.parameters(), module.parameters(), strict=True))


@pytest.mark.parametrize(
    ("result", "names"),
    [
        (torch.ones(1), ("output",)),
        ((torch.ones(1), [torch.ones(1)]), ("output_0", "output_1_0")),
        ({"x": torch.ones(1), "y": torch.ones(1)}, ("x_output", "y")),
        ({"a_b": torch.ones(1), "a": {"b": torch.ones(1)}}, ("a_b", "a_b_output")),
    ],
)
def test_default_names_of_outputs(result: Any, names: tuple[str, ...]) -> None:
    assert interface_of(Returning(result), {"x": torch.ones(1)}).output_names == names


def test_inputs_that_forward_writes_into_stay_as_they_were() -> None:
    module = nn.ReLU(inplace=True)
    x = torch.tensor([-1.0])
    interface = interface_of(module, {"input": x})
    assert interface.run(module, [x])[0] == 0
    assert x == -1


@pytest.mark.parametrize(
    ("module", "inputs", "names", "message"),
    [
        (nn.ReLU(), {"input": 3}, None, "hold no tensor"),
        (nn.Linear(3, 2), {"input": torch.ones(1, 4)}, None, "Linear does not run on the example inputs: mat1"),
        (
            Returning(Closed(torch.ones(1))),
            {"x": torch.ones(1)},
            None,
            "returns no tensor that a file could hold, but Cl",
        ),
        (nn.ReLU(), {"input": torch.ones(1)}, ["a", "b"], r"2 given for 1 tensor\(s\) \(input\)"),
        (nn.ReLU(), {"input": torch.ones(1)}, "abc", "1 given for 1"),
        (nn.ReLU(), {"input": torch.ones(1)}, [""], "is empty"),
    ],
)
def test_what_does_not_fit(module: nn.Module, inputs: dict[str, Any], names: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        interface_of(module, inputs, names)
