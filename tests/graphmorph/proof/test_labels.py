"""`--labels`: an array of the samples' own file, or a file; anything else is one clear complaint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphmorph.errors import UsageError
from graphmorph.proof.labels import read_labels

LABELS = np.array([3, 1, 4, 1])


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    file = tmp_path / "samples.npz"
    np.savez(file, x=np.zeros((4, 1, 8, 8), np.float32), labels=LABELS)
    return file


def test_none_asked_for() -> None:
    assert read_labels(None, None) is None


def test_an_array_of_the_samples_file(samples: Path) -> None:
    np.testing.assert_array_equal(read_labels("labels", samples), LABELS)


def test_a_file_of_their_own(samples: Path, tmp_path: Path) -> None:
    file = tmp_path / "classes.npy"
    np.save(file, LABELS)
    np.testing.assert_array_equal(read_labels(str(file), samples), LABELS)
    np.testing.assert_array_equal(read_labels(str(file), tmp_path), LABELS)


def test_without_inputs() -> None:
    with pytest.raises(UsageError, match="--labels need the samples"):
        read_labels("labels", None)


def test_no_such_array(samples: Path) -> None:
    with pytest.raises(UsageError, match=r"--labels y: .* has no such array, only x, labels"):
        read_labels("y", samples)


def test_no_such_file(samples: Path) -> None:
    with pytest.raises(UsageError, match=r"--labels missing\.npy: cannot be read"):
        read_labels("missing.npy", samples)


def test_not_one_class_a_sample(samples: Path) -> None:
    with pytest.raises(UsageError, match=r"one whole number a sample is wanted, not float32 \(4, 1, 8, 8\)"):
        read_labels("x", samples)


def test_a_file_that_is_no_array(tmp_path: Path) -> None:
    file = tmp_path / "samples.npz"
    file.write_bytes(b"no array")
    with pytest.raises(UsageError, match="cannot be read"):
        read_labels("labels", file)
