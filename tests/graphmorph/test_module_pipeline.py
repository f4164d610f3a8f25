"""`graphmorph.fuse` on live modules: every block, modes, options, reports, errors, and wrong passes that are caught."""

from __future__ import annotations

import copy
import io
import json
import pickle
import threading
import warnings
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import Tensor, nn

import graphmorph
from graphmorph.errors import (
    GraphmorphError,
    RefusedError,
    RollbackWarning,
    TraceError,
    UsageError,
    VerificationError,
)
from graphmorph.models.blocks import SMALL_BLOCKS
from graphmorph.models.export import export_onnx
from graphmorph.torch_door.morphed_module import MorphedModule
from tests.graphmorph.fused import (
    assert_close,
    fused,
    norms,
    one_thread,  # noqa: F401
    refusals,
    settled,
)
from tests.graphmorph.torch_door.identity_law import unchanged
from tests.graphmorph.torch_door.programs import images, program
from tests.graphmorph.wrong_passes import WrongFold, install

X = images(2, 3, 12)


class Net(nn.Module):
    """Two normalised convolutions in a container and a head; its class can be pickled."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3, bias=False),
            nn.BatchNorm2d(4),
            nn.SiLU(),
            nn.Conv2d(4, 4, 3),
            nn.BatchNorm2d(4),
            nn.SiLU(),
        )
        self.drop, self.head = nn.Dropout(), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.drop(self.body(x).mean((2, 3))))
        return y


def net() -> nn.Module:
    return settled(Net())


def operators(module: MorphedModule) -> dict[str, int]:
    return {op: n for op, n in module.report.after.operators.items() if op in ("Conv", "BatchNormalization")}


def other_sizes(example: Tensor) -> list[Tensor]:
    """Another batch, and other sizes of everything behind the channels."""
    generator = torch.Generator().manual_seed(5)
    batch, *rest = example.shape
    sizes = [(batch + 3, *rest)]
    if example.dim() > 2:
        sizes.append((1, rest[0], *(n + 2 + i for i, n in enumerate(rest[1:]))) if example.dim() > 3 else (1, *rest))
    return [torch.randn(size, generator=generator) for size in sizes]


@pytest.mark.parametrize("name", SMALL_BLOCKS)
def test_every_block_becomes_its_deploy_form(name: str) -> None:
    specimen = SMALL_BLOCKS[name]()
    made = fused(specimen.module, specimen.example, layers=specimen.layers)
    assert norms(made) == []
    for x in other_sizes(specimen.example):
        assert_close(specimen.module, made, x)


def test_training_mode_is_refused() -> None:
    module = net().train()
    with unchanged(module), pytest.raises(RefusedError, match=r"(?s)its 2 batch norm.*body\.1.*Call module.eval\(\)"):
        graphmorph.fuse(module, X)


def test_frozen_norms_in_a_module_that_trains() -> None:
    """As in fine-tuning: the rest of the module stays in training mode."""
    module = net().train()
    for norm in norms(module):
        norm.eval()
    with unchanged(module):
        made = graphmorph.fuse(module, X)
    assert operators(made) == {"Conv": 2}
    assert all(child.training for child in made.modules())
    assert_close(module.eval(), made.eval(), X)


def test_one_norm_that_trains_is_left_and_the_rest_folded() -> None:
    module = net()
    module.body[1].train()
    with unchanged(module):
        made = graphmorph.fuse(module, X)
    assert operators(made) == {"Conv": 2, "BatchNormalization": 1}
    assert "BatchNormalization is in training mode" in refusals(made)["body.1"]
    assert [child.training for child in made.modules() if child.training] == [True]
    assert made.get_submodule("body.1").training


def test_the_result_shares_in_place_only() -> None:
    module = net()
    with unchanged(module):
        apart, in_place = graphmorph.fuse(module, X), graphmorph.fuse(module, X, in_place=True)
    assert in_place.head is module.head
    assert apart.head is not module.head
    with torch.no_grad():
        before = module(X)
        for parameter in apart.parameters():
            parameter.zero_()
        assert torch.equal(module(X), before)


def test_copies_pickles_and_files() -> None:
    made = fused(net(), X, layers=3)
    buffer = io.BytesIO()
    torch.save(made, buffer)
    buffer.seek(0)
    for twin in (copy.deepcopy(made), pickle.loads(pickle.dumps(made)), torch.load(buffer, weights_only=False)):
        assert torch.equal(twin(X), made(X))
        assert twin.report.to_json() == made.report.to_json()
    again = graphmorph.fuse(net(), X)
    again.load_state_dict(made.state_dict())
    assert graphmorph.fuse(made, X).report.deploy_form


def test_torchscript_and_onnx(tmp_path: Path) -> None:
    made = fused(net(), X, layers=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's, of TorchScript itself
        assert_close(made, torch.jit.script(made), X)
    for form in ("legacy", "dynamo"):
        path = export_onnx(made, tmp_path / "model.onnx", X, form)  # type: ignore[arg-type]
        assert [node.op_type for node in onnx.load(path).graph.node].count("Conv") == 2


def test_the_report() -> None:
    report = fused(net(), X, layers=3, certify=True, samples=2).report
    plain = json.loads(json.dumps(report.to_json()))
    assert plain["model"] == "Net"
    assert (plain["before"]["batchnorms"], plain["after"]["batchnorms"]) == (2, 0)
    assert plain["proof"]["verdict"] == "equal"
    assert plain["certificates"] == {"equal": 2}
    assert [one.root for one in report.rewrites] == [r["root"] for p in plain["passes"] for r in p["rewrites"]]
    shapes = {tuple(case.shapes["x"]) for case in report.proof.cases}
    assert shapes >= {(2, 3, 12, 12), (4, 3, 12, 12), (1, 3, 12, 12)}
    assert len({shape[2:] for shape in shapes}) > 1


@pytest.mark.parametrize(
    ("options", "left", "reason"),
    [
        ({"keep": ["body.1"]}, 1, "kept as asked"),
        ({"keep": ["body.*"]}, 2, "kept as asked"),
        ({"only": ["fold-constants"]}, 2, None),
        ({"skip": ["fold-batchnorm", "fuse-branches"]}, 2, None),
        ({"max_rewrites": 1}, 1, "stopped after 1 rewrites, as asked"),
        ({"leaf_modules": ("body",)}, 0, None),
        ({"verify": False}, 0, None),
    ],
    ids=str,
)
def test_options(options: dict[str, Any], left: int, reason: str | None) -> None:
    module = net()
    made = graphmorph.fuse(module, X, **options)
    assert made.report.after.batchnorms == left
    assert reason is None or reason in "".join(refusals(made).values())
    assert (made.report.proof is None) == (options == {"verify": False})
    assert ("Opaque" in made.report.after.operators) == ("leaf_modules" in options)
    assert_close(module, made, X)


def test_tolerances_that_rounding_cannot_meet() -> None:
    assert fused(net(), X, layers=3, rtol=1e-3, atol=1e-3).report.rolled_back == []
    with pytest.warns(RollbackWarning, match="fold-batchnorm at"):
        made = graphmorph.fuse(net(), X, rtol=0.0, atol=0.0)
    assert len(made.report.rolled_back) == 2
    assert torch.equal(made(X), net()(X))


class Unique(nn.Module):
    """Holds what cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.lock = net(), threading.Lock()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(x)
        return y


