"""`graphmorph.expand` on live modules: same outputs at inference, branches that train, and fusing takes them back."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import graphmorph
from graphmorph.errors import TraceWarning, UsageError, VerificationError
from tests.graphmorph.fused import (
    assert_close,
    norms,
    one_thread,  # noqa: F401
    refusals,
    settled,
)
from tests.graphmorph.torch_door.identity_law import unchanged
from tests.graphmorph.torch_door.programs import images, program

X = images(4, 3, 12)


class Net(nn.Module):
    """A normalised layer, one that is called twice, one without norm behind a dropout; the class can be pickled."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.stem_norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.twice, self.twice_norm = nn.Conv2d(6, 6, 3, padding=1, groups=2, bias=False), nn.BatchNorm2d(6)
        self.drop, self.last = nn.Dropout(0.3), nn.Conv2d(6, 5, 5, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem_norm(self.stem(x)).sigmoid()
        for _ in range(2):
            x = self.twice_norm(self.twice(x)).sigmoid()
        y: Tensor = self.last(self.drop(x)).mean((2, 3))
        return y


def net() -> nn.Module:
    return settled(Net())


def counted(module: nn.Module) -> tuple[int, int]:
    return sum(isinstance(child, nn.Conv2d) for child in module.modules()), len(norms(module))


BLOCKS: list[tuple[dict[str, Any], tuple[int, int]]] = [
    ({}, (9, 9)),
    ({"normalise": "sum", "horizontal": False}, (6, 3)),
    ({"normalise": "none", "shifted": True}, (9, 2)),
    ({"block": "repvgg"}, (6, 7)),
    ({"block": "mobileone", "branches": 2}, (9, 10)),
]


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize(("options", "made"), BLOCKS, ids=str)
def test_preserving_blocks(options: dict[str, Any], made: tuple[int, int], training: bool) -> None:
    module = net().train(training)
    with unchanged(module):
        blocks = graphmorph.expand(module, X, **options)
    assert counted(blocks) == made
    assert {child.training for child in blocks.modules()} == {training}
    assert set(module.state_dict()) <= set(blocks.state_dict())
    assert blocks.report.proof is not None
    assert blocks.report.proof.verdict == "equal"
    assert_close(module.eval(), blocks.eval(), X)
    fused = graphmorph.fuse(blocks, X)
    assert counted(fused) == (3, 0)
    assert_close(module, fused, X)


@pytest.mark.parametrize("init", ["preserve", "fresh"])
@pytest.mark.parametrize(("options", "made"), BLOCKS, ids=str)
def test_a_step_of_training_moves_every_parameter(options: dict[str, Any], made: tuple[int, int], init: str) -> None:
    blocks = graphmorph.expand(net(), X, init=init, **options).train()
    optimiser = torch.optim.SGD(blocks.parameters(), 1.0)
    before = [parameter.detach().clone() for parameter in blocks.parameters()]
    blocks(X).sigmoid().square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in blocks.parameters())
    optimiser.step()
    still = [name for (name, p), old in zip(blocks.named_parameters(), before, strict=True) if torch.equal(p, old)]
    assert [name for name in still if name != "stem.bias"] == []  # a norm behind it takes every bias away


def test_fresh_branches_change_the_outputs_and_the_proof_says_so() -> None:
    module = net()
    with unchanged(module):
        blocks = graphmorph.expand(module, X, init="fresh")
    assert blocks.report.approximate
    assert blocks.report.rolled_back == []
    assert blocks.report.proof is not None
    assert blocks.report.proof.verdict == "different"
    kept = module.state_dict()
    assert all(torch.equal(tensor, blocks.state_dict()[name]) for name, tensor in kept.items())
    with torch.no_grad():
        assert float((blocks(X) - module(X)).abs().max()) > 1e-3


