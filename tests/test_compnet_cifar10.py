"""CIFAR-10 from a local copy: the binary version, folders of images, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import cifar10
from benchmarks.mnist import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
LABELS = np.array([3, 1, 9, 0, 2, 5, 4, 7, 8, 6, 0, 9], np.uint8)


def records(first: int, last: int) -> bytes:
    return b"".join(bytes([LABELS[at]]) + PIXELS[at].tobytes() for at in range(first, last))


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    for number in range(5):
        (tmp_path / f"data_batch_{number + 1}.bin").write_bytes(records(2 * number, 2 * number + 2))
    (tmp_path / "test_batch.bin").write_bytes(records(10, 12))
    return tmp_path


def test_the_binary_version(binary: Path) -> None:
    training, test = cifar10.training_part(binary), cifar10.test_part(binary)
    assert training.images.shape == (10, 3, 32, 32)
    assert training.images.dtype == np.float32
    assert training.labels.tolist() == LABELS[:10].tolist()
    assert test.labels.tolist() == [0, 9]
    for colour, (mean, deviation) in enumerate(zip(cifar10.MEANS, cifar10.DEVIATIONS, strict=True)):
        pixels = training.images[:, colour] * deviation + mean
        np.testing.assert_allclose(pixels, PIXELS[:10, colour] / 255, atol=1e-6)


def test_folders_of_images_give_the_same(binary: Path, tmp_path: Path) -> None:
    folders = tmp_path / "images"
    for part, numbers in (("train", range(10)), ("test", (10, 11))):
        for label in range(10):
            (folders / part / f"class_{label}").mkdir(parents=True)
        for at in numbers:
            path = folders / part / f"class_{LABELS[at]}" / f"{at}.png"
            Image.fromarray(PIXELS[at].transpose(1, 2, 0)).save(path)
    one, two = cifar10.training_part(binary), cifar10.training_part(folders)
    assert two.labels.tolist() == list(range(10))
    np.testing.assert_array_equal(one.images[np.argsort(one.labels)], two.images)
    assert cifar10.test_part(folders).labels.tolist() == [0, 9]


def test_damaged_or_missing_files(binary: Path) -> None:
    path = binary / "data_batch_4.bin"
    path.write_bytes(records(0, 2)[:-1])
    with pytest.raises(DataError, match=r"data_batch_4\.bin: 6145 bytes are no whole records of 3073"):
        cifar10.training_part(binary)
    path.write_bytes(bytes([10]) + PIXELS[0].tobytes())
    with pytest.raises(DataError, match="a label is 10, above 9"):
        cifar10.training_part(binary)
    path.unlink()
    with pytest.raises(DataError, match=r"data_batch_4\.bin is missing"):
        cifar10.training_part(binary)


def test_pickles_are_refused_and_nothing_is_said_to_be_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no CIFAR-10 in .*: it has neither data_batch_1\.bin nor a folder train"):
        cifar10.training_part(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x02.")
    with pytest.raises(DataError, match=r"pickled: take the binary version, with data_batch_1\.bin"):
        cifar10.training_part(tmp_path)


def test_images_of_another_size_or_number_of_classes(tmp_path: Path) -> None:
    for label in range(9):
        (tmp_path / "test" / str(label)).mkdir(parents=True)
    with pytest.raises(DataError, match="has 9 folders: CIFAR-10 has 10 classes"):
        cifar10.test_part(tmp_path)
    (tmp_path / "test" / "9").mkdir()
    with pytest.raises(DataError, match=r"no \.png files"):
        cifar10.test_part(tmp_path)
    Image.new("RGB", (28, 32)).save(tmp_path / "test" / "9" / "a.png")
    with pytest.raises(DataError, match=r"a\.png: is 28 x 32, not 32 x 32"):
        cifar10.test_part(tmp_path)
    (tmp_path / "test" / "9" / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"a\.png: is damaged"):
        cifar10.test_part(tmp_path)
