"""Calibration data: what a change is measured on, and iterators that cannot be read twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphmorph.errors import UsageError
from graphmorph.layer_insertion.calibration import MEASURED, calibration_of, measured_part
from graphmorph.proof.inputs import InputSpec
from graphmorph.proof.user_data import DataPart, user_feeds

SPECS = [InputSpec("x", "float32", ("n", 2))]
MANY = np.arange(2 * (MEASURED + 100), dtype=np.float32).reshape(-1, 2)


def rows(data: object) -> np.ndarray:
    return np.concatenate([feeds["x"] for feeds in user_feeds(data, SPECS)])  # type: ignore[arg-type]


def test_arrays_and_files_are_measured_on_their_first_samples(tmp_path: Path) -> None:
    np.savez(tmp_path / "many.npz", x=MANY)
    for data in ({"x": MANY}, tmp_path / "many.npz", DataPart(tmp_path / "many.npz", 0, len(MANY))):
        np.testing.assert_array_equal(rows(measured_part(data)), MANY[:MEASURED])
    part = measured_part(DataPart(tmp_path / "many.npz", 7, 9))
    np.testing.assert_array_equal(rows(part), MANY[7:9])


def test_fewer_samples_than_that_are_all_measured_on(tmp_path: Path) -> None:
    np.savez(tmp_path / "few.npz", x=MANY[:5])
    np.testing.assert_array_equal(rows(measured_part(tmp_path / "few.npz")), MANY[:5])


def test_iterables_are_left_for_the_capture() -> None:
    assert measured_part([{"x": MANY}]) is None
    assert measured_part(None) is None


def test_an_iterator_is_read_once() -> None:
    data = calibration_of(iter([{"x": MANY[:2]}]))
    assert len(list(data)) == 1
    with pytest.raises(UsageError, match="have to be read more than once: give a list"):
        iter(data)
