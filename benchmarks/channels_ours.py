"""`python -m benchmarks.channels_ours FILE` or KEY: half of the channels of one file, or of one traced module, by us.

The removal is proven against the original with those channels masked, within the bounds of `graphmorph verify`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx.numpy_helper
import onnx.parser

from graphmorph.errors import GraphmorphError
from graphmorph.proof import Proof
from graphmorph.pruning.prune import prune
from graphmorph.pruning.report import PruneReport

if TYPE_CHECKING:
    import torch

#: Half of the units of every group, whatever the width that is left.
RATIO, ROUND_TO = 0.5, 1


#: Imports everything before anything is timed.
WARM_UP = """<ir_version: 8, opset_import: ["" : 17]>
g (float[1,2,4,4] x) => (float[1,2,4,4] y) <float[8,2,1,1] w = {0.1}, float[2,8,1,1] v = {0.2}> {
    a = Conv(x, w)
    y = Conv(a, v)
}"""


def main(subject: str) -> None:
    """Prune, and print what came out as JSON."""
    warm_up()
    try:
        row = prune_file(subject) if Path(subject).suffix == ".onnx" else prune_module(subject)
    except GraphmorphError as error:
        row = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
    print(json.dumps(row))


def warm_up() -> None:
    """Prune a small model, once."""
    model = onnx.parser.parse_model(WARM_UP)
    for tensor in model.graph.initializer:
        values = np.arange(np.prod(tensor.dims), dtype=np.float32).reshape(tensor.dims)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    prune(model, ratio=RATIO, round_to=ROUND_TO, latency=False)


def prune_file(path: str) -> dict[str, Any]:
    """Half of a file."""
    report = prune(path, ratio=RATIO, round_to=ROUND_TO).report
    row = _row(report)
    if report.latency is not None:
        row["latency_ms"] = [report.latency.before_ms, report.latency.after_ms]
    return row


def prune_module(key: str) -> dict[str, Any]:
    """Half of a module, in place as other tools do it; parameters are counted as torch counts them."""
    import torch

    from benchmarks.channels_zoo import build, entry

    torch.set_num_threads(1)
    small = torch.nn.Sequential(torch.nn.Conv2d(2, 8, 1), torch.nn.Conv2d(8, 2, 1)).eval()
    prune(small, torch.zeros(1, 2, 4, 4), ratio=RATIO, round_to=ROUND_TO)  # imports the torch door
    module, example = build(entry(key)), entry(key).example()
    whole = _parameters(module)
    pruned = prune(module, example, ratio=RATIO, round_to=ROUND_TO, in_place=True)
    return {**_row(pruned.report), "parameters": _parameters(pruned) / whole}


def _parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _row(report: PruneReport) -> dict[str, Any]:
    assert report.removal is not None
    assert report.change is not None
    row: dict[str, Any] = {
        "groups": len(report.groups),
        "units": sum(group.units for group in report.groups),
        "parameters": report.parameters_left,
        "multiply_adds": report.macs_left,
        "proof": report.removal.verdict,
        "excess": _excess(report.removal),
        "change": float(np.nan_to_num(report.change.relative_error)),
        "seconds": {name: round(seconds, 4) for name, seconds in report.seconds.items()},
    }
    if report.removal.verdict != "equal":
        row["error"] = f"proof: {report.removal.reason}"
    return row


def _excess(proof: Proof) -> float:
    """The largest error, in shares of what is allowed for rounding."""
    return max(one.excess for case in proof.cases for one in case.outputs)


if __name__ == "__main__":
    main(*sys.argv[1:])
