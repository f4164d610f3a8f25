"""The tools that are compared, as the commands a user would type."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

#: The folder of this interpreter's console scripts.
SCRIPTS = Path(sys.executable).parent

_ORT_OPTIMIZE = """
import sys, onnxruntime as ort
options = ort.SessionOptions()
options.log_severity_level = 4
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
options.optimized_model_filepath = sys.argv[2]
ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
"""


@dataclass(frozen=True)
class Tool:
    """One tool; `command` makes the command line from the model and the output."""

    name: str
    command: Callable[[Path, Path], list[str]]


OURS = "graphmorph"
UNPROVEN = "graphmorph --no-verify"


def _fuse(source: Path, target: Path) -> list[str]:
    return [str(SCRIPTS / "graphmorph"), "fuse", str(source), "-o", str(target), "--quiet"]


TOOLS = (
    Tool("onnxruntime", lambda source, target: [sys.executable, "-c", _ORT_OPTIMIZE, str(source), str(target)]),
    Tool("onnxsim", lambda source, target: [str(SCRIPTS / "onnxsim"), str(source), str(target)]),
    Tool("onnxslim", lambda source, target: [str(SCRIPTS / "onnxslim"), str(source), str(target)]),
    Tool(OURS, _fuse),
    Tool(UNPROVEN, lambda source, target: [*_fuse(source, target), "--no-verify"]),
)


def versions() -> dict[str, str]:
    """What is installed, by distribution."""
    found = {}
    for name in ("graphmorph", "onnxslim", "onnxsim", "onnxruntime", "onnx", "numpy", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
