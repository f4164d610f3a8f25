"""onnxruntime sessions, in the child."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from graphmorph.runtime.values import run_session, shapes_of_outputs, time_session

Model = str | bytes

_SILENT = 4  # only fatal messages: what matters is raised, and reported by the parent

# Everything of ORT's BASIC level but ConstantFolding. Rules run inside the Level1 rule-based transformer;
# they are named as well in case a later version moves one out. A test pins what is left of a graph.
_NOT_CONSTANT_FOLDING = [
    "Level1_RuleBasedTransformer",
    "CastChainElimination",
    "CastElimination",
    "ClipQuantRewrite",
    "CommonSubexpressionElimination",
    "ConstantSharing",
    "ConvAddFusion",
    "ConvBNFusion",
    "ConvMulFusion",
    "DivMulFusion",
    "DoubleQDQPairsRemover",
    "EliminateDropout",
    "EliminateIdentity",
    "EliminateSlice",
    "EnsureUniqueDQForNodeUnit",
    "ExpandElimination",
    "FuseReluClip",
    "GatherToSliceFusion",
    "GemmSumFusion",
    "GemmTransposeFusion",
    "LabelEncoderFusion",
    "MatMulAddFusion",
    "MatMul_BatchNormalization_Fusion",
    "NoopElimination",
    "NotWhereFusion",
    "Pad_Fusion",
    "PreShapeNodeElimination",
    "PropagateCastOps",
    "QDQPropagationTransformer",
    "RemoveDuplicateCastTransformer",
    "ReluQuantRewrite",
    "ReshapeFusion",
    "TransposeOptimizer",
    "UnsqueezeElimination",
    "WhereDummyDq",
]


class Sessions:
    """The open sessions, by number."""

    def __init__(self) -> None:
        ort.set_default_logger_severity(_SILENT)
        self._open: dict[int, tuple[Any, list[str] | None]] = {}
        self._count = 0

    def open(self, model: Model, header: Mapping[str, Any]) -> dict[str, Any]:
        """Load a model; returns its number and what its inputs and outputs are.

        Raises whatever onnxruntime raises.
        """
        _require_providers(header["providers"])
        options = _options(header["threads"], many_runs=header["many_runs"])
        level = ort.GraphOptimizationLevel
        options.graph_optimization_level = level.ORT_ENABLE_ALL if header["optimized"] else level.ORT_DISABLE_ALL
        for library in header["custom_ops"]:
            options.register_custom_ops_library(library)
        wanted = header["outputs"]
        if wanted is not None:
            model = _exposing(model, wanted, options)
        session = ort.InferenceSession(model, options, providers=header["providers"])
        # A crash of the provider must be seen, not papered over by a silent second session on the CPU.
        session.disable_fallback()
        self._count += 1
        self._open[self._count] = (session, wanted)
        return {
            "session": self._count,
            "inputs": [_signature(value) for value in session.get_inputs()],
            "outputs": [_signature(value) for value in session.get_outputs()],
            "defaults": [value.name for value in session.get_overridable_initializers()],
        }

    def run(self, number: int, feeds: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Outputs by name. Raises ValueError when the session is not open (lost in a crash, for instance)."""
        session, wanted = self._session(number)
        return run_session(session, feeds, wanted)

    def shapes(self, number: int, feeds: Mapping[str, Any]) -> dict[str, list[int]]:
        """Shapes by name of the outputs that are tensors. Raises ValueError when the session is not open."""
        session, wanted = self._session(number)
        return shapes_of_outputs(session, feeds, wanted)

    def time(self, number: int, feeds: Mapping[str, Any], repeats: int) -> list[float]:
        """Seconds of each run, after one that is not counted. Raises ValueError when the session is not open."""
        session, wanted = self._session(number)
        return time_session(session, feeds, repeats, wanted)

    def _session(self, number: int) -> tuple[Any, list[str] | None]:
        if number not in self._open:
            raise ValueError(f"session {number} is not open (closed, or lost when the child process died)")
        return self._open[number]

    def close(self, number: int) -> None:
        """Forget a session and give its memory back to the system."""
        self._open.pop(number, None)
        _trim()


def fold_constants(model_bytes: bytes, max_bytes: int | None) -> dict[str, np.ndarray]:
    """Tensors, produced by a node of the main graph, that ORT's constant folding knows the value of."""
    import onnx
    import onnx.numpy_helper

    options = _options(threads=1)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory(prefix="graphmorph-") as folder:
        path = Path(folder, "folded.onnx")
        options.optimized_model_filepath = str(path)
        ort.InferenceSession(
            model_bytes,
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=_NOT_CONSTANT_FOLDING,
        )
        folded = onnx.load(path)
    original = onnx.load_model_from_string(model_bytes)
    produced = {name for node in original.graph.node for name in node.output}
    values: dict[str, np.ndarray] = {}
    for tensor in folded.graph.initializer:
        if tensor.name in produced and (max_bytes is None or tensor.ByteSize() <= max_bytes):
            values[tensor.name] = np.asarray(onnx.numpy_helper.to_array(tensor))
    return values


def evaluate(model_bytes: bytes) -> dict[str, np.ndarray]:
    """Outputs of a model without inputs."""
    options = _options(threads=2)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model_bytes, options, providers=["CPUExecutionProvider"])
    return run_session(session, {})


def _options(threads: int, *, many_runs: bool = False) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = _SILENT
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Where a session runs a few times, what the arena and the pattern cache would save later is memory now.
    options.enable_cpu_mem_arena = many_runs
    options.enable_mem_pattern = many_runs
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _require_providers(wanted: list[str]) -> None:
    """onnxruntime would only warn, and run on the CPU instead."""
    missing = [name for name in wanted if name not in ort.get_available_providers()]
    if missing:
        present = ", ".join(ort.get_available_providers())
        raise ValueError(f"execution provider {', '.join(missing)} is not available; there are: {present}")


def _exposing(model: Model, wanted: list[str], options: Any) -> bytes:
    """The model's bytes, with the wanted tensors among the graph's outputs.

    Protobuf merges a second occurrence of a message field into the first, so the extra outputs are appended
    to the file's bytes and the weights are never parsed into Python objects that must be written again.
    """
    import onnx

    if isinstance(model, str):
        folder = str(Path(model).resolve().parent)
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
        model = Path(model).read_bytes()
    graph = onnx.load_model_from_string(model).graph
    present = {output.name for output in graph.output}
    extra = onnx.ModelProto()
    extra.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted if name not in present)
    return model + bytes(extra.SerializeToString())


def _signature(value: Any) -> dict[str, Any]:
    shape = [dimension if isinstance(dimension, int | str) else None for dimension in value.shape or ()]
    return {"name": value.name, "type": value.type, "shape": shape}


def _trim() -> None:
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):  # not glibc
        return
