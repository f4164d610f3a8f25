"""Heat maps: what is drawn, and what is said when they cannot be."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from graphmorph.errors import UsageError
from graphmorph.kernels.heat_map import check_plot, draw_heat_maps

RAMP = np.linspace(0, 1, 9).reshape(3, 3)


@pytest.fixture(autouse=True)
def _text_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib as mpl

    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")


def test_titles_and_numbers_are_in_the_drawing(tmp_path: Path) -> None:
    path = tmp_path / "map.svg"
    draw_heat_maps([("normal", RAMP), ("ACNet", RAMP[::-1])], path)
    text = path.read_text()
    assert text.count(">0.375<") == 2
    assert ">normal<" in text
    assert ">ACNet<" in text


def test_numbers_are_left_out_where_they_would_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "map.svg"
    draw_heat_maps([("11 x 11", np.full((11, 11), 0.375))], path)
    assert ">0.375<" not in path.read_text()


def test_a_picture_is_dark_where_the_weight_is(tmp_path: Path) -> None:
    from matplotlib.image import imread

    path = tmp_path / "map.PNG"
    draw_heat_maps([("", np.diag([1.0, 0.0, 1.0]))], path)
    image = imread(path)[..., :3].mean(axis=2)
    height, width = image.shape
    dark = image[int(0.22 * height), int(0.22 * width)]
    light = image[int(0.22 * height), int(0.78 * width)]
    assert dark < 0.4
    assert light > 0.9


def test_other_endings_are_refused() -> None:
    with pytest.raises(UsageError, match=r"the plot map.pdf must end in .png or .svg"):
        check_plot("map.pdf")


def test_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no square kernel to draw"):
        draw_heat_maps([], tmp_path / "map.png")


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"plots need matplotlib: pip install 'graphmorph\[report\]'"):
        check_plot("map.png")
