"""`python -m benchmarks.channels_export FOLDER [KEY...]`: builds architectures and exports them to ONNX files.

FOLDER/index.json lists the files: key, form, shape of the example, and why there is none where the exporter fails.
What is there already is left alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from benchmarks.channels_zoo import Entry, build, entries
from graphmorph.models.export import Form as Exporter
from graphmorph.models.export import export_onnx

#: static: constants folded, sizes fixed. unfolded: batch normalisations kept. dynamic-*: free batch, also free sizes.
Form = Literal["static", "unfolded", "dynamic-batch", "dynamic-sizes", "dynamo"]
FORMS: tuple[Form, ...] = get_args(Form)

_EXPORTERS: dict[Form, Exporter] = {"unfolded": "legacy-training", "dynamo": "dynamo"}

#: The legacy exporter knows Unfold of known sizes only.
_DYNAMO_ONLY = ("halonet26t",)

#: Every architecture is exported static; these in other forms as well, one of each kind.
_ALSO: dict[Form, tuple[str, ...]] = {
    "unfolded": ("resnet18", "densenet121", "dpn68b", "mobilenet_v3_small", "res2net50_26w_4s", "levit_128s"),
    "dynamic-batch": (
        *("deit_tiny_patch16_224", "levit_128s", "mixer_s32_224", "xcit_nano_12_p16_224"),
        *("swin_tiny_patch4_window7_224", "vgg11_bn"),
    ),
    "dynamic-sizes": (
        *("resnet18", "googlenet", "shufflenet_v2_x1_0", "resnest26d", "poolformer_s12", "edgenext_xx_small"),
        *("fcn_resnet50", "ghostnet_100", "unet"),
    ),
    "dynamo": (
        *("resnet18", "shufflenet_v2_x1_0", "densenet121", "efficientnet_b0", "convnext_atto", "regnet_y_400mf"),
        *("deit_tiny_patch16_224", "ese_vovnet19b_dw"),
    ),
}


def forms_of(one: Entry) -> list[Form]:
    """The forms that an architecture is exported in."""
    return ["static", *(form for form, names in _ALSO.items() if one.name in names)]


def path_of(folder: Path, one: Entry, form: Form) -> Path:
    """Where the file of an architecture is."""
    return folder / f"{one.source}.{one.name}.{form}.onnx"


def export(folder: Path, one: Entry) -> None:
    """Write the missing files of an architecture, and their rows in the index."""
    missing = [form for form in forms_of(one) if _row(folder, one, form) is None]
    module = build(one) if missing else None
    for form in missing:
        assert module is not None
        row: dict[str, Any] = {"key": one.key, "form": form, "shape": [1, *one.shape], "file": None}
        target = path_of(folder, one, form)
        try:
            export_onnx(
                module,
                target,
                one.example(),
                "dynamo" if one.name in _DYNAMO_ONLY else _EXPORTERS.get(form, "legacy"),
                dynamic_batch=form.startswith("dynamic"),
                dynamic_spatial=form == "dynamic-sizes",
            )
            row["file"] = target.name
        except Exception as error:  # noqa: BLE001 - whatever an exporter raises is what is to be known of it
            row["error"] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        _save(folder, [*_rows(folder), row])


def _rows(folder: Path) -> list[dict[str, Any]]:
    index = folder / "index.json"
    return list(json.loads(index.read_text(encoding="utf-8"))) if index.exists() else []


def _row(folder: Path, one: Entry, form: Form) -> dict[str, Any] | None:
    return next((row for row in _rows(folder) if (row["key"], row["form"]) == (one.key, form)), None)


def _save(folder: Path, rows: list[dict[str, Any]]) -> None:
    part = folder / "index.part"
    part.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    part.replace(folder / "index.json")


def main(folder: str, *keys: str) -> None:
    """Export all that is asked for, or everything."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for one in entries():
        if not keys or one.key in keys:
            print(one.key, flush=True)
            export(Path(folder), one)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
