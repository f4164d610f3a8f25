"""`graphmorph.channel_groups`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import graphmorph
from graphmorph.errors import UsageError
from tests.graphmorph.pruning.small_models import residual_file, residual_module


def test_groups_of_a_file(tmp_path: Path) -> None:
    found = graphmorph.channel_groups(residual_file(tmp_path))
    (residual, inner) = found.groups
    assert (residual.name, residual.units, inner.name, inner.units) == ("a", 16, "c", 24)
    # One inner channel: a filter of 16 x 3 x 3, its bias, and a column of 16.
    assert inner.parameters == 16 * 9 + 1 + 16
    assert inner.multiply_adds == 64 * (16 * 9 + 16)
    assert residual.parameters == (3 * 9 + 1) + 24 * 9 + (24 + 1) + 5
    touched = {(one.constant, one.axis): one.indices[3] for one in residual.members}
    assert touched == {("w0", 0): [3], ("b0", 0): [3], ("w1", 1): [3], ("w2", 0): [3], ("b2", 0): [3], ("w3", 1): [3]}
    (wall,) = found.walls
    assert (wall.node, wall.channels) == ("y", 5)
    json.dumps(found.to_json())


def test_groups_of_a_module_are_those_of_its_file(tmp_path: Path) -> None:
    module = residual_module()
    graphmorph.export(module, tmp_path / "m.onnx", torch.zeros(1, 3, 8, 8))
    of_file = graphmorph.channel_groups(tmp_path / "m.onnx")
    of_module = graphmorph.channel_groups(module, torch.zeros(1, 3, 8, 8))
    assert [(g.units, g.width) for g in of_module.groups] == [(g.units, g.width) for g in of_file.groups]


def test_savings_add_up_to_what_pruning_reports(tmp_path: Path) -> None:
    path = residual_file(tmp_path)
    found = graphmorph.channel_groups(path)
    report = graphmorph.prune(path, ratio=1 / 16, round_to=1, latency=False, keep=["c"]).report
    assert report.cost_before.parameters == found.parameters
    alone = graphmorph.prune(path, ratio=1 / 24, round_to=1, latency=False).report  # one inner channel, none of 16
    assert report.cost_before.parameters - alone.cost_after.parameters == found.groups[1].parameters


def test_example_inputs_are_for_modules(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="for torch modules"):
        graphmorph.channel_groups(residual_file(tmp_path), torch.zeros(1))
