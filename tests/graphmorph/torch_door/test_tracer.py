"""Symbolic tracing: leaves, hooks, modes, assignments, and nothing left behind on the module."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm

from graphmorph.errors import TraceError
from graphmorph.torch_door import materialise, trace
from graphmorph.torch_door.record import DOMAIN
from tests.graphmorph.torch_door.identity_law import check_identity, round_trip, same, unchanged
from tests.graphmorph.torch_door.programs import SmallNet, images, program, rows


def opaque(graph: Any) -> list[str]:
    return [str(node.name) for node in graph.nodes if node.domain == DOMAIN]


@pytest.mark.parametrize("leaf", ["features", "feat*", nn.Sequential], ids=str)
def test_leaf_modules_by_path_glob_and_type(leaf: Any) -> None:
    module = SmallNet()
    check_identity(module, images(), leaf_modules=[leaf])
    assert opaque(trace(module, images(), leaf_modules=[leaf])) == ["features"]


def test_a_leaf_module_by_the_object() -> None:
    module = SmallNet()
    again = check_identity(module, images(), leaf_modules=[module.features])
    assert again.features is module.features


def test_modules_called_several_times() -> None:
    shared = nn.Linear(6, 6)
    module = program(
        lambda m, x: m.drop(m.b(m.drop(m.a(m.box[0](x))))),
        a=shared,
        b=shared,
        box=nn.ModuleList([shared]),
        drop=nn.Dropout(),
    )
    again = check_identity(module, rows())
    assert again.a is again.b is again.box[0] is shared


def test_a_branch_behind_a_dropout_that_is_told_the_mode() -> None:
    """What a branch asks for is computed while the flag is traced."""

    def forward(m: Any, x: Any) -> Any:
        x = F.dropout(x, 0.5, m.training)
        return x * 2 if x.shape[2] > 4 else x

    again = check_identity(program(forward), images())
    assert not torch.equal(again.train()(images()), images() * 2)


def test_hooks_on_leaves_containers_and_the_root_run_as_often_as_before() -> None:
    calls: list[str] = []

    def hook(name: str, factor: float) -> Any:
        def run(*arguments: Any) -> Any:
            calls.append(name)
            assert not isinstance(arguments[1][0], torch.fx.Proxy)
            return arguments[2] * factor if len(arguments) == 3 else None

        return run

    module = SmallNet().eval()
    module.second.register_forward_hook(hook("leaf", 2.0))
    module.second.register_forward_pre_hook(hook("leaf pre", 1.0))
    module.features.register_forward_hook(hook("container", 3.0))
    module.register_forward_hook(hook("root", 5.0))
    again = round_trip(module, images())
    assert calls == []
    expected = module(images())
    before, calls[:] = list(calls), []
    same(again(images()), expected)
    assert calls == before
    assert "features (Sequential) has hooks: it is kept as one opaque piece" in trace(module, images()).traced.notes
    check_identity(module, images())


def test_a_module_with_a_state_dict_of_its_own_is_kept_whole() -> None:
    class Renaming(nn.Sequential):
        def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
            destination[f"{prefix}renamed"] = self[0].weight if keep_vars else self[0].weight.detach()

    again = check_identity(program(lambda m, x: m.box(x), box=Renaming(nn.Linear(6, 6))), rows())
    assert "box.renamed" in again.state_dict()


def test_state_dict_hooks_live_on() -> None:
    module = SmallNet()
    module.features._register_state_dict_hook(
        lambda m, state, prefix, local: state.update({f"{prefix}extra": state.__len__()})
    )
    module.register_state_dict_post_hook(lambda m, state, prefix, local: state.update({"root": len(state)}))
    loaded: list[str] = []
    module.features.register_load_state_dict_post_hook(lambda m, keys: loaded.append("features"))
    again = round_trip(module.eval(), images())
    assert list(again.state_dict()) == list(module.state_dict())
    assert {"features.extra", "root"} <= set(again.state_dict())
    again.load_state_dict(module.state_dict(), strict=False)
    assert loaded == ["features"]


def test_weights_that_hooks_or_parametrisations_compute() -> None:
    module = program(
        lambda m, x: m.pruned(m.old(m.normed(m.spectral(x)))),
        spectral=parametrizations.spectral_norm(nn.Linear(6, 6)),
        normed=parametrizations.weight_norm(nn.Linear(6, 6)),
        old=spectral_norm(nn.Linear(6, 6)),
        pruned=prune.l1_unstructured(nn.Linear(6, 6), "weight", 0.5),
    )
    with torch.no_grad():
        module(rows())
        again = round_trip(module, rows())
        assert list(again.state_dict()) == list(module.state_dict())
        same(again(rows()), module(rows()))


def test_subclasses_of_layers_are_traced_through() -> None:
    class Centred(nn.Conv2d):
        def forward(self, x: Any) -> Any:
            weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
            return F.conv2d(x, weight, self.bias, self.stride, self.padding)

    module = program(lambda m, x: m.norm(m.conv(x)), conv=Centred(4, 4, 3), norm=nn.BatchNorm2d(4))
    check_identity(module, images())
    assert opaque(trace(module.eval(), images())) == []


def test_functional_forms_on_the_modules_own_tensors() -> None:
    def forward(m: Any, x: Any) -> Any:
        y = F.conv2d(x, m.conv.weight, m.conv.bias)
        n = m.norm
        y = F.batch_norm(y, n.running_mean, n.running_var, n.weight, n.bias, n.training, 0.2)
        return F.dropout(F.linear(y.mean((2, 3)), m.weights[0]) + m.named["bias"], 0.3, training=m.training)

    module = program(
        forward,
        conv=nn.Conv2d(4, 6, 1),
        norm=nn.BatchNorm2d(6),
        weights=nn.ParameterList([nn.Parameter(torch.eye(6))]),
        named=nn.ParameterDict({"bias": nn.Parameter(torch.ones(6))}),
    )
    check_identity(module, images())


def test_recurrent_and_attention_layers_are_kept_whole() -> None:
    def forward(m: Any, x: Any) -> Any:
        y, (hidden, _) = m.recurrent(x)
        z, weights = m.attention(y, y, y)
        return m.encoder(z), weights, hidden

    module = program(
        forward,
        recurrent=nn.LSTM(6, 8, batch_first=True),
        attention=nn.MultiheadAttention(8, 2, batch_first=True),
        encoder=nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
    )
    check_identity(module, torch.randn(3, 5, 6))


class Writer(nn.Module):
    """Sets attributes in forward, as code for debugging and caching does."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)
        self.last: Any = None
        self.calls = 0
        self.seen: list[Any] = []
        self.cache: dict[str, Any] = {"size": None}

    def forward(self, x: Any) -> Any:
        self.last = self.layer(x)
        self.calls += 1
        self.seen.append(self.last)
        self.cache["size"] = x.shape
        self.unknown = x
        return self.last * 2


