"""torch's own exporters, silenced, with their errors in words."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import nn
from torch.jit._trace import TracerWarning

from graphmorph.errors import GraphmorphError
from graphmorph.torch_door.flat_module import FlatModule, Interface
from graphmorph.torch_door.free_axes import FreeAxes, without_ones
from graphmorph.torch_door.silence import silenced
from graphmorph.torch_door.source_lines import failing_place

Exporter = Literal["dynamo", "legacy"]
EXPORTERS: tuple[Exporter, ...] = get_args(Exporter)

#: Which module a node comes from, in the dynamo exporter's files: paths from the outermost on, its own name last.
SCOPES = "pkg.torch.onnx.name_scopes"

_EXTERNAL_ABOVE = 1_800_000_000  # protobuf stops at 2 GiB

_OTHER = {
    "dynamo": "exporter='legacy' traces one run instead and may succeed",
    "legacy": "exporter='dynamo' knows more operators",
}


@dataclass(frozen=True)
class ExportSettings:
    """How to export.

    optimise: let the exporter fold normalisations; False keeps every layer, for those who want them kept. lean: drop
    what the exporter writes about the source code (paths of files, lines, class names).
    """

    exporter: Exporter = "dynamo"
    opset: int | None = None
    optimise: bool = True
    lean: bool = True


@dataclass(frozen=True)
class ExportedFile:
    """A file, and the path of the module that each of its nodes comes from, by node name.

    frozen: lines of forward at which values decided something, as the exporter noticed; the file holds the decision.
    """

    path: Path
    scopes: dict[str, str]
    frozen: tuple[str, ...] = ()


def export_file(
    module: nn.Module, interface: Interface, free: FreeAxes, path: Path, settings: ExportSettings
) -> ExportedFile:
    """Write a module, which must be in evaluation mode, as an ONNX file.

    Raises:
        GraphmorphError: the exporter failed; with its reason, and what to try.
    """
    flat = FlatModule(module, interface)
    write = _export_dynamo if settings.exporter == "dynamo" else _export_legacy
    try:
        with silenced() as caught, torch.no_grad():
            tensors = tuple(tensor.clone() for tensor in _example(module, interface, free))
            scopes = write(flat, tensors, interface, free, path, settings)
    except Exception as error:  # torch's exporters raise whatever their parts do
        raise GraphmorphError(_described(error, module, free, settings)) from error
    return ExportedFile(path, scopes, _frozen_lines(caught))


def _example(module: nn.Module, interface: Interface, free: FreeAxes) -> tuple[torch.Tensor, ...]:
    """Tensors to export with: free axes of size 1 made longer, where the module takes that."""
    grown = without_ones(interface.tensors, free)
    try:
        interface.run(module, grown)
    except Exception:  # noqa: BLE001 - whatever forward raises: it is not made for the longer ones
        return interface.tensors
    return grown


def _export_dynamo(
    flat: FlatModule,
    tensors: tuple[torch.Tensor, ...],
    interface: Interface,
    free: FreeAxes,
    path: Path,
    settings: ExportSettings,
) -> dict[str, str]:
    program = torch.onnx.export(
        flat,
        tensors,
        dynamo=True,
        optimize=settings.optimise,
        opset_version=settings.opset,
        input_names=interface.input_names,
        output_names=interface.output_names,
        dynamic_shapes=(tuple(axes or None for axes in free),) if any(free) else None,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("the exporter returned no program")
    scopes = {node.name or "": _path_of(node.metadata_props.get(SCOPES)) for node in program.model.graph}
    if settings.lean:
        _forget_sources(program.model)
    program.save(path, external_data=_weight_bytes(flat) > _EXTERNAL_ABOVE)
    return scopes


def _export_legacy(
    flat: FlatModule,
    tensors: tuple[torch.Tensor, ...],
    interface: Interface,
    free: FreeAxes,
    path: Path,
    settings: ExportSettings,
) -> dict[str, str]:
    modes = torch.onnx.TrainingMode
    torch.onnx.export(
        flat,
        tensors,
        path,
        dynamo=False,
        training=modes.EVAL if settings.optimise else modes.PRESERVE,  # PRESERVE keeps normalisations, in eval mode
        do_constant_folding=settings.optimise,
        opset_version=settings.opset,
        input_names=list(interface.input_names),
        output_names=list(interface.output_names),
        dynamic_axes={name: axes for name, axes in zip(interface.input_names, free, strict=True) if axes},
    )
    import onnx

    nodes = onnx.load(path, load_external_data=False).graph.node
    return {node.name: _path_in(node.name) for node in nodes}


def _path_in(name: str) -> str:
    """Path of the module from a node's name: `/layers/layers.0/conv/Conv` is in layers.0.conv."""
    path: list[str] = []
    for scope in name.split("/")[1:-1]:
        if path and scope.startswith(f"{path[-1]}."):
            path.pop()  # what is in a container is called after the container, too
        path.append(scope)
    return ".".join(path)


def _path_of(scopes: str | None) -> str:
    """Path of the innermost module, from the text of a list."""
    names: Sequence[str] = ast.literal_eval(scopes) if scopes else ()
    return names[-2] if len(names) > 1 else ""


def _forget_sources(model: Any) -> None:
    """Drop the metadata that quotes the source code; the modules' paths stay."""
    graphs = [model.graph, *(function.graph for function in model.functions.values())]
    for graph in graphs:
        graph.metadata_props.clear()
        for value in (*graph.inputs, *graph.initializers.values()):
            value.metadata_props.clear()
        for node in graph.all_nodes():
            kept = {key: text for key, text in node.metadata_props.items() if key == SCOPES}
            node.metadata_props.clear()
            node.metadata_props.update(kept)
            for value in node.outputs:
                value.metadata_props.clear()


def _frozen_lines(caught: Iterable[warnings.WarningMessage]) -> tuple[str, ...]:
    """Where tracing took a value for a constant; torch says so in warnings, and goes on."""
    traced = [one for one in caught if issubclass(one.category, TracerWarning)]
    return tuple(dict.fromkeys(f"{Path(one.filename).name}:{one.lineno}" for one in traced))


def _weight_bytes(module: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers()))


def _described(error: BaseException, module: nn.Module, free: FreeAxes, settings: ExportSettings) -> str:
    reason = _innermost_reason(error)
    advice = [_OTHER[settings.exporter]]
    if any(free):
        advice.insert(0, "without dynamic sizes it may succeed")
    if settings.opset is not None:
        advice.insert(0, f"another opset than {settings.opset} may have what is missing")
    if isinstance(error, ModuleNotFoundError) and error.name in ("onnxscript", "onnx_ir"):
        advice = ["pip install onnxscript, or take exporter='legacy'"]
    kind = type(module).__name__
    return (
        f"torch's {settings.exporter} exporter cannot export {kind}: {reason}. Nothing was written; {'; '.join(advice)}"
    )


def _innermost_reason(error: BaseException) -> str:
    """The first line of the first error, without colours: the exporters wrap it in their own advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines() if line.strip()]
    first = lines[0] if lines else ""
    if first.endswith(":") and len(lines) > 1:
        first = f"{first} {lines[1].removeprefix('- ')}"
    return f"{failing_place(error)}{type(error).__name__}: {first}".rstrip(" .:")
