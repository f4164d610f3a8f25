"""Images as a model's input: scaled, in its channels and its layout, decoded when their turn comes (needs Pillow)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphmorph.errors import UsageError
from graphmorph.proof.inputs import InputSpec
from graphmorph.proof.stored_arrays import StoredArray
from graphmorph.runtime.protocol import dtype_by_name

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))

_MODES = {1: "L", 3: "RGB"}


@dataclass(frozen=True)
class Images:
    """Image files, to be fed to a model with one input.

    A model with 3 channels is given red, green, blue; one with 1 channel is given grey (0.299 R + 0.587 G + 0.114 B).
    Where its input takes floats: bytes / 255, less `mean`, over `std`; where it takes uint8, the bytes themselves. A
    plain folder of images given as data is `Images(folder)`. Transparency and the orientation that a camera noted are
    ignored.

    Attributes:
        source: a folder (its own images and those of its folders, in the order of their paths), or files in order.
        size: (height, width) that all are resized to, bilinearly; None where all have the model's size.
        mean, std: one number for each channel, of values from 0 to 1.
    """

    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
    size: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


class ImageRows(StoredArray):
    """Images as rows of an array (N, C, H, W), or (N, H, W, C) for an input that has its channels last.

    Raises:
        UsageError: no image, an input that takes none, or Pillow is missing; in `read`, one that cannot be read, or of
            another size.
    """

    def __init__(self, images: Images, spec: InputSpec) -> None:
        self._files = image_files(images.source)
        self._require_pillow()
        self._channels, self._last = _channels(spec)
        self.dtype = dtype_by_name(spec.dtype)
        if self.dtype != np.uint8 and self.dtype.kind != "f":
            raise UsageError(f"--inputs: images can be fed as floats or uint8; {spec.name} takes {spec.dtype}")
        self._mean = self._per_channel("mean", images.mean, 0.0)
        self._std = self._per_channel("std", images.std, 1.0)
        sizes = spec.shape[1:3] if self._last else spec.shape[2:]
        self._resized = images.size
        self._size = images.size or self._size_of_the_first()
        if any(isinstance(want, int) and want != have for want, have in zip(sizes, self._size, strict=True)):
            shape = " x ".join(str(size) for size in sizes)
            raise UsageError(
                f"--inputs {self._files[0]}: images of {_by(self._size)} do not fit {spec.name}, which takes {shape}: "
                f"resize them, or ask for it: Images(..., size=({shape.replace(' x', ',')}))"
            )
        sample = (*self._size, self._channels) if self._last else (self._channels, *self._size)
        self.shape = (len(self._files), *sample)

    def read(self, start: int, stop: int) -> np.ndarray:
        taken = np.empty((stop - start, *self.shape[1:]), self.dtype)
        for index, file in enumerate(self._files[start:stop]):
            pixels = self._pixels(file)
            taken[index] = pixels if self._last else np.moveaxis(pixels, -1, 0)
        return taken

    def _pixels(self, file: Path) -> NDArray[Any]:
        """(H, W, C), scaled."""
        from PIL import Image

        try:
            with Image.open(file) as image:
                if image.mode[0] in "IF":  # "I;16", "I", "F": more than a byte, which converting would clip
                    raise UsageError(f"--inputs {file}: has more than 8 bits a channel: convert it, or give arrays")
                raw = np.asarray(self._sized(image.convert(_MODES[self._channels]), file))
        except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
            raise UsageError(f"--inputs {file}: cannot be read: {' '.join(str(error).split())}") from error
        pixels = raw.reshape(*self._size, self._channels)
        if self.dtype == np.uint8:
            return pixels
        return (pixels.astype(np.float32) / np.float32(255) - self._mean) / self._std

    def _sized(self, image: Image, file: Path) -> Image:
        from PIL.Image import Resampling

        height, width = self._size
        if self._resized is not None:
            return image.resize((width, height), Resampling.BILINEAR)
        if image.size != (width, height):
            raise UsageError(
                f"--inputs {file}: the image is {_by(image.size[::-1])}, where {_by(self._size)} is needed: resize it, "
                f"or ask for it: Images(..., size=({height}, {width}))"
            )
        return image

    def _size_of_the_first(self) -> tuple[int, int]:
        from PIL import Image

        try:
            with Image.open(self._files[0]) as image:
                width, height = image.size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise UsageError(f"--inputs {self._files[0]}: cannot be read: {error}") from error
        return height, width

    def _per_channel(self, name: str, given: tuple[float, ...] | None, default: float) -> NDArray[np.float32]:
        if given is None:
            return np.full(self._channels, default, np.float32)
        if self.dtype == np.uint8:
            raise UsageError(f"--inputs: {name} is for an input of floats, this one takes the bytes of the image")
        if len(given) != self._channels:
            raise UsageError(f"--inputs: {name} has {len(given)} numbers, the input has {self._channels} channels")
        return np.array(given, np.float32)

    @staticmethod
    def _require_pillow() -> None:
        try:
            import PIL.Image  # noqa: F401 - an optional dependency
        except ImportError as error:
            raise UsageError("--inputs: images need Pillow: pip install 'graphmorph[images]'") from error


def image_files(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    """The files of a source of `Images`.

    Raises:
        UsageError: there is none.
    """
    if not isinstance(source, str | os.PathLike):
        files = [Path(one) for one in source]
    else:
        files = sorted(path for path in Path(source).rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise UsageError(f"--inputs {source}: there is no image in it")
    return files


def _channels(spec: InputSpec) -> tuple[int, bool]:
    """How many channels an input has, and whether they come last."""
    if len(spec.shape) == 4:
        if spec.shape[1] in _MODES:
            return int(spec.shape[1]), False
        if spec.shape[3] in _MODES:
            return int(spec.shape[3]), True
    sizes = ", ".join(str(size or "?") for size in spec.shape)
    raise UsageError(f"--inputs: images fit inputs (N, C, H, W) or (N, H, W, C) of 1 or 3 channels, not ({sizes})")


def _by(size: tuple[int, ...]) -> str:
    return f"{size[0]} x {size[1]}"
