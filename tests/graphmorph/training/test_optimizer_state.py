"""Which parameters an optimizer holds afterwards, in which groups, with which state."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn, optim

import graphmorph
from graphmorph.errors import OptimizerWarning, UsageError
from graphmorph.torch_door import materialise, trace
from graphmorph.torch_door.morphed_module import MorphedModule
from graphmorph.training import carry_optimizer
from tests.graphmorph.torch_door.edits import insert_behind, node_of
from tests.graphmorph.torch_door.programs import program, rows
from tests.graphmorph.training.dead_net import FIRST, DeadNet, batch, without_dead
from tests.graphmorph.training.slicing import Cut, sliced

KEPT = (4, 0, 2)
NARROW = [Cut("first", (1, 2), 0, KEPT), Cut("second", (1,), 1, KEPT)]


def two_layers() -> nn.Module:
    """6 -> 5 -> 2 features."""
    torch.manual_seed(0)
    return program(lambda m, x: m.second(m.first(x).relu()), first=nn.Linear(6, 5), second=nn.Linear(5, 2))


def stepped(optimizer: optim.Optimizer, module: nn.Module, steps: int = 3) -> None:
    """Some steps, and a gradient that waits for the next."""
    for number in range(steps + 1):
        optimizer.zero_grad()
        module(rows(seed=number)).square().mean().backward()
        if number < steps:
            optimizer.step()


def groups_of(optimizer: optim.Optimizer, module: nn.Module) -> list[list[str]]:
    """The paths of the parameters in each group."""
    paths = {id(parameter): path for path, parameter in module.named_parameters()}
    return [[paths.get(id(p), "?") for p in group["params"]] for group in optimizer.param_groups]


def test_state_and_gradients_have_the_entries_that_the_parameter_has() -> None:
    module = two_layers()
    optimizer = optim.Adam(module.parameters(), amsgrad=True)
    stepped(optimizer, module)
    old = {path: optimizer.state[p] for path, p in module.named_parameters()}
    smaller = sliced(module, rows(), NARROW)
    assert carry_optimizer(optimizer, module, smaller) is optimizer
    assert len(optimizer.state) == 4
    for path, rule in {
        "first.weight": lambda t: t[list(KEPT)],
        "first.bias": lambda t: t[list(KEPT)],
        "second.weight": lambda t: t[:, list(KEPT)],
        "second.bias": lambda t: t,
    }.items():
        new = smaller.get_parameter(path)
        assert set(optimizer.state[new]) == set(old[path]) == {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}
        for name, value in optimizer.state[new].items():
            assert torch.equal(value, old[path][name] if name == "step" else rule(old[path][name]))
        assert new.grad is not None
        assert torch.equal(new.grad, rule(module.get_parameter(path).grad))


def test_groups_keep_their_order_and_options_and_stay_when_empty() -> None:
    module, other = two_layers(), nn.Linear(3, 3)
    module.unused = nn.Linear(2, 2)  # type: ignore[assignment]
    gone = nn.Parameter(torch.ones(5))
    module.gone, module.function = gone, lambda m, x: m.second((m.first(x) * m.gone).relu())
    optimizer = optim.SGD(
        [
            {"params": [module.second.bias, *other.parameters(), module.first.weight], "lr": 0.5},
            {"params": [gone], "lr": 0.25},
            {"params": [module.unused.weight, module.first.bias], "weight_decay": 0.125},
        ],
        lr=1.0,
        momentum=0.9,
    )
    scheduler = optim.lr_scheduler.LambdaLR(optimizer, [lambda n: 0.5**n, lambda n: 1.0, lambda n: 0.1**n])
    stepped(optimizer, module)
    scheduler.step()
    before = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    graph = trace(module, rows())
    product = next(node for node in graph.nodes if node.op == "Mul")
    first, second = node_of(graph, "first"), product.outputs[0].outputs[0]
    second.inputs[0] = first.outputs[0]
    graph.nodes.remove(product)
    smaller = materialise(graph)
    carry_optimizer(optimizer, module, smaller)
    assert groups_of(optimizer, smaller) == [
        ["second.bias", "?", "?", "first.weight"],
        [],
        ["unused.weight", "first.bias"],
    ]
    assert optimizer.param_groups[0]["params"][1] is other.weight
    assert [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups] == before
    assert gone not in optimizer.state
    stepped(optimizer, smaller)
    scheduler.step()
    assert scheduler.get_last_lr() == pytest.approx([0.125, 0.25, 0.01])


def test_names_of_parameters_follow() -> None:
    module = two_layers()
    optimizer = optim.SGD(list(module.named_parameters()), 0.1)
    assert optimizer.param_groups[0]["param_names"] == ["first.weight", "first.bias", "second.weight", "second.bias"]
    smaller = sliced(module, rows(), [Cut("second", (1, 2), 0, (1,))])
    carry_optimizer(optimizer, module, smaller)
    assert optimizer.param_groups[0]["param_names"] == ["first.weight", "first.bias", "second.weight", "second.bias"]
    assert groups_of(optimizer, smaller) == [optimizer.param_groups[0]["param_names"]]


def with_a_new_layer(module: nn.Module) -> MorphedModule:
    """A layer of ones behind the first."""
    import numpy as np
    import onnx_graphsurgeon as gs

    graph = trace(module, rows())
    weight, bias = gs.Constant("w", np.eye(5, dtype=np.float32)), gs.Constant("b", np.zeros(5, np.float32))
    insert_behind(graph, node_of(graph, "first").outputs[0], [("Gemm", "extra", {"transB": 1}, [weight, bias])])
    return materialise(graph)


@pytest.mark.parametrize("group", [0, 1])
def test_new_parameters_join_the_group_that_is_asked_for(group: int) -> None:
    module = two_layers()
    optimizer = optim.Adam([{"params": [p]} for p in module.first.parameters()])
    stepped(optimizer, module)
    larger = with_a_new_layer(module)
    carry_optimizer(optimizer, module, larger, new_group=group)
    expected = [["first.weight"], ["first.bias"]]
    expected[group] += ["extra.weight", "extra.bias"]
    assert groups_of(optimizer, larger) == expected
    stepped(optimizer, larger)
    assert optimizer.state[larger.extra.weight]["step"] == 3


def test_what_the_optimizer_does_not_train_stays_out() -> None:
    module = two_layers()
    optimizer = optim.SGD(module.second.parameters(), 0.1, momentum=0.5)
    stepped(optimizer, module)
    smaller = sliced(module, rows(), NARROW)
    carry_optimizer(optimizer, module, smaller)
    assert groups_of(optimizer, smaller) == [["second.weight", "second.bias"]]


def test_resized_buffers_are_not_trained() -> None:
    module = two_layers()
    module.register_buffer("mean", torch.arange(5.0))
    module.function = lambda m, x: m.second(m.first(x) - m.mean)
    optimizer = optim.SGD(module.parameters(), 0.1)
    smaller = sliced(module, rows(), [*NARROW, Cut("sub", (1,), 0, KEPT)])
    assert {path for path, _ in smaller.named_parameters()} == {path for path, _ in module.named_parameters()}
    assert torch.equal(next(smaller.buffers()), torch.tensor([4.0, 0.0, 2.0]))
    carry_optimizer(optimizer, module, smaller)
    assert groups_of(optimizer, smaller) == [["first.weight", "first.bias", "second.weight", "second.bias"]]


def test_one_parameter_that_becomes_two_hands_its_state_to_both() -> None:
    torch.manual_seed(0)
    module = program(lambda m, x: m.layer(m.layer(x).relu()), layer=nn.Linear(6, 6))
    optimizer = optim.Adam(module.parameters())
    stepped(optimizer, module)
    moment = optimizer.state[module.layer.weight]["exp_avg"]
    graph = trace(module, rows())
    nodes = [node.name for node in graph.nodes if node.op == "Gemm"]
    cuts = [Cut(nodes[0], (1, 2), 0, (1, 3)), Cut(nodes[1], (1,), 1, (1, 3))]
    smaller = sliced(module, rows(), cuts, takes_over=False)
    carry_optimizer(optimizer, module, smaller)
    weights = [p for p in smaller.parameters() if p.dim() == 2]
    assert groups_of(optimizer, smaller) == [["layer.weight", "layer_2.weight", "layer.bias", "layer_2.bias"]]
    assert torch.equal(optimizer.state[weights[0]]["exp_avg"], moment[[1, 3]])
    assert torch.equal(optimizer.state[weights[1]]["exp_avg"], moment[:, [1, 3]])
    steps = {id(state["step"]) for state in optimizer.state.values()}
    stepped(optimizer, smaller, steps=1)
    assert len(steps) == len(optimizer.state) == 4
    assert all(state["step"] == 4 for state in optimizer.state.values())


def test_weights_that_the_graph_holds_transposed() -> None:
    module = two_layers()
    x = rows()[:, None]
    optimizer = optim.SGD(module.parameters(), 0.1, momentum=0.9)
    stepped(optimizer, module)
    moments = [optimizer.state[p]["momentum_buffer"] for p in module.parameters()]
    graph = trace(module, x)
    assert [node.op for node in graph.nodes if node.name == "first"] == ["MatMul"]
    cuts = [Cut("first", (1,), 1, KEPT), Cut("first_add", (1,), 0, KEPT), Cut("second", (1,), 0, KEPT)]
    smaller = sliced(module, x, cuts)
    carry_optimizer(optimizer, module, smaller)
    first, first_bias, second, _ = (optimizer.state[p]["momentum_buffer"] for p in smaller.parameters())
    assert torch.equal(first, moments[0][list(KEPT)])
    assert torch.equal(first_bias, moments[1][list(KEPT)])
    assert torch.equal(second, moments[2][:, list(KEPT)])


def reloaded(module: MorphedModule) -> MorphedModule:
    buffer = io.BytesIO()
    torch.save(module, buffer)
    buffer.seek(0)
    made: MorphedModule = torch.load(buffer, weights_only=False)
    return made


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, reloaded])
def test_copies_know_where_their_parameters_come_from(twin: Callable[[Any], Any]) -> None:
    module = DeadNet()
    smaller = twin(without_dead(module))
    optimizer = optim.SGD(module.parameters(), 0.1, momentum=0.9)
    module(batch(0)[0]).sum().backward()
    optimizer.step()
    moment = optimizer.state[module.body[0].weight]["momentum_buffer"]
    carry_optimizer(optimizer, module, smaller)
    assert torch.equal(optimizer.state[smaller.body[0].weight]["momentum_buffer"], moment[list(FIRST)])


def test_twice_in_a_row_and_saved_in_between() -> None:
    module = two_layers()
    optimizer = optim.Adam(module.parameters())
    stepped(optimizer, module)
    moment = optimizer.state[module.first.weight]["exp_avg"]
    smaller = sliced(module, rows(), NARROW)
    carry_optimizer(optimizer, module, smaller)
    again = optim.Adam(smaller.parameters())
    again.load_state_dict(optimizer.state_dict())
    least = sliced(smaller, rows(), [Cut("first", (1, 2), 0, (2, 0)), Cut("second", (1,), 1, (2, 0))])
    carry_optimizer(again, smaller, least)
    assert torch.equal(again.state[least.first.weight]["exp_avg"], moment[[2, 4]])


def test_computed_parameters_start_anew_in_the_group_of_what_they_came_from() -> None:
    conv, norm = nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4)
    module = nn.Sequential(conv, norm).eval()
    optimizer = optim.Adam([{"params": [conv.weight]}, {"params": norm.parameters(), "weight_decay": 0.5}])
    x = torch.randn(2, 3, 4, 4)
    module(x).square().sum().backward()
    optimizer.step()
    fused = graphmorph.fuse(module, example_inputs=x)
    with pytest.warns(OptimizerWarning, match=r"of 2 parameters starts anew: 0\.weight \(computed from 0\.weight, 1"):
        carry_optimizer(optimizer, module, fused)
    assert groups_of(optimizer, fused) == [["0.weight"], ["0.bias"]]
    assert not optimizer.state


def test_state_that_belongs_to_no_entries_starts_anew() -> None:
    module = two_layers()
    optimizer = optim.SGD(module.parameters(), 0.1, momentum=0.9)
    stepped(optimizer, module)
    for parameter in module.parameters():
        optimizer.state[parameter]["factor"] = torch.eye(3)
    smaller = sliced(module, rows(), NARROW)
    with pytest.warns(
        OptimizerWarning, match=r"3 parameters starts anew: first\.weight \(its factor of shape \(3, 3\)"
    ):
        carry_optimizer(optimizer, module, smaller)
    assert list(optimizer.state) == [smaller.second.bias]
    assert set(optimizer.state[smaller.second.bias]) == {"momentum_buffer", "factor"}


def untouched(optimizer: optim.Optimizer) -> tuple[list[list[int]], dict[int, int]]:
    """What an optimizer holds, by identity."""
    groups = [[id(p) for p in group["params"]] for group in optimizer.param_groups]
    return groups, {id(p): id(state) for p, state in optimizer.state.items()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda m, s: (m, s, {"new_group": 1}), "new_group=1: the optimizer has 1 param groups"),
        (lambda m, s: (copy.deepcopy(m), s, {}), "the optimizer holds no parameter of `before`"),
        (lambda m, s: (m, m, {}), "nothing tells where its parameters come from"),
        (lambda m, s: (m, of_another_module(), {}), r"first.weight of shape \(3, 6\) was made from first.weight"),
    ],
)
def test_wrong_modules_are_told_and_nothing_changes(arguments: Callable[..., Any], message: str) -> None:
    module = two_layers()
    optimizer = optim.SGD(module.parameters(), 0.1, momentum=0.9)
    stepped(optimizer, module)
    held = untouched(optimizer)
    before, after, options = arguments(module, sliced(module, rows(), NARROW))
    with pytest.raises(UsageError, match=message):
        carry_optimizer(optimizer, before, after, **options)
    assert untouched(optimizer) == held


def of_another_module() -> MorphedModule:
    """Made from layers by the names of those of `two_layers`, which have more features."""
    module = program(lambda m, x: m.second(m.first(x)), first=nn.Linear(6, 9), second=nn.Linear(9, 2))
    return sliced(module, rows(), [Cut("first", (1, 2), 0, (8, 0, 2)), Cut("second", (1,), 1, (8, 0, 2))])


def test_one_vector_of_all_parameters_cannot_follow() -> None:
    module = two_layers()
    optimizer = optim.LBFGS(module.parameters())
    with pytest.raises(UsageError, match="LBFGS keeps directions of all parameters in one vector"):
        carry_optimizer(optimizer, module, sliced(module, rows(), NARROW))
