"""`python -m benchmarks.compnet_speed`: what CompNet's algorithms cost, in time and memory.

Algorithm 3 from sums against the columns vec(T_i) of equation 4, on the same made-up activations, as their rows grow
from 1,000 to 60,000: seconds, peak memory of a process of its own, and whether both give the same coefficients. Then
`graphmorph.insert_layer` by each algorithm, fully connected, with 256 inputs, 64 outputs, and 100, 512 and 2,048
channels. Writes benchmarks/results/compnet_speed.json with a plot beside it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper
from rich.progress import track

import graphmorph
from benchmarks.compnet_speed_forms import ALPHA, CHANNELS, INPUTS, OUTPUTS, PENALTY, inputs
from benchmarks.processes import measure
from benchmarks.results import Results, rounded
from graphmorph.layer_insertion.settings import Algorithm

RESULTS = Path(__file__).resolve().parent / "results" / "compnet_speed.json"
ROWS = (1_000, 3_000, 10_000, 30_000, 60_000)
WIDTHS = (100, 512, 2_048)
CALIBRATED_ON = 20_000
#: Coefficients may differ by so much.
SAME = 1e-9
FORMS = {"direct": "columns of equation 4", "sums": "sums"}

MODEL = """<ir_version: 8, opset_import: ["": 17]> dense (float[N,256] x) => (float[N,64] y) {
    r = Relu(x)
    y = Gemm(r, weight, bias)
}"""


def main() -> None:
    """Measure, save each row as soon as it is there, draw and print."""
    options = arguments()
    results = Results(options.results)
    if not options.table:
        results.put("settings", {"penalty": PENALTY, "alpha": ALPHA, "calibrated_on": CALIBRATED_ON})
        for rows in track(options.rows, description="algorithm 3, both forms"):
            results.row("forms", rows=rows).update(both_forms(rows))
            results.save()
        cases = [(algorithm, width) for width in options.widths for algorithm in algorithms(width)]
        data = np.concatenate(list(inputs(CALIBRATED_ON))).astype(np.float32)
        for algorithm, width in track(cases, description="algorithms"):
            results.row("algorithms", algorithm=algorithm, channels=width).update(insertion(algorithm, width, data))
            results.save()
    draw(results.data["forms"], results.path.with_suffix(".png"))
    print(forms_table(results.data["forms"]), algorithms_table(results.data["algorithms"]), sep="\n\n")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--rows", type=int, nargs="+", default=ROWS, help=f"of both forms (default {' '.join(map(str, ROWS))})")
    add("--widths", type=int, nargs="+", default=WIDTHS, help=f"channels (default {' '.join(map(str, WIDTHS))})")
    add("--table", action="store_true", help="run nothing, print and draw what is there")
    add("--results", type=Path, default=RESULTS, help="default benchmarks/results/compnet_speed.json")
    return parser.parse_args()


def both_forms(rows: int) -> dict[str, float | int | None]:
    """Seconds and peak MiB of each form, and how far their coefficients are apart."""
    row: dict[str, float | int | None] = {}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMS:
            path = Path(folder, f"{form}.npz")
            usage = measure([sys.executable, "-m", "benchmarks.compnet_speed_forms", form, str(rows), str(path)])
            if usage.exit_code:
                raise SystemExit(f"compnet_speed: the form {form} with {rows} rows ended with {usage.exit_code}")
            with np.load(path) as arrays:
                found[form] = arrays["coefficients"]
                row[f"{form}_s"] = rounded(float(arrays["seconds"]))
            row[f"{form}_mib"] = rounded(usage.largest_mib, 1)
    apart = float(np.abs(found["direct"] - found["sums"]).max())
    if apart > SAME:
        raise SystemExit(f"compnet_speed: both forms differ by {apart:.3g} with {rows} rows")
    return {**row, "apart": apart, "survivors": int(np.count_nonzero(found["sums"])), "channels": CHANNELS}


def algorithms(width: int) -> list[Algorithm]:
    """Those that can make a layer of a width: an identity is as wide as what it reads."""
    return [one for one in get_args(Algorithm) if one != "net2deeper" or width == INPUTS]


def insertion(algorithm: Algorithm, width: int, data: np.ndarray) -> dict[str, float | int | None]:
    """Seconds of capturing and solving, survivors and R², for data (rows, INPUTS)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "dense.onnx")
        onnx.save(dense(), path)
        report = graphmorph.insert_layer(
            path,
            after="r",
            algorithm=algorithm,
            channels=width,
            calibration={"x": data},
            penalty=PENALTY,
            alpha=ALPHA,
            latency=False,
            verify=False,
        ).report
    capturing = report.seconds.get("capture", 0.0)
    explained = report.layer.explained
    return {
        "survivors": report.layer.kept,
        "explained": None if explained is None else rounded(float(np.mean(explained)), 5),
        "capture_s": rounded(capturing),
        "solve_s": rounded(report.seconds["solving"] - capturing),
    }


def dense() -> onnx.ModelProto:
    """The model, its weights drawn from a seed."""
    weight = np.random.default_rng(3).standard_normal((INPUTS, OUTPUTS)) / np.sqrt(INPUTS)
    model = onnx.parser.parse_model(MODEL)
    model.graph.initializer.append(numpy_helper.from_array(weight.astype(np.float32), "weight"))
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(OUTPUTS, np.float32), "bias"))
    return model


def forms_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Both forms as Markdown."""
    lines = [
        "| rows | sums, s | sums, MiB | equation 4, s | equation 4, MiB | coefficients apart by |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for row in sorted(rows, key=lambda one: int(one["rows"])):
        numbers = (f"{row['sums_s']:.2f}", f"{row['sums_mib']:,.0f}", f"{row['direct_s']:.2f}")
        cells = (f"{row['rows']:,}", *numbers, f"{row['direct_mib']:,.0f}", f"{row['apart']:.0e}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def algorithms_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Each algorithm at each width as Markdown."""
    lines = ["| algorithm | channels | survivors | R² | capture, s | solve, s |", "|---|---:|---:|---:|---:|---:|"]
    for row in rows:
        explained = "" if row["explained"] is None else f"{row['explained']:.4f}"
        seconds = (f"{row['capture_s']:.2f}", f"{row['solve_s']:.2f}")
        cells = (f"`{row['algorithm']}`", f"{row['channels']:,}", f"{row['survivors']:,}", explained, *seconds)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Memory and time of both forms by the number of rows."""
    from matplotlib.figure import Figure

    ordered = sorted(rows, key=lambda one: int(one["rows"]))
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    for axes, (unit, title) in zip(figure.subplots(1, 2), (("mib", "peak MiB"), ("s", "seconds")), strict=True):
        for form, label in FORMS.items():
            axes.plot([row["rows"] for row in ordered], [row[f"{form}_{unit}"] for row in ordered], "o-", label=label)
        axes.set_xlabel("rows")
        axes.set_title(title)
        axes.grid(alpha=0.3)
        axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
