"""Numbers that a program computes from sizes, where the sizes are others than traced: shapes follow, values stay."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn

from graphmorph.errors import MaterialiseError
from graphmorph.graph import Graph
from graphmorph.torch_door import materialise, trace
from tests.graphmorph.torch_door.cutting import check_cut, cut_graph, take, targets, trains, tripled, write
from tests.graphmorph.torch_door.edits import bypass, node_of, nodes_of
from tests.graphmorph.torch_door.programs import images, program
from tests.graphmorph.torch_door.test_resized_layers import KEPT, cut_conv, drawn


def between(function: Any) -> nn.Module:
    """Something between two convolutions of 8 channels."""
    return drawn(
        lambda m, x: m.last(function(m, m.first(x))), images(), first=nn.Conv2d(4, 8, 3), last=nn.Conv2d(8, 3, 1)
    )


def cut_between(graph: Graph) -> None:
    cut_conv(graph, "first")
    take(graph, "last", 1, 1, KEPT)


def shuffled(m: Any, x: Any) -> Any:
    batch, channels, height, width = x.size()
    apart = x.view(batch, 2, channels // 2, height, width)
    return torch.transpose(apart, 1, 2).contiguous().view(batch, -1, height, width)


def test_a_channel_shuffle_follows_the_sizes() -> None:
    def cut(graph: Graph) -> None:
        kept = [0, 2, 4, 6]
        cut_conv(graph, "first", kept)
        write(graph, "view", 1, 2, 2)
        write(graph, "view_1", 1, 1, 4)
        take(graph, "last", 1, 1, [0, 1, 4, 5])

    again = check_cut(between(shuffled), cut, (images(),), (images(1, size=10),))
    assert "floordiv" in targets(again)
    trains(again, images())


def test_a_shuffle_whose_groups_go_keeps_space_dynamic() -> None:
    """One of two groups goes: the 2 in the code is wrong, and nothing else is."""

    def cut(graph: Graph) -> None:
        cut_conv(graph, "first", [0, 1, 2, 3])
        write(graph, "view", 1, 1, 1)
        write(graph, "view_1", 1, 1, 4)
        take(graph, "last", 1, 1, [0, 2, 4, 6])

    again = check_cut(between(shuffled), cut, (images(),), (images(1, size=10),))
    sizes = next(node.args[1:] for node in again.graph.nodes if node.target in ("view", "reshape"))
    assert sizes[1] == 1
    assert isinstance(sizes[3], torch.fx.Node)


def test_sizes_of_a_resized_tensor_that_something_else_uses() -> None:
    """The width of the features scales them: the scale is a value, the reshape by the same number is a shape."""

    def function(m: Any, x: Any) -> Any:
        channels = x.shape[1]
        return (x / math.sqrt(8) * channels**-0.5).reshape(x.shape[0], channels, -1).unflatten(2, x.shape[2:])

    module = between(function)
    reference = copy.deepcopy(module)
    with torch.no_grad():
        reference.last.weight[:, [1, 4, 5, 6]] = 0

    def cut(graph: Graph) -> None:
        cut_between(graph)
        write(graph, "reshape", 1, 1, 4)
        write(graph, "unflatten", 1, 1, 4)

    again = check_cut(module, cut, (images(),), (images(2, size=9),))
    x = images(2, size=12)
    torch.testing.assert_close(again(x), reference(x))
    factors = [node.args[1] for node in again.graph.nodes if getattr(node.target, "__name__", "") == "mul"]
    assert factors == [8**-0.5]
    assert "reshape" in targets(again)


def test_a_variance_is_corrected_by_the_count_of_old() -> None:
    """What its nodes say is the variance of masked channels over all of them; torch's own would count the kept ones."""
    module = between(lambda m, x: x - x.var((1, 2, 3), keepdim=True))
    again = check_cut(module, cut_between, (images(),))
    assert "var" not in targets(again)


def test_an_expansion_to_the_channels() -> None:
    module = between(lambda m, x: x * x.mean((1, 2, 3), keepdim=True).expand(-1, 8, -1, -1))

    def cut(graph: Graph) -> None:
        cut_between(graph)
        write(graph, "expand", 1, 1, 4)

    again = check_cut(module, cut, (images(),), (images(2, size=9),))
    assert "expand" in targets(again)


