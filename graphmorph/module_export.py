"""From a live module to a proven ONNX file in deploy form, in one call."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphmorph.errors import UsageError
from graphmorph.export_job import ExportJob
from graphmorph.export_report import ExportReport
from graphmorph.manager import Progress
from graphmorph.proof import ProofOptions
from graphmorph.rewrite_options import RewriteSettings

if TYPE_CHECKING:
    from torch import nn

    from graphmorph.torch_door.examples import ExampleInputs
    from graphmorph.torch_door.exporters import Exporter
    from graphmorph.torch_door.tracer import LeafModules


@dataclass
class ExportResult:
    """The file that was written. `exit_code` is 1 where rewrites had to be rolled back for it, as for `fuse`."""

    path: Path
    report: ExportReport
    exit_code: int

    @property
    def ok(self) -> bool:
        return self.exit_code == 0


def export(
    module: nn.Module,
    path: str | os.PathLike[str],
    example_inputs: ExampleInputs | None = None,
    *,
    dynamic_batch: bool = False,
    dynamic_shapes: Mapping[str, Any] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset: int | None = None,
    exporter: Exporter = "dynamo",
    fuse: bool = True,
    cleanup: bool = True,
    verify: bool = True,
    certify: bool = False,
    keep: Iterable[str] = (),
    samples: int = 1,
    seed: int = 0,
    rtol: float | None = None,
    atol: float | None = None,
    leaf_modules: LeafModules = (),
    external_data: bool | None = None,
    progress: Progress | None = None,
) -> ExportResult:
    """Write a torch module as an ONNX file in deploy form, and prove that the file computes what the module does.

    The module is untouched. A copy in evaluation mode is fused (where torch.fx can trace it) and exported by torch; the
    file is cleaned up and fused once more. Then the module runs in torch and the file in onnxruntime, with its
    optimizations off and on: on the example inputs, on drawn ones, and at other sizes where sizes are free. The file is
    put in its place only when the outputs agree.

    example_inputs: a tensor, a sequence, or a mapping by argument of forward; they may be nested. None tries the usual
    sizes. dynamic_batch: frees the first axis of all inputs that are as long there as the first. dynamic_shapes: as in
    torch.export, {argument: {axis: name}}. input_names, output_names: of the tensors in order; by default the names of
    arguments and keys. exporter: "dynamo" (torch.export) or "legacy" (TorchScript). fuse=False keeps all layers, and
    tells the exporter to. cleanup=False takes the file as exported. keep: globs of paths of modules, or of node names,
    to leave alone. external_data: weights in a file beside; None where they do not fit. The other options are those of
    `fuse` for modules.

    Raises:
        UsageError: options, example inputs, names or a path that do not fit.
        GraphmorphError: the exporter failed, or nothing could be proven; the message says what to try.
        VerificationError: a step changed what is computed; the message names it. Nothing is written.
    """
    from graphmorph.torch_door.exporters import EXPORTERS, ExportSettings

    if exporter not in EXPORTERS:
        raise UsageError(f"exporter {exporter!r}: choose one of {', '.join(EXPORTERS)}")
    if samples < 1:
        raise UsageError(f"samples={samples}: at least 1 is needed")
    kept = tuple(keep)
    options = RewriteSettings(
        ProofOptions(samples=samples, seed=seed, rtol=rtol, atol=atol),
        leaf_modules=leaf_modules,
        keep=kept,
        verify=verify,
        certify=certify,
        progress=progress,
    )
    settings = ExportSettings(exporter, opset, optimise=fuse and not kept, lean=cleanup)
    with ExitStack() as stack:
        job = ExportJob(module, _target(path), options, settings, stack)
        job.describe(example_inputs, input_names, output_names, dynamic_batch, dynamic_shapes)
        report = job.run(fuse=fuse, cleanup=cleanup, external_data=external_data)
    rolled_back = report.fusion is not None and report.fusion.rolled_back
    return ExportResult(job.target, report, 1 if rolled_back else 0)


def _target(path: str | os.PathLike[str]) -> Path:
    """Where to write.

    Raises:
        UsageError: nothing can be written there; found out before the minutes that an export may take.
    """
    target = Path(path)
    if target.is_dir():
        raise UsageError(f"{target} is a folder: name a file in it")
    if not target.parent.is_dir():
        raise UsageError(f"{target}: there is no folder {target.parent}")
    if not os.access(target.parent, os.W_OK):
        raise UsageError(f"{target}: the folder {target.parent} cannot be written to")
    return target
