"""Files against modules: rounding passes, anything else does not, and what cannot be said is not said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from graphmorph.proof import Proof
from graphmorph.proof.verdict import Limits
from graphmorph.runtime import Runtime
from graphmorph.torch_door.exporters import ExportSettings, export_file
from graphmorph.torch_door.file_cases import cases_for
from graphmorph.torch_door.file_proof import FileProof
from graphmorph.torch_door.flat_module import interface_of
from graphmorph.torch_door.free_axes import free_axes


class Reads(nn.Module):
    """Integers in, and a second input that nothing depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.linear = nn.Embedding(9, 16), nn.Linear(16, 4)

    def forward(self, unused: Tensor, ids: Tensor) -> Tensor:
        result: Tensor = self.linear(self.embedding(ids).sum(1)).softmax(-1)
        return result


class Judged:
    """A module, its export, and what is said of it after the file was changed."""

    def __init__(self, module: nn.Module, inputs: dict[str, Tensor], runtime: Runtime, folder: Path) -> None:
        self.module = module.eval()
        interface = interface_of(module, inputs)
        free = free_axes(interface, dynamic_batch=True, dynamic_shapes=None)
        self.path = folder / "model.onnx"
        with torch.no_grad():
            export_file(module, interface, free, self.path, ExportSettings("legacy"))
            cases = cases_for(module, interface, free, samples=1, seed=0)
        self.proof = FileProof(interface, free, cases, runtime, Limits())
        self.model = onnx.load(self.path)

    def scaled(self, factor: float) -> Proof:
        """The verdict after all weights with two axes were scaled."""
        changed = onnx.ModelProto()
        changed.CopyFrom(self.model)
        for weights in changed.graph.initializer:
            if len(weights.dims) == 2:
                array = numpy_helper.to_array(weights)
                weights.CopyFrom(numpy_helper.from_array((array * array.dtype.type(factor)), weights.name))
        return self.of(changed)

    def of(self, model: onnx.ModelProto) -> Proof:
        onnx.save(model, self.path)
        with torch.no_grad():
            return self.proof.judge(self.module, self.path)


@pytest.fixture
def reading(runtime: Runtime, tmp_path: Path) -> Judged:
    torch.manual_seed(0)
    return Judged(Reads(), {"unused": torch.ones(2, 1), "ids": torch.tensor([[1, 2], [8, 0]])}, runtime, tmp_path)


def test_rounding_passes_and_little_more_does_not(reading: Judged) -> None:
    assert reading.scaled(1 + 2**-22).verdict == "equal"
    wrong = reading.scaled(1.001)
    assert wrong.verdict == "different"
    assert wrong.exit_code == 1
    worst = wrong.worst
    assert worst is not None
    assert worst.second_opinion


def test_inputs_without_effect_are_noted(reading: Judged) -> None:
    assert reading.of(reading.model).notes == ("the outputs do not depend on unused: the file has no such input",)


def test_ports_have_to_be_those_of_the_module(reading: Judged) -> None:
    renamed = onnx.ModelProto()
    renamed.CopyFrom(reading.model)
    for node in renamed.graph.node:
        node.output[:] = ["other" if name == "output" else name for name in node.output]
    renamed.graph.output[0].name = "other"
    assert reading.of(renamed).reason == "the outputs output became other"
    fixed = onnx.ModelProto()
    fixed.CopyFrom(reading.model)
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    assert reading.of(fixed).reason == "axis 0 of ids (batch) is fixed at 2 in the file"
    extra = onnx.ModelProto()
    extra.CopyFrom(reading.model)
    extra.graph.input.append(onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, [1]))
    assert reading.of(extra).reason == "the file has an input more that the module has not"


def test_a_damaged_file_is_different_and_a_missing_operator_inconclusive(reading: Judged) -> None:
    reading.path.write_bytes(b"nothing")
    assert reading.proof.judge(reading.module, reading.path).verdict == "different"
    foreign = onnx.ModelProto()
    foreign.CopyFrom(reading.model)
    foreign.graph.node[-1].domain = "somebody.else"
    foreign.opset_import.append(onnx.helper.make_opsetid("somebody.else", 1))
    proof = reading.of(foreign)
    assert (proof.verdict, proof.unsupported) == ("inconclusive", True)


def test_a_file_that_runs_at_the_example_only_is_different(reading: Judged) -> None:
    narrow = onnx.ModelProto()
    narrow.CopyFrom(reading.model)
    shape = numpy_helper.from_array(np.array([2, 4]), "fixed_shape")
    narrow.graph.initializer.append(shape)
    narrow.graph.node[-1].output[0] = "before"
    narrow.graph.node.append(onnx.helper.make_node("Reshape", ["before", "fixed_shape"], ["output"]))
    assert "the module runs on unused [3, 1], ids [3, 2], the file does not" in reading.of(narrow).reason


def test_limits_of_the_user_are_taken_at_their_word(reading: Judged) -> None:
    object.__setattr__(reading.proof, "limits", Limits(atol=0.1))
    assert reading.scaled(1.001).verdict == "equal"
