"""Images as inputs, against what Pillow decodes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graphmorph.errors import UsageError
from graphmorph.proof.images import Images
from graphmorph.proof.inputs import InputSpec
from graphmorph.proof.user_data import UserData, user_feeds

COLOUR = InputSpec("x", "float32", ("N", 3, 4, 6))
GREY = InputSpec("x", "float32", ("N", 1, 4, 6))


def stored(folder: Path, count: int = 3) -> np.ndarray:
    """Images of 4 x 6 (N, H, W, C), the last one in a folder of its own."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, 4, 6, 3), np.uint8)
    (folder / "more").mkdir()
    for index, image in enumerate(pixels):
        name = f"{index}.png" if index < count - 1 else "more/last.PNG"
        Image.fromarray(image).save(folder / name)
    (folder / "notes.txt").write_text("not an image")
    return pixels


def fed(data: UserData, spec: InputSpec) -> np.ndarray:
    return np.concatenate([feeds["x"] for feeds in user_feeds(data, [spec], 2)])


def test_red_green_blue_over_255(tmp_path: Path) -> None:
    pixels = stored(tmp_path)
    expected = np.moveaxis(pixels, -1, 1).astype(np.float32) / 255
    np.testing.assert_array_equal(fed(tmp_path, COLOUR), expected)
    np.testing.assert_array_equal(fed([tmp_path / "1.png", tmp_path / "0.png"], COLOUR), expected[[1, 0]])
    scaled = fed(Images(tmp_path, mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.5)), COLOUR)
    by_channel = (expected - np.reshape([0.5, 0.4, 0.3], (3, 1, 1))) / np.reshape([0.1, 0.2, 0.5], (3, 1, 1))
    np.testing.assert_allclose(scaled, by_channel, rtol=1e-5, atol=1e-6)


def test_channels_last_bytes_and_free_sizes(tmp_path: Path) -> None:
    pixels = stored(tmp_path)
    last = fed(tmp_path, InputSpec("x", "uint8", (1, "h", "w", 3)))
    assert last.dtype == np.uint8
    np.testing.assert_array_equal(last, pixels)
    assert fed(tmp_path, InputSpec("x", "float16", (None, 3, "h", "w"))).dtype == np.float16


def test_grey(tmp_path: Path) -> None:
    pixels = stored(tmp_path)
    expected = pixels @ np.array([0.299, 0.587, 0.114]) / 255
    np.testing.assert_allclose(fed(tmp_path, GREY)[:, 0], expected, atol=1 / 255)


def test_resizing_is_asked_for(tmp_path: Path) -> None:
    stored(tmp_path)
    larger = InputSpec("x", "float32", ("N", 3, 8, 12))
    with pytest.raises(UsageError, match=r"0.png: images of 4 x 6 do not fit x, .* 8 x 12: .* size=\(8, 12\)"):
        fed(tmp_path, larger)
    assert fed(Images(tmp_path, size=(8, 12)), larger).shape == (3, 3, 8, 12)
    Image.fromarray(np.zeros((5, 6, 3), np.uint8)).save(tmp_path / "2.png")
    with pytest.raises(UsageError, match=r"2.png: the image is 5 x 6, where 4 x 6 is needed"):
        fed(tmp_path, COLOUR)


def test_what_is_refused(tmp_path: Path) -> None:
    stored(tmp_path)
    with pytest.raises(UsageError, match="not \\(N, 3\\)"):
        fed(tmp_path, InputSpec("x", "float32", ("N", 3)))
    with pytest.raises(UsageError, match="takes int64"):
        fed(tmp_path, InputSpec("x", "int64", ("N", 3, 4, 6)))
    with pytest.raises(UsageError, match="mean has 1 numbers, the input has 3"):
        fed(Images(tmp_path, mean=(0.5,)), COLOUR)
    with pytest.raises(UsageError, match="std is for an input of floats"):
        fed(Images(tmp_path, std=(1.0, 1.0, 1.0)), InputSpec("x", "uint8", ("N", 3, 4, 6)))
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:60])
    with pytest.raises(UsageError, match=r"1.png: cannot be read"):
        fed(tmp_path, COLOUR)
    Image.fromarray(np.full((4, 6), 300, np.uint16)).save(tmp_path / "1.png")
    with pytest.raises(UsageError, match=r"1.png: has more than 8 bits"):
        fed(tmp_path, COLOUR)


def test_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(tmp_path)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(UsageError, match=r"pip install 'graphmorph\[images\]'"):
        fed(tmp_path, COLOUR)
