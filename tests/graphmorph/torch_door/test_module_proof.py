"""Modules against modules: rounding passes, anything else does not, and running them leaves no trace."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from graphmorph.proof import Proof
from graphmorph.proof.verdict import Limits
from graphmorph.torch_door.module_proof import evaluation, prove_module, undisturbed
from tests.graphmorph.torch_door.identity_law import unchanged
from tests.graphmorph.torch_door.programs import images, program

X = images(2, 3, 9)


def prove(original: nn.Module, candidate: nn.Module, *, limits: Limits | None = None, **inputs: Any) -> Proof:
    with unchanged(original), unchanged(candidate):
        return prove_module(original, candidate, inputs or {"x": X}, samples=1, seed=0, limits=limits or Limits())


def net() -> nn.Module:
    torch.manual_seed(0)
    return program(lambda m, x: m.two(m.one(x).sigmoid()), one=nn.Conv2d(3, 4, 3), two=nn.Conv2d(4, 2, 3))


def changed(module: nn.Module, change: Callable[[Any], None]) -> nn.Module:
    twin = copy.deepcopy(module)
    with torch.no_grad():
        change(twin)
    return twin


def test_the_same_weights_and_their_rounding_are_equal() -> None:
    proof = prove(net(), changed(net(), lambda m: m.two.weight.mul_(1 + 2e-7)))
    assert proof.verdict == "equal"
    assert {case.source for case in proof.cases} == {"given", "seeded"}


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.two.weight.mul_(1 + 1e-3),
        lambda m: m.one.bias[0].add_(1e-2),
        lambda m: m.two.weight[1, 3, 2, 2].mul_(-1),
    ],
)
def test_an_error_in_weights_is_different(change: Callable[[Any], None]) -> None:
    proof = prove(net(), changed(net(), change))
    assert proof.verdict == "different"
    assert "output output" in proof.reason
    assert prove(net(), changed(net(), change), limits=Limits(atol=10.0)).verdict == "equal"


@pytest.mark.parametrize(
    ("wrong", "shape"),
    [
        (lambda m, x: x[:2], (4, 3, 9, 9)),
        (lambda m, x: x * (x.shape[0] != 1), (1, 3, 9, 9)),
        (lambda m, x: x * (x.shape[2] <= 9), (2, 3, 12, 15)),
        (lambda m, x: x * (x.shape[3] <= 9), (2, 3, 12, 15)),
    ],
    ids=["twice the batch", "batch of one", "rows", "columns"],
)
def test_other_sizes_are_tried(wrong: Callable[[Any, Tensor], Tensor], shape: tuple[int, ...]) -> None:
    proof = prove(program(lambda m, x: x[:]), program(wrong))
    assert proof.verdict == "different"
    worst = next(case for case in proof.cases if not all(output.passed for output in case.as_written))
    assert worst.shapes["x"] == shape


def test_sizes_that_the_original_does_not_take_are_not_tried() -> None:
    fixed = program(lambda m, x: x.reshape(2, 3, 81) * 2)
    proof = prove(fixed, copy.deepcopy(fixed))
    assert proof.verdict == "equal"
    assert {case.shapes["x"] for case in proof.cases} == {(2, 3, 9, 9)}


def test_nothing_is_printed_about_sizes_that_traced_modules_do_not_take(capfd: pytest.CaptureFixture[str]) -> None:
    fixed = fx.symbolic_trace(program(lambda m, x: x.reshape(2, 3, 81) * 2))
    assert prove(fixed, copy.deepcopy(fixed)).verdict == "equal"
    assert "".join(capfd.readouterr()) == ""


def test_a_candidate_that_fails_is_different_and_an_original_that_fails_proves_nothing() -> None:
    failing = program(lambda m, x: x.reshape(2, 3, 81).reshape(x.shape))
    proof = prove(program(lambda m, x: x[:]), failing)
    assert proof.verdict == "different"
    assert "the original runs on x [1, 3, 9, 9], the candidate does not" in proof.reason
    proof = prove(program(lambda m, x: x.reshape(7)), failing)
    assert proof.verdict == "inconclusive"
    assert "the original does not run on the given inputs" in proof.reason


def test_where_the_program_says_that_it_is_not_meant_for_a_size_nothing_is_compared() -> None:
    def guarded(m: Any, x: Tensor) -> Tensor:
        assert x.shape[0] > 1, "traced for another batch"
        return x[:]

    proof = prove(program(lambda m, x: x[:]), program(guarded))
    assert proof.verdict == "equal"
    assert len(proof.notes) == 1
    assert proof.notes[0].startswith("not compared on x [1, 3, 9, 9]: traced for another batch")


def test_nested_inputs_and_outputs_are_named() -> None:
    module = program(lambda m, x: {"a": x["rows"] * 2, "b": (x["rows"][:1], 3, x["ids"])})
    proof = prove(module, copy.deepcopy(module), x={"rows": torch.randn(2, 4), "ids": torch.tensor([5, 8])})
    assert proof.verdict == "equal"
    assert [output.name for output in proof.cases[0].as_written] == ["a", "b.0", "b.2"]
    assert set(proof.cases[0].shapes) == {"x.rows", "x.ids"}


def test_integers_are_drawn_from_the_examples_own() -> None:
    seen: list[Tensor] = []

    def forward(m: Any, x: Tensor) -> Tensor:
        seen.append(x)
        return x * 2

    prove(program(forward), program(lambda m, x: x * 2), x=torch.tensor([[3, 7], [7, 9]]))
    assert set(torch.cat([x.reshape(-1) for x in seen]).tolist()) == {3, 7, 9}


def test_noise_of_a_module_without_float_inputs_is_that_of_its_parameters() -> None:
    """A function that magnifies rounding: a candidate that sums in another order is still equal."""
    torch.manual_seed(0)
    table = nn.Embedding(200, 64)

    def forward(m: Any, x: Tensor) -> Tensor:
        return (1e2 * m.table(x).sum(-1)).sin()

    def other(m: Any, x: Tensor) -> Tensor:
        return (1e2 * m.table(x).flip(-1).cumsum(-1)[..., -1]).sin()

    proof = prove(program(forward, table=table), program(other, table=table), x=torch.arange(200).reshape(2, 100))
    assert proof.verdict == "equal"
    assert any(output.second_opinion for case in proof.cases for output in case.as_written)
    wrong = copy.deepcopy(table)
    wrong.weight.data[0, 0] += 0.1
    proof = prove(program(forward, table=table), program(other, table=wrong), x=torch.arange(200).reshape(2, 100))
    assert proof.verdict == "different"


def test_random_modules_draw_the_same_numbers() -> None:
    noisy = program(lambda m, x: functional.dropout(x, 0.5, training=True))
    scaled = program(lambda m, x: functional.dropout(x, 0.5, training=True) * 1.01)
    assert prove(noisy, copy.deepcopy(noisy)).verdict == "equal"
    assert prove(noisy, scaled).verdict == "different"


class Counting(nn.Module):
    """Writes into a buffer, an attribute and a list, and gives what it counted."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.step, self.calls, self.last = step, [0], None

    def forward(self, x: Tensor) -> Tensor:
        self.count += self.step
        self.calls.append(len(self.calls))
        self.last = x
        return x * self.count


def test_every_run_starts_from_the_same_state_and_leaves_it() -> None:
    module = Counting(1.0)
    for candidate in (module, Counting(1.0)):
        assert prove_module(module, candidate, {"x": X}, samples=3, seed=0, limits=Limits()).verdict == "equal"
    assert prove_module(module, Counting(1.5), {"x": X}, samples=1, seed=0, limits=Limits()).verdict == "different"
    assert (float(module.count), module.calls, module.last) == (0.0, [0], None)
    with pytest.raises(TypeError), torch.no_grad(), undisturbed(module):
        module("no tensor")  # after the writes
    assert (float(module.count), module.calls, module.last) == (0.0, [0], None)


def test_modes_are_put_back_and_eval_is_not_called() -> None:
    class Merging(nn.Linear):
        def train(self, mode: bool = True) -> Any:
            raise AssertionError("merges its weights")

    module = nn.Sequential(nn.Dropout(), Merging(9, 9), nn.Dropout())
    module[2].training = False
    with unchanged(module), evaluation(module):
        assert not any(one.training for one in module.modules())
    proof = prove_module(module, module, {"input": X}, samples=1, seed=0, limits=Limits())
    assert proof.verdict == "equal"
    assert [one.training for one in module.modules()] == [True, True, True, False]
