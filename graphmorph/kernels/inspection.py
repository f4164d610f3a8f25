"""Where square kernels have their weight: the average kernel magnitude matrix of a whole model (ACNet figure 6)."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from graphmorph.errors import RefusedError, UsageError
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.kernels.magnitude import average_magnitude, relative_magnitude
from graphmorph.kernels.positions import mean_at
from graphmorph.manager import PassManager, Progress
from graphmorph.module_pipeline import is_module
from graphmorph.onnx_door import load
from graphmorph.pipeline import passes_for
from graphmorph.rewrite import Refusal
from graphmorph.square_kernels import SquareKernel, square_kernels

if TYPE_CHECKING:
    import onnx
    from torch import nn

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto


@dataclass(frozen=True, eq=False)
class Magnitudes:
    """A (k, k) matrix of magnitudes between 0 and 1."""

    matrix: NDArray[np.float64]

    @property
    def skeleton(self) -> float:
        """Mean over the middle row and the middle column."""
        return mean_at(self.matrix, "skeleton")

    @property
    def corner(self) -> float:
        """Mean over the rest."""
        return mean_at(self.matrix, "corner")

    def to_json(self) -> dict[str, Any]:
        return {"matrix": self.matrix.tolist(), "skeleton": self.skeleton, "corner": self.corner}


@dataclass(frozen=True, eq=False)
class LayerMagnitudes(Magnitudes):
    """S / max(S) of one layer, whose weight has shape (out, in/groups, k, k)."""

    layer: str
    weight: str
    shape: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return {"layer": self.layer, "weight": self.weight, "shape": list(self.shape), **super().to_json()}


@dataclass(frozen=True, eq=False)
class AverageMagnitudes(Magnitudes):
    """A of equation 9: the mean over all layers of one kernel size."""

    layers: list[LayerMagnitudes]

    @property
    def size(self) -> int:
        """k."""
        return len(self.matrix)

    def to_json(self) -> dict[str, Any]:
        layers = [layer.to_json() for layer in self.layers]
        return {"size": self.size, "layer_count": len(layers), **super().to_json(), "layers": layers}


@dataclass(frozen=True, eq=False)
class KernelReport:
    """A for each kernel size, the smallest first; the convolutions that are not in it, and why."""

    sizes: list[AverageMagnitudes]
    skipped: list[Refusal]
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        return {
            "sizes": [size.to_json() for size in self.sizes],
            "skipped": [asdict(refusal) for refusal in self.skipped],
            "notes": self.notes,
        }


def inspect_kernels(
    model: Model | nn.Module,
    *,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    keep: Iterable[str] = (),
    freeze_initializers: bool = False,
    pass_options: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
) -> KernelReport:
    """The average kernel magnitude matrices of a model's square convolutions (ACNet equations 9 and 10).

    The kernels are those of the deploy form, as in the paper: a file or graph is fused in memory first, by the passes
    that `only`, `skip` and `keep` leave. A torch module is taken as it is; fuse it first.

    Raises:
        ModelFileError: the model cannot be read.
        UsageError: options of the passes for a torch module.
    """
    if is_module(model):
        from graphmorph.torch_door.kernels import module_kernels, norms_of

        if any((only, skip, keep, pass_options, freeze_initializers)):
            raise UsageError("the kernels of a torch module are taken as they are: fuse it first, with these options")
        module = cast("nn.Module", model)
        return kernel_report(module_kernels(module), _left(norms_of(module), "fuse the module first"))
    graph = (
        model.copy()
        if isinstance(model, Graph)
        else load(cast("Model", model), freeze_initializers=freeze_initializers)
    )
    result = PassManager(passes_for(only, skip, pass_options), keep=keep, progress=progress).run(graph)
    notes = _left(result.after.batchnorms, "graphmorph inspect says why they are not folded")
    return kernel_report(square_kernels(Facts(graph)), notes)


def kernel_report(found: Iterable[SquareKernel | Refusal], notes: list[str]) -> KernelReport:
    """Read each kernel once, and average over layers of a size."""
    by_size: dict[int, list[LayerMagnitudes]] = defaultdict(list)
    skipped: list[Refusal] = []
    for kernel in found:
        if isinstance(kernel, Refusal):
            skipped.append(kernel)
            continue
        try:
            relative = relative_magnitude(kernel.load().astype(np.float64))
        except RefusedError as refusal:
            skipped.append(Refusal(kernel.layer, "Conv", str(refusal)))
            continue
        by_size[kernel.size].append(LayerMagnitudes(relative, kernel.layer, kernel.weight, kernel.shape))
    averages = [
        AverageMagnitudes(average_magnitude([layer.matrix for layer in layers]), layers)
        for _, layers in sorted(by_size.items())
    ]
    return KernelReport(averages, skipped, notes)


def _left(norms: int, advice: str) -> list[str]:
    if not norms:
        return []
    return [f"batch normalizations that scale kernels and are not in the numbers: {norms}; {advice}"]