def test_attributes_that_forward_sets_are_put_back() -> None:
    module = nn.Sequential(Writer(), Writer())
    again = check_identity(module, rows(), train=False)
    assert module[0].last is None
    assert module[0].calls == 0
    assert module[0].seen == []
    assert module[0].cache == {"size": None}
    assert not hasattr(module[0], "unknown")
    same(again(rows()).detach(), module(rows()).detach())
    notes = trace(module, rows()).traced.notes
    assert "forward of Writer sets self.last: the materialised module does not" in notes
    with unchanged(module):
        materialise(trace(module, rows(), leaf_modules=[Writer]))


class Average(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(6))

    def forward(self, x: Any) -> Any:
        self.mean = self.mean * 0.9 + x.mean(0).detach()
        return x - self.mean


def test_a_buffer_that_is_assigned_anew_is_refused_and_the_advice_works() -> None:
    module = nn.Sequential(nn.Linear(6, 6), Average())
    with unchanged(module), pytest.raises(TraceError, match=r"test_tracer.py:\d+.*assigns to self.mean.*mean.copy_"):
        trace(module, rows())
    check_identity(module, rows(), leaf_modules=[Average])


def test_frozen_normalisation_in_a_training_model() -> None:
    module = SmallNet().train()
    module.features[1].eval()
    module.features[1].weight.requires_grad_(False)
    again = round_trip(module, images())
    assert again.training
    assert again.features.training
    assert not again.features[1].training
    same(again.eval()(images()), module.eval()(images()))


def test_tensors_that_forward_makes_of_nothing_are_not_left_on_the_module() -> None:
    module = program(lambda m, x: x + torch.arange(6) * 2 + torch.tensor([1.5]) + torch.linspace(0, 1, 6))
    again = check_identity(module, rows())
    assert list(again.state_dict()) == []
    again.to(torch.float64)
    assert again(rows().double()).dtype == torch.float64


def test_tracing_a_traced_module() -> None:
    module = SmallNet().eval()
    again = round_trip(module, images())
    twice = check_identity(again, images())
    same(twice(images()), module(images()))
    assert [name for name, _ in twice.named_modules()] == [name for name, _ in module.named_modules()]