def test_a_layer_that_is_called_twice_stays_one_block() -> None:
    blocks = graphmorph.expand(net(), X, layers=["twice*"])
    assert counted(blocks) == (5, 4)
    names = [name for name, child in blocks.named_modules() if isinstance(child, nn.Conv2d)]
    assert names == ["stem", "twice", "last", "twice_horizontal", "twice_vertical"]
    torn = graphmorph.expand(net(), X, layers=["twice"])
    assert "twice_2" in refusals(torn)["twice"]


@pytest.mark.parametrize(
    ("options", "made"),
    [
        ({"layers": ["stem", "last"]}, (7, 7)),
        ({"layers": ["st*"]}, (5, 4)),
        ({"kernel_sizes": [5]}, (5, 5)),
        ({"kernel_sizes": [7]}, (3, 2)),
        ({"keep": ["stem"]}, (7, 7)),
        ({"max_rewrites": 1}, (5, 4)),
        ({"verify": False}, (9, 9)),
    ],
    ids=str,
)
def test_which_layers(options: dict[str, Any], made: tuple[int, int]) -> None:
    module = net()
    blocks = graphmorph.expand(module, X, **options)
    assert counted(blocks) == made
    assert_close(module, blocks, X)


def test_certificates_seeds_and_the_callers_random_numbers() -> None:
    module, state = net(), torch.get_rng_state()
    one, same, other = (graphmorph.expand(module, X, certify=True, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert one.report.certificates == {"equal": 4}
    equal = [
        [torch.equal(p, q) for p, q in zip(one.parameters(), two.parameters(), strict=True)] for two in (same, other)
    ]
    assert all(equal[0])
    assert not all(equal[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block": "acnet"}, "give one of acb"),
        ({"layers": ["nothing"]}, "no convolution is named like nothing"),
        ({"branches": 2}, "branches belongs to block=mobileone"),
        ({"inputs": {"x": X}}, "inputs: for ONNX files only"),
        ({"output": "out.onnx"}, "rewritten in memory"),
    ],
    ids=str,
)
def test_usage_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        graphmorph.expand(**{"model": net(), "output": X, **options})


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_new_parameters_are_like_the_old(dtype: torch.dtype) -> None:
    module = net().to(dtype, memory_format=torch.channels_last)
    module.stem.requires_grad_(False)
    blocks = graphmorph.expand(module, X.to(dtype))
    assert {p.dtype for p in blocks.parameters()} == {dtype}
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in blocks.parameters() if p.dim() == 4)
    frozen = {name for name, p in blocks.named_parameters() if not p.requires_grad}
    assert frozen == {name for name in frozen if name.startswith("stem")}
    assert {"stem.weight", "stem_horizontal.weight"} <= frozen


def test_copies_pickles_and_the_state_dict() -> None:
    blocks = graphmorph.expand(net(), X)
    for twin in (copy.deepcopy(blocks), pickle.loads(pickle.dumps(blocks))):
        assert torch.equal(twin(X), blocks(X))
    missing = blocks.load_state_dict(Net().state_dict(), strict=False)
    assert missing.unexpected_keys == []


def test_in_place_keeps_what_it_does_not_expand() -> None:
    module = net()
    blocks = graphmorph.expand(module, X, layers=["stem"], in_place=True)
    assert blocks.twice is module.twice
    apart = graphmorph.expand(module, X, layers=["stem"])
    assert not {id(p) for p in apart.parameters()} & {id(p) for p in module.parameters()}


def test_a_branch_on_the_mode_is_told() -> None:
    """What is expanded will be trained and then used: it has to hold for both modes."""
    torch.manual_seed(0)
    module = program(
        lambda m, x: functional.dropout(m.conv(x), 0.5) if m.training else m.conv(x), conv=nn.Conv2d(3, 4, 3)
    )
    with pytest.warns(TraceWarning, match=r"branches on self.training.*evaluation mode"):
        blocks = graphmorph.expand(module, X)
    assert "branches on self.training" in "".join(blocks.report.notes)
    with (
        pytest.warns(TraceWarning, match="training mode"),
        pytest.raises(VerificationError, match=r"branches on self\.training"),
    ):
        graphmorph.expand(module.train(), X)
