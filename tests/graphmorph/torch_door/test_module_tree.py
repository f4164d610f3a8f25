"""The new module's tree: order, names and objects of the original, whatever the program reads of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from graphmorph.torch_door import materialise, trace
from graphmorph.torch_door.module_tree import Container
from tests.graphmorph.torch_door.edits import bypass, insert_behind, node_of
from tests.graphmorph.torch_door.identity_law import check_identity, round_trip, same
from tests.graphmorph.torch_door.programs import SmallNet, images, program, rows


class Furnished(nn.Module):
    """What models hold beside what their forward reads."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(6, 6)
        self.auxiliary = nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 3))
        self.first = nn.Linear(6, 6)
        self.unused = nn.Parameter(torch.ones(2))
        self.register_buffer("kept", torch.ones(6))
        self.register_buffer("forgotten", torch.ones(6), persistent=False)
        self.register_buffer("nothing", None)
        self.register_parameter("no_parameter", None)
        self.register_module("no_module", None)
        self.plain = torch.full((6,), 2.0)
        self.inside = nn.ModuleDict({"x-y": nn.ModuleList([nn.Linear(6, 6), nn.ReLU()])})
        self.options = {"a": 1}
        self.listed = (torch.ones(6), 3)

    def forward(self, x: Any) -> Any:
        y = self.first(x) * self.plain + self.listed[0]
        for layer in self.inside["x-y"]:
            y = layer(y)
        out = self.last(y) * self.kept * self.forgotten
        return (out, self.auxiliary(y)) if self.training else out


@pytest.mark.filterwarnings("ignore:.*branches on self.training")
def test_everything_stays_in_its_place() -> None:
    module = Furnished()
    again = check_identity(module, rows())
    assert list(again.state_dict()) == list(module.state_dict())
    assert "forgotten" not in again.state_dict()
    assert again.auxiliary is module.auxiliary
    assert again.unused is module.unused
    assert again.plain is module.plain
    assert again.options is module.options
    assert again.nothing is again.no_parameter is again.no_module is None
    assert again.inside["x-y"][0] is module.inside["x-y"][0]
    assert len(again.inside["x-y"]) == 2
    assert isinstance(again.inside["x-y"], Container)
    assert repr(again.inside).startswith("ModuleDict(")
    assert repr(again).splitlines()[1:] == repr(module).splitlines()[1:]


def test_names_that_torch_fx_uses_itself() -> None:
    names = ("graph", "code", "meta", "report", "original", "literal", "shape_env", "add_submodule")
    module = program(lambda m, x: _all(m, names, x) * m.recompile + 2, recompile=nn.Parameter(torch.ones(6)))
    for name in names:
        setattr(module, name, nn.Linear(6, 6))
    again = check_identity(module, rows())
    assert again.graph is module.graph


def _all(module: Any, names: tuple[str, ...], x: Any) -> Any:
    for name in names:
        x = getattr(module, name)(x)
    return x


def test_what_the_program_no_longer_reads_goes() -> None:
    module = SmallNet().eval()
    graph = trace(module, images())
    bypass(graph, "features.1")
    bypass(graph, "features.2")
    bypass(graph, "features.3")
    again = materialise(graph)
    keys = [key for key in module.state_dict() if not key.startswith("features.1.")]
    assert list(again.state_dict()) == keys
    assert list(again.features._modules) == ["0"]
    assert len(module.features) == 4


def test_containers_that_lost_everything_go() -> None:
    module = program(lambda m, x: m.layer(m.box(x)), layer=nn.Linear(6, 6), box=nn.Sequential(nn.ReLU(), nn.Tanh()))
    graph = trace(module, rows())
    for name in ("box.0", "box.1"):
        bypass(graph, name)
    assert [name for name, _ in materialise(graph).named_children()] == ["layer"]


def test_a_shared_module_goes_only_with_its_last_call() -> None:
    act = nn.PReLU()
    module = program(lambda m, x: m.b(m.layer(m.a(x))), a=act, b=act, layer=nn.Linear(6, 6))
    graph = trace(module, rows())
    bypass(graph, "a")
    again = materialise(graph)
    assert again.b is act
    same(again(rows()).detach(), act(module.layer(rows())).detach())
    assert list(again.state_dict()) == list(module.state_dict())


@pytest.mark.parametrize(
    "name", ["features.0.extra", "second.extra.deep", "head.fc", "unused.extra", "scale.x", "forward"]
)
def test_new_modules_never_take_the_place_of_others(name: str) -> None:
    module = SmallNet().eval()
    module.unused = nn.Linear(2, 2)
    module.scale = nn.Parameter(torch.ones(1))
    children = {path: list(one._modules) for path, one in module.named_modules()}
    graph = trace(module, images())
    tensor = node_of(graph, "second").outputs[0]
    insert_behind(graph, tensor, [("Sigmoid", name if name != "head.fc" else "head.fc ", {}, [])])
    again = materialise(graph)
    expected = module.head["fc"](torch.sigmoid(module.second(module.features(images()))).mean((2, 3)))
    same(again(images()), expected)
    assert list(again.state_dict()) == list(module.state_dict())
    assert {path: list(one._modules) for path, one in module.named_modules()} == children


def test_containers_keep_their_flags_and_attributes() -> None:
    module = SmallNet().train()
    module.features.note = "kept"
    module.features.eval()
    again = round_trip(module, images())
    assert again.features.note == "kept"
    assert again.training
    assert not again.features.training
    again.train()
    assert not module.features.training
