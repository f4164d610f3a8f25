"""CIFAR-10 as arrays, from a local copy, in one of two forms.

The binary version (cifar-10-binary.tar.gz, unpacked): data_batch_1.bin to data_batch_5.bin and test_batch.bin, whose
records are one byte of label, then 3,072 bytes of pixels: 32 x 32 of red, of green, of blue, row by row. Or folders of
images: train/CLASS/*.png and test/CLASS/*.png, the classes being numbered in the order of their names. The Python
version is pickled, and a pickle can run anything when it is read, so it is refused.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.mnist import DataError, Part

SHAPE = (3, 32, 32)
#: Mean and standard deviation of the training pixels of each colour, as fractions of 255.
MEANS, DEVIATIONS = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
_RECORD = 1 + 3 * 32 * 32
_TRAINING = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_TEST = ("test_batch.bin",)


def training_part(source: Path) -> Part:
    """The 50,000 training images, normalised.

    Raises:
        DataError: files are missing or damaged.
    """
    return _part(source, _TRAINING, "train")


def test_part(source: Path) -> Part:
    """The 10,000 test images, normalised.

    Raises:
        DataError: files are missing or damaged.
    """
    return _part(source, _TEST, "test")


def _part(source: Path, files: tuple[str, ...], folder: str) -> Part:
    if (source / files[0]).is_file():
        records = [_records(source / name) for name in files]
        pixels, labels = (np.concatenate(arrays) for arrays in zip(*records, strict=True))
    elif (source / folder).is_dir():
        pixels, labels = _images(source / folder)
    elif (source / files[0]).with_suffix("").is_file():
        raise DataError(
            f"{source} holds the Python version of CIFAR-10, which is pickled: take the binary version, with {files[0]}"
        )
    else:
        raise DataError(
            f"no CIFAR-10 in {source}: it has neither {files[0]} nor a folder {folder} with one for each class"
        )
    scale = np.array(DEVIATIONS, np.float32).reshape(3, 1, 1)
    images = (pixels.astype(np.float32) / 255 - np.array(MEANS, np.float32).reshape(3, 1, 1)) / scale
    return Part(images.astype(np.float32), labels.astype(np.int64))


def _records(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pixels (records, 3, 32, 32) and labels (records,)."""
    if not path.is_file():
        raise DataError(f"{path} is missing")
    data = np.frombuffer(path.read_bytes(), np.uint8)
    if not data.size or data.size % _RECORD:
        raise DataError(f"{path}: {data.size} bytes are no whole records of {_RECORD}")
    records = data.reshape(-1, _RECORD)
    if records[:, 0].max() > 9:
        raise DataError(f"{path}: a label is {records[:, 0].max()}, above 9")
    return records[:, 1:].reshape(-1, *SHAPE), records[:, 0]


def _images(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pixels (images, 3, 32, 32) and labels (images,), class by class."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    if len(classes) != 10:
        raise DataError(f"{folder} has {len(classes)} folders: CIFAR-10 has 10 classes, each with a folder of its own")
    found = [(path, label) for label, one in enumerate(classes) for path in sorted(one.glob("*.png"))]
    if not found:
        raise DataError(f"{folder}: no .png files in the folders of the classes")
    return np.stack([_pixels(path) for path, _ in found]), np.array([label for _, label in found], np.uint8)


def _pixels(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"), np.uint8).transpose(2, 0, 1)
    except OSError as error:
        raise DataError(f"{path}: is damaged: {error}") from error
    if pixels.shape != SHAPE:
        raise DataError(f"{path}: is {pixels.shape[2]} x {pixels.shape[1]}, not 32 x 32")
    return pixels
