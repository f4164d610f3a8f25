"""Write a torch module as an ONNX file, in each form that torch's exporters give."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

Form = Literal["dynamo", "dynamo-unoptimized", "dynamo-training", "legacy", "legacy-training"]
FORMS: tuple[Form, ...] = get_args(Form)

AXIS_NAMES = ("batch", "channels", "height", "width")


def export_onnx(
    module: nn.Module,
    path: str | os.PathLike[str],
    example: Tensor,
    form: Form = "legacy-training",
    *,
    dynamic_batch: bool = False,
    dynamic_spatial: bool = False,
) -> Path:
    """Export ``module``, put in eval mode, with input ``x`` shaped like ``example`` and output ``y``.

    ``dynamo``: the default exporter with its optimizer, which folds batch normalisations that follow a
    convolution. ``dynamo-unoptimized``: the same without optimizer. ``dynamo-training``: constants folded,
    normalisations kept. ``legacy``: TorchScript, normalisations folded. ``legacy-training``: TorchScript,
    normalisations kept, nothing folded. In all of them normalisations use their running statistics.
    ``dynamic_spatial`` frees every axis after the channels. Weights stay inside the file. Raises ValueError
    for an unknown form.
    """
    if form not in FORMS:
        raise ValueError(f"unknown exporter form {form!r}: choose one of {', '.join(FORMS)}")
    free = _free_axes(example.dim(), dynamic_batch=dynamic_batch, dynamic_spatial=dynamic_spatial)
    module.eval()
    with _quiet():
        if form.startswith("dynamo"):
            _export_dynamo(module, Path(path), example, form, free)
        else:
            _export_legacy(module, Path(path), example, form, free)
    return Path(path)


def _free_axes(rank: int, *, dynamic_batch: bool, dynamic_spatial: bool) -> dict[int, str]:
    axes = {0: AXIS_NAMES[0]} if dynamic_batch else {}
    if dynamic_spatial:
        axes |= {axis: AXIS_NAMES[axis] if axis < len(AXIS_NAMES) else f"axis_{axis}" for axis in range(2, rank)}
    return axes


def _export_dynamo(module: nn.Module, path: Path, example: Tensor, form: Form, free: dict[int, str]) -> None:
    program = torch.onnx.export(
        module,
        (example,),
        dynamo=True,
        optimize=form == "dynamo",
        input_names=["x"],
        output_names=["y"],
        dynamic_shapes=(free,) if free else None,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("the dynamo exporter returned no program")
    if form == "dynamo-training":
        from onnxscript import optimizer

        # not optimizer.optimize: its rewrite rules would fold the normalisations as well
        optimizer.fold_constants(program.model)
        optimizer.remove_unused_nodes(program.model)
    program.save(path, external_data=False)


def _export_legacy(module: nn.Module, path: Path, example: Tensor, form: Form, free: dict[int, str]) -> None:
    kept = form == "legacy-training"
    torch.onnx.export(
        module,
        (example,),
        path,
        dynamo=False,
        training=torch.onnx.TrainingMode.PRESERVE if kept else torch.onnx.TrainingMode.EVAL,
        do_constant_folding=not kept,
        input_names=["x"],
        output_names=["y"],
        dynamic_axes={"x": free} if free else None,
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporters: they print, log and warn about their own internals."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
