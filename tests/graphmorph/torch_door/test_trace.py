"""Tracing: inputs in every form, shapes, branches on them, and errors that say what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from graphmorph.errors import TraceError, TraceWarning, UsageError
from graphmorph.torch_door import materialise, trace
from tests.graphmorph.torch_door.identity_law import check_identity, round_trip, same, unchanged
from tests.graphmorph.torch_door.programs import SmallNet, images, program, rows


class Arguments(nn.Module):
    def forward(self, x: Any, pair: Any, flag: bool, factor: float = 2.0, mask: Any = None, *, power: int = 1) -> Any:
        y = x * factor + pair[0] * pair[1]["w"]
        if mask is not None:
            y = y * mask
        return y**power if flag else y


def test_nested_inputs_fixed_numbers_and_defaults() -> None:
    pair = (rows(seed=1), {"w": rows(seed=2)})
    for flag in (True, False):
        check_identity(Arguments(), rows(), pair, flag)
    check_identity(Arguments(), rows(), pair, True, 3.0, rows(seed=3))
    graph = trace(Arguments(), {"x": rows(), "pair": pair, "flag": True, "power": 2})
    again = materialise(graph)
    same(again(rows(), pair, True, power=2), Arguments()(rows(), pair, True, power=2))


def test_an_argument_that_was_fixed_cannot_take_another_value() -> None:
    module = Arguments().eval()
    again = round_trip(module, rows(), (rows(), {"w": rows()}), True)
    with pytest.raises((AssertionError, RuntimeError)):
        again(rows(), (rows(), {"w": rows()}), False)


def test_concrete_args_fix_an_argument() -> None:
    class Steps(nn.Module):
        def forward(self, x: Any, steps: int) -> Any:
            for _ in range(steps):
                x = x * 2
            return x

    again = materialise(trace(Steps(), {"x": rows(), "steps": 3}, concrete_args={"steps": 3}))
    same(again(rows(), 3), rows() * 8)


def test_a_single_tensor_needs_no_tuple() -> None:
    same(materialise(trace(SmallNet().eval(), images()))(images()), SmallNet().eval()(images()))


@pytest.mark.parametrize("inputs", [(), (1, 2, 3), {"y": rows()}], ids=str)
def test_inputs_that_do_not_fit_are_refused(inputs: Any) -> None:
    with pytest.raises(UsageError, match=r"do not fit SmallNet\.forward"):
        trace(SmallNet().eval(), inputs)


def test_inputs_of_the_wrong_size_are_refused_with_the_line() -> None:
    module = SmallNet().eval()
    with unchanged(module), pytest.raises(TraceError, match=r"does not run on the example inputs.*features.0"):
        trace(module, images(channels=5))


def test_forward_may_take_further_arguments_that_nobody_gives() -> None:
    class Open(nn.Module):
        def forward(self, x: Any, *further: Any, **options: Any) -> Any:
            return x * 2

    check_identity(Open(), rows())
    with pytest.raises(TraceError, match=r"takes \*further"):
        trace(Open(), (rows(), rows()))
    with pytest.raises(TraceError, match=r"takes \*options"):
        trace(Open(), {"x": rows(), "scale": 2})


class Gate(nn.Module):
    def forward(self, x: Any) -> Any:
        if (x > 100).any():
            return x * 2
        return x + 1


def test_a_branch_on_values_is_refused_with_its_line_and_the_advice_works() -> None:
    module = nn.Sequential(nn.Linear(6, 6), Gate(), nn.Linear(6, 6))
    with unchanged(module), pytest.raises(TraceError) as caught:
        trace(module, rows())
    message = str(caught.value)
    assert "test_trace.py:" in message
    assert "`if (x > 100).any():`" in message
    assert "leaf_modules" in message
    assert "concrete_args" in message
    for leaf in (Gate, "1", "?", module[1]):
        again = check_identity(module, rows(), leaf_modules=[leaf])
        same(again(1000 * rows()).detach(), module(1000 * rows()).detach())


def test_the_line_is_that_of_the_users_code_in_a_submodule() -> None:
    module = program(lambda m, x: m.gate(x), gate=Gate())
    with pytest.raises(TraceError, match=r"test_trace.py:\d+ in forward: `if \(x > 100\)"):
        trace(module, rows())


def test_a_failing_forward_is_told_apart_by_its_line() -> None:
    def broken(m: Any, x: Any) -> Any:
        return x * m.nothing_of_that_name

    with pytest.raises(TraceError, match=r"test_trace.py:\d+ in broken: `return x \* m.nothing_of_that_name`"):
        trace(program(broken), rows())


def test_random_numbers_that_depend_on_no_input_are_refused() -> None:
    module = program(lambda m, x: x + torch.rand(6))
    generator = torch.get_rng_state()
    with pytest.raises(TraceError, match="random numbers"):
        trace(module, rows())
    assert torch.equal(generator, torch.get_rng_state())


@pytest.mark.parametrize(
    "draw", [torch.randn_like, torch.bernoulli, F.dropout, torch.rand_like], ids=lambda f: f.__name__
)
def test_random_numbers_that_depend_on_an_input_are_drawn_anew(draw: Any) -> None:
    check_identity(program(lambda m, x: x + draw(x.sigmoid())), rows())


def test_a_branch_on_the_rank_needs_no_guard() -> None:
    again = check_identity(program(lambda m, x: x * 2 if x.dim() == 2 and x.ndim < 3 else x), rows())
    same(again(rows(5, 9)), rows(5, 9) * 2)
    assert not any(node.target is torch._assert for node in again.graph.nodes)


def test_a_branch_on_a_size_is_guarded() -> None:
    module = program(lambda m, x: x * 2 if x.shape[1] > 4 else x + 1)
    again = check_identity(module, rows())
    same(again(rows(7, 9)), rows(7, 9) * 2)
    with pytest.raises(AssertionError, match=r"test_trace.py:\d+"):
        again(rows(3, 3))
    narrow = check_identity(module, rows(3, 3))
    with pytest.raises(AssertionError, match="makes of the example"):
        narrow(rows())


def test_a_guard_survives_copies_and_edits_behind_it() -> None:
    module = program(lambda m, x: m.layer(x * 2) if x.shape[1] > 4 else x + 1, layer=nn.Linear(6, 6))
    graph = trace(module, rows())
    graph.cleanup()
    again = materialise(graph.copy())
    with pytest.raises(AssertionError, match="makes of the example"):
        again(rows(3, 3))


def test_a_branch_on_the_batch_holds_where_it_goes_the_same_way() -> None:
    again = check_identity(program(lambda m, x: x * 2 if x.shape[0] > 1 else x + 1), rows())
    same(again(rows(9)), rows(9) * 2)
    with pytest.raises(AssertionError, match="makes of the example"):
        again(rows(1))


def test_a_branch_that_twice_the_batch_takes_otherwise_is_refused() -> None:
    with pytest.raises(TraceError, match="control flow"):
        trace(program(lambda m, x: x * 2 if x.shape[0] > 4 else x), rows())


def test_assertions_are_kept() -> None:
    def forward(m: Any, x: Any) -> Any:
        torch._assert(x.shape[1] == 6, "six wide")
        return x * 2

    again = check_identity(program(forward), rows())
    with pytest.raises(AssertionError, match="six wide"):
        again(rows(3, 5))


def arithmetic(m: Any, x: Any) -> Any:
    batch, channels, height, width = x.size()
    y = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).contiguous().view(batch, -1, height, width)
    z = F.interpolate(y, size=(height * 2, x.shape[3] * 2)).flatten(2).mean(-1, keepdim=True)
    return (
        y * (channels**-0.5) + z.view(batch, channels, 1, 1).expand_as(x) / x.numel() * x.size(0),
        x.shape[2:],
        x.dim(),
    )


@pytest.mark.parametrize("sizes", [(1, 8), (7, 8), (3, 11)], ids=str)
def test_shape_arithmetic_follows_other_sizes(sizes: tuple[int, int]) -> None:
    module = program(arithmetic)
    again = check_identity(module, images())
    other = images(sizes[0], size=sizes[1])
    expected, got = module(other), again(other)
    same(got[0], expected[0])
    assert tuple(got[1]) == tuple(expected[1])
    assert got[2] == expected[2]


def test_the_batch_has_a_name_in_the_graph() -> None:
    graph = trace(SmallNet().eval(), images())
    assert graph.inputs[0].shape == ["batch", 4, 8, 8]
    assert graph.outputs[0].shape == ["batch", 3]


def structured(m: Any, x: Any) -> Any:
    top = x.max(1)
    y = x * 2
    return {"a": y, "same": [y, y, x], "numbers": (x.size(0), None, "text", 3)}, top, top.values, top[1], x.topk(2), m.w


def test_outputs_of_any_structure() -> None:
    check_identity(program(structured, w=nn.Parameter(torch.ones(2, 2))), rows())


def test_a_module_that_returns_what_it_was_given() -> None:
    again = check_identity(nn.Identity(), rows())
    assert again(rows()).shape == (3, 6)
    check_identity(program(lambda m, x: None), rows())


def test_shapes_that_depend_on_values() -> None:
    x = torch.tensor([[1.0, -1.0], [2.0, 3.0]])
    again = check_identity(program(lambda m, x: (x[x > 0] * 2, x.nonzero())), x)
    same(again(-x)[0], torch.tensor([2.0]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_other_element_types(dtype: torch.dtype) -> None:
    module = program(lambda m, x: F.gelu(m.layer(x)) + 1, layer=nn.Linear(6, 6)).to(dtype)
    check_identity(module, rows().to(dtype))


def test_complex_numbers_pass_through() -> None:
    module = program(
        lambda m, x: torch.view_as_real(torch.fft.fft(x) * m.w).sum(-1), w=nn.Parameter(torch.ones(6) * 1j)
    )
    check_identity(module, rows())


def test_a_module_with_a_branch_on_training_warns() -> None:
    module = program(lambda m, x: x * 2 if m.training else x)
    with pytest.warns(TraceWarning, match="branches on self.training"):
        trace(module, rows())


def test_the_training_flag_as_a_value_follows_the_mode() -> None:
    module = program(lambda m, x: F.dropout(x, 0.5, m.training))
    again = check_identity(module, rows())
    same(again.eval()(rows()), rows())
    torch.manual_seed(0)
    dropped = again.train()(rows())
    assert np.count_nonzero(dropped.numpy() == 0) > 0


def test_gradients_switched_off_are_told_of() -> None:
    def forward(m: Any, x: Any) -> Any:
        with torch.no_grad():
            y = m.layer(x)
        return m.layer(y)

    module = program(forward, layer=nn.Linear(6, 6))
    with pytest.warns(TraceWarning, match=r"torch.no_grad ...\) at test_trace.py:\d+ in forward: `y = m.layer\(x\)`"):
        graph = trace(module, rows())
    same(materialise(graph)(rows()), module(rows()))
    with torch.no_grad():
        check_identity(module, rows(), train=False)


def test_autocast_within_forward_is_refused() -> None:
    def forward(m: Any, x: Any) -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return m.layer(x)

    with pytest.raises(TraceError, match=r"test_trace.py:\d+ in forward: .*torch.autocast"):
        trace(program(forward, layer=nn.Linear(6, 6)), rows())
