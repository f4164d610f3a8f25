"""The picture that `prune --picture` draws."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from graphmorph.cli.width_chart import draw_widths
from graphmorph.pruning.report import GroupReport


def drawn(groups: int, path: Path) -> str:
    draw_widths([GroupReport(f"/stage{number}/conv", 8, 2, 3, None) for number in range(groups)], path)
    return path.read_text()


def test_every_group_has_its_name_and_widths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")  # text stays text
    text = drawn(3, tmp_path / "widths.svg")
    for number in range(3):
        assert f"/stage{number}/conv" in text
    assert text.count("10 / 16") >= 3
    assert "before" in text
    assert "after" in text


def test_long_names_keep_their_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    draw_widths([GroupReport("/stages" * 20 + "/conv2/Conv", 8, 1, 3, None)], tmp_path / "widths.svg")
    text = (tmp_path / "widths.svg").read_text()
    assert "/stages/conv2/Conv" in text
    assert "/stages" * 20 not in text


def test_more_groups_make_a_taller_picture(tmp_path: Path) -> None:
    heights = []
    for groups in (2, 100):
        path = tmp_path / f"{groups}.png"
        draw_widths([GroupReport(f"layer{number}", 64, 1, 32, None) for number in range(groups)], path)
        heights.append(struct.unpack(">I", path.read_bytes()[20:24])[0])
    assert heights[0] < 400
    assert heights[1] > 2000