def test_slices_by_computed_bounds() -> None:
    module = drawn(
        lambda m, x: m.last(torch.cat([(y := m.first(x))[:, : y.shape[1] // 2], x[:, 2:]], 1)),
        images(),
        first=nn.Conv2d(4, 8, 1),
        last=nn.Conv2d(6, 3, 1),
    )

    def cut(kept: list[int]) -> Any:
        def edit(graph: Graph) -> None:
            cut_conv(graph, "first", kept)
            write(graph, nodes_of(graph, "Slice")[0].name, 2, 0, len([c for c in kept if c < 4]))
            take(graph, "last", 1, 1, [*(c for c in kept if c < 4), 4, 5])

        return edit

    check_cut(module, cut([0, 2, 5, 6]), (images(),), (images(2, size=9),))
    check_cut(module, cut([0, 2, 3, 6]), (images(),), (images(2, size=9),))


def test_the_batch_times_the_channels() -> None:
    """A size that is a product of both has no name; each of the channels is folded and unfolded by itself."""

    def function(m: Any, x: Any) -> Any:
        batch, channels, height, width = x.shape
        apart = x.reshape(batch * channels * (height // 2), 2, width).transpose(1, 2).contiguous()
        back = apart.sin().view(batch, channels, -1).softmax(-1)
        return back.reshape(batch, channels, height, width)

    def cut(graph: Graph) -> None:
        cut_between(graph)
        for node in nodes_of(graph, "Reshape")[1:]:
            write(graph, node.name, 1, 1, 4)
        for name in ("reshape", "transpose", "contiguous", "sin"):
            graph.resized[name] = (None, *graph.tensors()[name].shape[1:])

    again = check_cut(between(function), cut, (images(),), (images(2, size=10),))
    assert "floordiv" in targets(again)


def guarded(m: Any, x: Any) -> Any:
    torch._assert(x.shape[1] == 8, "channels")
    torch._assert(x.shape[1:] == (8, 6, 6), "all of it")
    torch._assert(x.shape[2] == x.shape[3], "squares")
    torch._assert(x.shape[1] % 8 == 0, "eights")
    if x.shape[1] > 6:
        x = x * 2
    if x.shape[1] < 6:
        x = x * 3
    return x * len(x.shape) if x.shape[2] == 6 else x


def test_guards() -> None:
    """Those on channels speak of the new channels, or are silent; the branches stay; those on space still hold."""
    module = between(guarded)
    again = check_cut(module, cut_between, (images(),))
    with pytest.raises(AssertionError, match="all of it"):
        again(images(size=9))
    messages = [node.args[1] for node in again.graph.nodes if node.target is torch._assert]
    assert messages[:3] == ["channels", "all of it", "squares"]
    assert len(messages) == 4
    assert list(again(images(7)).shape) == [7, 3, 6, 6]


def test_a_guard_on_space_alone_stays_as_it_is() -> None:
    def function(m: Any, x: Any) -> Any:
        torch._assert(x.shape[2] == 6, "height")
        return x

    again = check_cut(between(function), cut_between, (images(),))
    with pytest.raises(AssertionError, match="height"):
        again(images(size=9))


def test_a_loop_over_channels_and_numbers_put_out() -> None:
    """Python saw eight channels and unrolled; what the program says of a width is what the masked original says."""
    module = between(lambda m, x: x + int(x.shape[1]))
    again = check_cut(module, cut_between, (images(),), (images(2, size=9),))
    assert list(again(images()).shape) == [3, 3, 6, 6]
    telling = drawn(
        lambda m, x: (m.last(y := m.first(x)), y.shape[1], y.shape[0], y.shape[2]),
        images(),
        first=nn.Conv2d(4, 8, 3),
        last=nn.Conv2d(8, 3, 1),
    )
    result = materialise(cut_graph(telling, cut_between, (images(),)))(images(2, size=9))
    assert result[1:] == (8, 2, 7)


def test_sizes_read_do_not_hold_on_to_tensors_that_are_there() -> None:
    """A tensor whose size is read can be resized; only its producer cannot go."""
    module = between(lambda m, x: x.view(x.shape[0], x.shape[1], -1).view_as(x))

    def cut(graph: Graph) -> None:
        cut_between(graph)
        write(graph, "view", 1, 1, 4)
        write(graph, "view_as", 1, 1, 4)

    again = check_cut(module, cut, (images(),), (images(2, size=9),))
    assert "view_as" in targets(again)
    graph = trace(module, (images(),))
    assert node_of(graph, "first").outputs[0].name in graph.traced.shape_read


def test_a_second_cut_follows_the_first() -> None:
    """Materialised, traced and cut again."""

    def cut(kept: list[int]) -> Any:
        def edit(graph: Graph) -> None:
            half = len(kept) // 2
            cut_conv(graph, "first", kept)
            apart, together = nodes_of(graph, "Reshape")
            write(graph, apart.name, 1, 2, half)
            write(graph, together.name, 1, 1, 2 * half)
            take(graph, "last", 1, 1, range(2 * half))

        return edit

    once = check_cut(between(shuffled), cut([0, 2, 3, 4, 6, 7]), (images(),), (images(2, size=9),))
    twice = check_cut(once, cut([0, 2, 3, 5]), (images(),), (images(2, size=9),))
    assert twice.first.out_channels == 4
    assert twice(tripled((images(),))[0]).shape == (9, 3, 6, 6)


def test_a_gone_tensor_whose_size_is_read_is_still_refused() -> None:
    module = program(
        lambda m, x: m.last(m.first(x).view(x.shape[0], 8, -1)),
        first=nn.Conv1d(4, 8, 1),
        last=nn.Conv1d(8, 2, 1),
    )
    graph = trace(module, (torch.randn(2, 4, 5),))
    graph.resized["nothing"] = (1,)
    bypass(graph, "view")
    assert materialise(graph)(torch.randn(3, 4, 5)).shape == (3, 2, 5)
    del graph.nodes[0]
    with pytest.raises(MaterialiseError, match="first"):
        materialise(graph)
