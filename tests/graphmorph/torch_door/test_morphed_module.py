"""The result as a module: copies, pickles, scripts and exports."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from graphmorph.errors import MaterialiseError
from graphmorph.torch_door import materialise, trace
from graphmorph.torch_door.morphed_module import MorphedModule
from tests.graphmorph.torch_door.edits import insert_behind, node_of
from tests.graphmorph.torch_door.identity_law import (
    assert_same_results,
    assert_same_state,
    assert_same_tree,
    round_trip,
    same,
    tensors_of,
)
from tests.graphmorph.torch_door.programs import Program, SmallNet, images, program, rows


def doubled_output(module: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
    return output * 2


def deep_copied(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module)


def pickled(module: nn.Module) -> nn.Module:
    restored: nn.Module = pickle.loads(pickle.dumps(module))
    return restored


def saved(module: nn.Module) -> nn.Module:
    stored = io.BytesIO()
    torch.save(module, stored)
    stored.seek(0)
    restored: nn.Module = torch.load(stored, weights_only=False)
    return restored


class Everything(SmallNet):
    """Hooks, a buffer that no state_dict holds, constants, tied weights, several outputs, max_pool2d as a function."""

    def __init__(self) -> None:
        super().__init__()
        self.tied = nn.Linear(4, 3)
        self.tied.weight = self.head["fc"].weight
        self.register_buffer("hidden", torch.full((3,), 2.0), persistent=False)
        self.second.register_forward_hook(doubled_output)
        self.register_forward_hook(_kept)
        self.options = {"a": [1]}

    def forward(self, x: torch.Tensor) -> Any:
        y = nn.functional.max_pool2d(self.second(self.features(x)), 2)
        y = self.drop(y.mean((2, 3)))
        return self.head["fc"](y) * self.hidden, [self.tied(y) + torch.arange(3), y.size(0)], y[:, 1:].max(1)


def _kept(module: Any, inputs: Any, output: Any) -> None:
    module.__dict__["seen"] = len(output)


COPIES = (deep_copied, pickled, saved)


@pytest.mark.parametrize("twin", COPIES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("train", [False, True])
def test_twins_compute_the_same_and_are_independent(twin: Any, train: bool) -> None:
    module = Everything().train(train)
    module.features[1].eval()
    again = round_trip(module, images())
    other = twin(again)
    assert type(other).__name__ == "Everything"
    assert isinstance(other, MorphedModule)
    assert not tensors_of(again) & tensors_of(other)
    assert list(other.state_dict()) == list(module.state_dict())
    assert "hidden" in dict(other.named_buffers())
    assert other.tied.weight is other.head["fc"].weight
    assert {path: m.training for path, m in other.named_modules()} == {p: m.training for p, m in module.named_modules()}
    assert other.options == {"a": [1]}
    assert other.options is not again.options
    assert_same_results(copy.deepcopy(module), other, images())
    assert other.seen == 3
    with torch.no_grad():
        other.second.weight.zero_()
    assert module.second.weight.abs().sum() > 0
    assert_same_tree(twin(other).state_dict(), other.state_dict())


def test_a_shallow_copy_shares_its_tensors() -> None:
    again = round_trip(SmallNet().eval(), images())
    other = copy.copy(again)
    assert_same_state(again, other)
    assert other.graph is not again.graph
    same(other(images()), again(images()))


def test_a_deepcopy_within_another_keeps_what_is_shared() -> None:
    again = round_trip(SmallNet().eval(), images())
    box = nn.ModuleList([again, again.second, nn.ModuleList([again])])
    other = copy.deepcopy(box)
    assert other[0].second is other[1]
    assert other[2][0] is other[0]
    assert other[0] is not again


def test_an_edited_module_is_copied_with_its_edit() -> None:
    module = SmallNet().eval()
    graph = trace(module, images())
    insert_behind(graph, node_of(graph, "second").outputs[0], [("Sigmoid", "second.gate", {}, [])])
    again = materialise(graph)
    again.__dict__["report"] = {"rewrites": 1}
    for twin in COPIES:
        other = twin(again)
        same(other(images()), again(images()))
        assert other.report == {"rewrites": 1}


def test_a_saved_module_loads_in_a_fresh_process(tmp_path: Path) -> None:
    module = SmallNet().eval()
    again = round_trip(module, images())
    torch.save(again, tmp_path / "module.pt")
    torch.save(images(), tmp_path / "x.pt")
    code = (
        "import sys, torch\n"
        f"m = torch.load(r'{tmp_path}/module.pt', weights_only=False)\n"
        f"torch.save(m(torch.load(r'{tmp_path}/x.pt')).detach(), r'{tmp_path}/y.pt')\n"
        "assert not any(name.startswith('tests') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    same(torch.load(tmp_path / "y.pt"), module(images()).detach())


def test_state_dicts_are_exchanged_with_the_original() -> None:
    module = SmallNet().eval()
    again = copy.deepcopy(round_trip(module, images()))
    other = SmallNet().eval()
    with torch.no_grad():
        other.second.weight.add_(1.0)
    again.load_state_dict(other.state_dict())
    same(again(images()), other(images()))
    optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
    module(images()).sum().backward()
    optimizer.step()
    for ours, theirs in zip(module.parameters(), again.parameters(), strict=True):
        assert ours.shape == theirs.shape
    torch.optim.SGD(again.parameters(), 0.1, momentum=0.9).load_state_dict(optimizer.state_dict())


@pytest.fixture
def edited() -> tuple[nn.Module, MorphedModule]:
    """A module, and the same with a sigmoid in the middle."""
    module = SmallNet().eval()
    graph = trace(module, images())
    insert_behind(graph, node_of(graph, "second").outputs[0], [("Sigmoid", "second.gate", {}, [])])
    expected = copy.deepcopy(module)
    expected.second = nn.Sequential(expected.second, nn.Sigmoid())
    return expected, materialise(graph)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_scripts(edited: tuple[nn.Module, MorphedModule]) -> None:
    module = SmallNet().eval()
    for expected, again in ((module, round_trip(module, images())), edited):
        scripted = torch.jit.script(again)
        same(scripted(images(5)), expected(images(5)))


@pytest.mark.filterwarnings("ignore")
def test_it_exports(edited: tuple[nn.Module, MorphedModule], tmp_path: Path) -> None:
    expected, again = edited
    program = torch.export.export(again, (images(),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    same(program.module()(images(5)), expected(images(5)))
    for dynamo in (True, False):
        path = tmp_path / f"{dynamo}.onnx"
        torch.onnx.export(again, (images(),), str(path), dynamo=dynamo, verbose=False)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        (got,) = session.run(None, {session.get_inputs()[0].name: images().numpy()})
        np.testing.assert_allclose(got, expected(images()).detach().numpy(), atol=1e-5)


def test_it_is_a_graph_module_like_others() -> None:
    module = SmallNet().eval()
    again = round_trip(module, images())
    again.graph.lint()
    again.recompile()
    same(again(images()), module(images()))
    same(torch.fx.symbolic_trace(again)(images()), module(images()))
    same(torch.func.functional_call(again, dict(again.named_parameters()), (images(),)), module(images()))
    assert again.double()(images().double()).dtype == torch.float64
    assert "Conv2d(4, 8" in repr(again)


def test_a_name_that_torch_fx_cannot_do_without_is_refused() -> None:
    module: Program = program(lambda m, x: m._graph(x), _graph=nn.Linear(6, 6))
    with pytest.raises(MaterialiseError, match="_graph"):
        materialise(trace(module, rows()))
