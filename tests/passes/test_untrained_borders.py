"""Borders that are written with zeros: what an untrained Diverse Branch Block exports, whose biases are zero."""

from __future__ import annotations

import pytest
import torch

import graphmorph
from graphmorph.models.diverse_branch_block import DiverseBranchBlock


@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"groups": 2}], ids=str)
def test_an_untrained_block_becomes_one_convolution(options: dict[str, int], tmp_path) -> None:
    from graphmorph.models.export import export_onnx

    module, example = DiverseBranchBlock(4, 8, 3, padding=1, **options).eval(), torch.randn(2, 4, 9, 8)
    path = export_onnx(module, tmp_path / "block.onnx", example, "legacy-training")
    report = graphmorph.fuse(path).report
    assert report.after.operators == {"Conv": 1}
    assert report.proof is not None
    assert report.proof.verdict == "equal"
    fused = graphmorph.fuse(module, example)
    assert fused.report.after.operators == {"Conv": 1}