class NoValues(nn.Sequential):
    """Takes images of three channels, but has no weights yet."""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": {"x": X}}, "inputs: for ONNX files only"),
        ({"shapes": {"x": (1, 3, 12, 12)}}, "shapes: for ONNX files only"),
        ({"inputs": {"x": X}, "labels": [1]}, "inputs, labels: for ONNX files only"),
        ({"custom_ops": ["lib.so"]}, "custom_ops: for ONNX files only"),
        ({"output": "out.onnx"}, "out.onnx: .* use graphmorph.export"),
        ({"output": Path("out.onnx")}, "out.onnx: .* use graphmorph.export"),
        ({"only": ["nothing"]}, "no pass named nothing"),
        ({"output": (X, X)}, "do not fit Net.forward"),
        ({"samples": 0}, "at least 1"),
        ({"rtol": -1.0}, "a finite number of 0 or more"),
        ({"model": Unique().eval()}, "Unique cannot be copied.*in_place=True"),
        ({"model": NoValues(nn.LazyConv2d(4, 3)).eval()}, "0.weight of NoValues has no values: its size"),
        ({"model": NoValues(nn.Conv2d(3, 4, 3, device="meta")).eval()}, "has no values: it is on the meta device"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning")
def test_usage_errors(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        graphmorph.fuse(**{"model": net(), "output": X, **change})


def test_what_cannot_be_copied_is_fused_in_place() -> None:
    module = Unique().eval()
    made = graphmorph.fuse(module, X, in_place=True)
    assert made.lock is module.lock
    assert operators(made) == {"Conv": 2}


def test_control_flow_is_a_trace_error() -> None:
    with pytest.raises(TraceError, match=r"leaf_modules"):
        graphmorph.fuse(program(lambda m, x: x if x.sum() > 0 else -x), X)


def test_outputs_that_prove_nothing() -> None:
    module = net()
    nn.init.constant_(module.head.weight, float("nan"))
    with pytest.raises(GraphmorphError, match=r"could not be proven: .*no finite value.*verify=False"):
        graphmorph.fuse(module, X)
    assert operators(graphmorph.fuse(module, X, verify=False)) == {"Conv": 2}


def test_a_wrong_rewrite_is_rolled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    roots = [one.root for one in graphmorph.fuse(net(), X).report.rewrites if one.pass_name == "fold-batchnorm"]
    install(monkeypatch, WrongFold, wrong=(roots[0],))
    module = net()
    with unchanged(module), pytest.warns(RollbackWarning, match=f"fold-batchnorm at {roots[0]}"):
        made = graphmorph.fuse(module, X)
    assert [one.root for one in made.report.rolled_back] == roots[:1]
    assert operators(made) == {"Conv": 2, "BatchNormalization": 1}
    assert made.report.proof is not None
    assert made.report.proof.verdict == "equal"
    assert_close(module, made, X)
    wrong = graphmorph.fuse(module, X, verify=False)
    assert float((wrong(X) - module(X)).abs().max().detach()) > 1e-3


def test_an_error_that_no_rewrite_explains(monkeypatch: pytest.MonkeyPatch) -> None:
    from graphmorph import torch_door

    right = torch_door.materialise

    def wrong(graph: Any, journal: Any) -> MorphedModule:
        made = right(graph, journal)
        made.head = nn.Linear(4, 2)
        return made

    monkeypatch.setattr(torch_door, "materialise", wrong)
    with pytest.raises(VerificationError, match="the rewritten module computes something else: output output"):
        graphmorph.fuse(net(), X)


def test_random_numbers_of_the_caller_are_left_alone() -> None:
    module, state = net(), torch.get_rng_state()
    graphmorph.fuse(module)
    assert torch.equal(torch.get_rng_state(), state)
