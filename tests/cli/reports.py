"""Reports made by hand, and how they read on a terminal, for the tests of what shows them."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import RenderableType

from graphmorph.affine.certificate import Certificate
from graphmorph.cli.terminal import ReportConsole
from graphmorph.proof.report import CaseReport, Metrics, OutputReport, Proof
from graphmorph.report import ModelSummary, PassReport, RefusalReport, Report, RewriteReport

BEFORE = ModelSummary(
    nodes=105,
    operators={"Conv": 54, "BatchNormalization": 51},
    parameters=19_907_624,
    weight_bytes=79_900_000,
    macs=3_020_000_000,
    branch_adds=34,
)
AFTER = ModelSummary(
    nodes=49,
    operators={"Conv": 20},
    parameters=11_684_712,
    weight_bytes=46_800_000,
    macs=1_814_000_000,
    branch_adds=0,
)
REWRITE = RewriteReport(
    pass_name="fuse-branches",
    root="conv1_out",
    summary="3 Conv, 3 BatchNormalization and 2 Add became 1 Conv",
    nodes_before=["square", "hor", "ver"],
    nodes_after=["square"],
    parameters_before=150,
    parameters_after=90,
)
REFUSALS = [
    RefusalReport("fuse-branches", f"conv_{index}", "Conv", f"pads of 'conv_{index}' do not contain those of 'conv_0'")
    for index in range(1, 4)
] + [RefusalReport("fold-batchnorm", "bn_7", "BatchNormalization", "its input is also read by [tanh]")]


def metrics(max_abs: float) -> Metrics:
    """Metrics of an output of ten elements."""
    return Metrics(10, max_abs, 4e-7, max_abs / 3, 1.0, 1.0, 9, 0, 0, (0, 3), 1.25, 1.25 + max_abs)


def output(max_abs: float, *, name: str = "logits") -> OutputReport:
    """An output with floor 4e-7 and tolerance 3.2e-6."""
    tolerance = 3.2e-6
    passed = max_abs <= tolerance
    return OutputReport(
        name=name,
        dtype="float32",
        shape=(1, 10),
        passed=passed,
        problem=None if passed else f"error {max_abs:.3g} is above the tolerance",
        metrics=metrics(max_abs),
        noise_floor=4e-7,
        tolerance=tolerance,
        required_atol=max_abs,
        excess=max_abs / tolerance,
    )


def case(max_abs: float, *, size: int = 32, name: str = "logits") -> CaseReport:
    """A case with the same error as written and as deployed."""
    found = output(max_abs, name=name)
    return CaseReport(
        shapes={"x": (1, 3, size, size)},
        source="drawn",
        style="normal",
        sample=0,
        seed=0,
        as_written=(found,),
        as_deployed=(found,),
    )


EQUAL = Proof(
    "equal",
    "all outputs agree within the tolerance in 2 case(s)",
    cases=(case(8e-7), case(1.6e-6, size=64)),
    accuracy={"before": 0.9825, "after": 0.9825},
    seconds=0.42,
)
DIFFERENT = Proof(
    "different",
    "output logits, as written: error 0.5 is above the tolerance",
    cases=(case(8e-7), case(0.5, size=64)),
    first_difference="conv1_out",
)
INCONCLUSIVE = Proof("inconclusive", "no size works: give one with --shape x:1,3,224,224")
CERTIFICATE = Certificate("conv1_out", "equal", "", exact_error=1e-15)


def report(proof: Proof | None = EQUAL, *, rolled_back: bool = False) -> Report:
    """A run that fused one block and left four sites alone."""
    fused = PassReport("fuse-branches", "exact", seconds=0.5, refusals=REFUSALS[:3])
    fused.rewrites.append(replace(REWRITE, certificate=CERTIFICATE))
    return Report(
        model="acnet[1].onnx",
        before=BEFORE,
        after=AFTER,
        passes=[PassReport("fold-batchnorm", "exact", seconds=0.125, refusals=REFUSALS[3:]), fused],
        rolled_back=[REWRITE] if rolled_back else [],
        proof=proof,
        files=["acnet.fused.onnx"],
        notes=["the model has a dynamic batch"],
        seconds=1.5,
    )


def shown(renderable: RenderableType, width: int = 120) -> str:
    """What a person reads, with runs of spaces made one."""
    console = ReportConsole(file=StringIO(), width=width, highlight=False, markup=False, emoji=False)
    console.print(renderable)
    assert isinstance(console.file, StringIO)
    return "\n".join(" ".join(line.split()) for line in console.file.getvalue().splitlines())
