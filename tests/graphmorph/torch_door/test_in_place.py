"""Operations in place: later readers see what was written, and a pass in between does not change who sees what."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from graphmorph.torch_door import materialise, trace
from tests.graphmorph.torch_door.edits import bypass
from tests.graphmorph.torch_door.identity_law import check_identity, same
from tests.graphmorph.torch_door.programs import images, program, rows


def augmented(m: Any, x: Any) -> Any:
    y = m.layer(x)
    z = y
    y += 1
    y -= 0.5
    y *= 2
    y /= 3
    return y, z, y * z


def alias_then_write(m: Any, x: Any) -> Any:
    y = x * 1.0
    z = y
    y.add_(1)
    before = z * 2
    z.mul_(3)
    return y, z, before


def methods(m: Any, x: Any) -> Any:
    y = m.layer(x) * 1.0
    y.mul_(2).sub_(0.5)
    y.add_(y)
    z = y.neg_()
    return y, z.add_(x)


def with_out(m: Any, x: Any) -> Any:
    y = x * 2
    torch.add(x, 1, out=y)
    return y, y * 2


def functional(m: Any, x: Any) -> Any:
    y = m.layer(x)
    F.relu(y, inplace=True)
    return y + F.leaky_relu(y * 1.0, 0.1, inplace=True)


def residual(m: Any, x: Any) -> Any:
    y = m.act(m.layer(x))
    y = m.layer(y)
    y += x
    return m.act(y)


def unread_result(m: Any, x: Any) -> Any:
    y = m.layer(x)
    m.act(y)
    return y


def kept_before_and_after(m: Any, x: Any) -> Any:
    y = x * 1.0
    outputs = [y]
    y.add_(1)
    return outputs, {"y": y}


def masked(m: Any, x: Any) -> Any:
    y = x * 2
    y[y > 0] = 0
    return y.masked_fill_(y < -1, 5.0)


def data_written(m: Any, x: Any) -> Any:
    m.layer.weight.data.clamp_(-0.1, 0.1)
    return m.layer(x)


PROGRAMS = (
    augmented,
    alias_then_write,
    methods,
    functional,
    residual,
    unread_result,
    kept_before_and_after,
    masked,
    data_written,
)


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda f: f.__name__)
def test_the_round_trip_is_the_identity(function: Any) -> None:
    torch.manual_seed(0)
    check_identity(program(function, layer=nn.Linear(6, 6), act=nn.ReLU(inplace=True)), rows())


def test_out_arguments_are_written_into() -> None:
    check_identity(program(with_out), rows(), train=False)


@pytest.mark.parametrize("layer", [nn.SiLU, nn.Hardswish, nn.ELU, nn.Dropout], ids=lambda f: f.__name__)
def test_modules_in_place_change_what_others_read(layer: Any) -> None:
    def forward(m: Any, x: Any) -> Any:
        y = m.layer(x) + 0.5
        z = m.act(y)
        return z + y

    check_identity(program(forward, layer=nn.Linear(6, 6), act=layer(inplace=True)), rows(), train=layer is nn.Dropout)


def test_what_forward_writes_into_its_input_is_written() -> None:
    module = program(lambda m, x: x.relu_() * 2)
    again = check_identity(module, rows())
    x = rows()
    again(x)
    same(x, rows().relu())


def test_a_buffer_that_forward_counts_in_is_counted_in() -> None:
    def forward(m: Any, x: Any) -> Any:
        m.count += 1
        m.mean.mul_(0.9).add_(x.mean(0).detach(), alpha=0.1)
        m.last.copy_(x[0].detach())
        return x - m.mean + m.count

    module = program(forward)
    module.register_buffer("count", torch.zeros((), dtype=torch.int64))
    module.register_buffer("mean", torch.ones(6))
    module.register_buffer("last", torch.ones(6), persistent=False)
    again = check_identity(module, rows())
    count = int(module.count)
    again(rows())
    assert int(module.count) == count + 1
    assert again.count is module.count


def test_statistics_that_a_function_updates_twice() -> None:
    def forward(m: Any, x: Any) -> Any:
        n = m.norm
        y = F.batch_norm(x, n.running_mean, n.running_var, n.weight, n.bias, m.training, 0.5)
        y = F.batch_norm(y + 1, n.running_mean, n.running_var, None, None, m.training, 0.5)
        return y + n.running_mean.view(-1, 1, 1)

    check_identity(program(forward, norm=nn.BatchNorm2d(4)), images())


def relu_of_norm(m: Any, x: Any) -> Any:
    y = m.conv(x)
    return m.act(m.norm(y)) + y


def test_a_write_that_gains_a_reader_works_on_a_copy() -> None:
    """Without the normalisation, the ReLU would overwrite what the sum reads."""
    module = program(relu_of_norm, conv=nn.Conv2d(4, 4, 1), norm=nn.BatchNorm2d(4, eps=0.0), act=nn.ReLU(inplace=True))
    expected = module(images())
    graph = trace(module, images())
    bypass(graph, "norm")
    again = materialise(graph)
    same(again(images()), expected)
    assert again.act is module.act


def test_a_write_does_not_reach_the_input_once_the_node_between_them_is_gone() -> None:
    module = program(lambda m, x: m.act(m.norm(x)), norm=nn.BatchNorm2d(4, eps=0.0), act=nn.ReLU(inplace=True))
    graph = trace(module, images())
    bypass(graph, "norm")
    x = images()
    same(materialise(graph)(x), module(images()))
    same(x, images())


def test_a_write_does_not_reach_a_parameter_once_the_node_between_them_is_gone() -> None:
    module = program(
        lambda m, x: m.act(m.scale * 1.0) + x, scale=nn.Parameter(-torch.ones(6)), act=nn.ReLU(inplace=True)
    )
    graph = trace(module, rows())
    bypass(graph, "mul")
    again = materialise(graph)
    with torch.no_grad():
        same(again(rows()), rows())
    same(module.scale.detach(), -torch.ones(6))


def test_a_write_stays_in_place_where_nothing_changed() -> None:
    module = program(lambda m, x: m.act(m.layer(x)), layer=nn.Linear(6, 6), act=nn.ReLU(inplace=True))
    again = materialise(trace(module, rows()))
    assert not any(node.target == "clone" for node in again.graph.nodes)
