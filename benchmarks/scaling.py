"""The parts `scaling` and `large`: cost by the number of nodes, and by the number of bytes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.census import census
from benchmarks.processes import MIB, Usage, measure
from benchmarks.results import Results, Row, rounded
from benchmarks.synthetic import BRANCHES, NODES_PER_BLOCK
from benchmarks.tools import OURS, TOOLS, UNPROVEN

NODE_COUNTS = (1_000, 3_000, 10_000, 30_000, 100_000)
SMALL_CHANNELS = 4  # the nodes are to cost, not the weights
LARGE_CHANNELS = 1024
PEERS = ("onnxslim", "onnxsim")
PEERS_UP_TO = 10_000  # onnxslim takes minutes there
COMMANDS = {tool.name: tool.command for tool in TOOLS}
Advance = Callable[[str], None]


def grow_nodes(kind: str, nodes: int, repeats: int, folder: Path, advance: Advance, results: Results) -> None:
    """Fuse a chain of about `nodes` nodes, unproven, and record the fastest run; peers run once, on short chains."""
    path, output = folder / f"{kind}-{nodes}.onnx", folder / f"{kind}-{nodes}.out.onnx"
    _write(kind, round(nodes / NODES_PER_BLOCK[kind]), SMALL_CHANNELS, path)
    for tool, times in ((UNPROVEN, repeats), *((peer, 1) for peer in PEERS if nodes <= PEERS_UP_TO)):
        advance(f"scaling: {nodes} nodes, {kind}: {tool}")
        usages = [measure(COMMANDS[tool](path, output)) for _ in range(times)]
        best = min(usages, key=lambda usage: usage.seconds)
        row = results.row("scaling", kind=kind, nodes=nodes, tool=tool)
        row.update(_usage(best, path), nodes_before=census(path).nodes)
        row["microseconds_per_node"] = rounded(best.seconds * 1e6 / row["nodes_before"], 1)
        row["nodes_after"] = census(output).nodes if output.exists() else None
        output.unlink(missing_ok=True)


def fuse_large(gigabytes: float, proven: bool, advance: Advance, results: Results) -> None:
    """Fuse a model whose weights lie beside it; everything is made in a temporary folder and removed."""
    block = 4 * LARGE_CHANNELS**2 * sum(rows * columns for rows, columns in BRANCHES["acb"])
    blocks = max(1, round(gigabytes * 1e9 / block))
    tools = [UNPROVEN, OURS] if proven else [UNPROVEN]
    with tempfile.TemporaryDirectory(prefix="graphmorph-bench-") as folder:
        path, output = Path(folder) / "large.onnx", Path(folder) / "fused.onnx"
        advance(f"writing {gigabytes:g} GB")
        _write("acb", blocks, LARGE_CHANNELS, path, "external")
        data = path.with_name(path.name + ".data")
        for tool in tools:
            advance(f"{gigabytes:g} GB: {tool}")
            usage = measure(COMMANDS[tool](path, output))
            row = results.row("large", tool=tool)
            row.update(_usage(usage, data), bytes=data.stat().st_size, nodes_before=census(path).nodes)
            row["nodes_after"] = census(output).nodes if output.exists() else None
            for left in Path(folder).glob("fused.onnx*"):
                left.unlink()


def _write(kind: str, blocks: int, channels: int, path: Path, *rest: str) -> None:
    """In a process of its own, so that what it holds goes with it."""
    subprocess.run(
        [sys.executable, "-m", "benchmarks.synthetic", kind, str(blocks), str(channels), str(path), *rest],
        check=True,
    )


def _usage(usage: Usage, weights: Path) -> Row:
    return {
        "seconds": rounded(usage.seconds),
        "largest_process_mib": rounded(usage.largest_mib, 1),
        "peak_mib": rounded(usage.sum_mib, 1),
        "file_mib": rounded(weights.stat().st_size / MIB, 1),
        "exit_code": usage.exit_code,
    }
