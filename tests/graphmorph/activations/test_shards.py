"""How data are cut for several workers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphmorph.activations.shards import Settings, shards_of
from graphmorph.proof.inputs import InputSpec
from graphmorph.proof.user_data import DataPart

SETTINGS = Settings(4, True, ("CPUExecutionProvider",), (), 1)
FREE = (InputSpec("x", "float32", ("N", 3)),)


@pytest.mark.parametrize(("count", "starts"), [(1, [0]), (2, [0, 8]), (3, [0, 4, 8]), (100, [0, 4, 8, 12])])
def test_shards_are_whole_batches(count: int, starts: list[int]) -> None:
    data = {"x": np.arange(39, dtype=np.float32).reshape(13, 3)}
    parts = shards_of("m", (), data, FREE, SETTINGS, count)
    assert [part.first_sample for part in parts] == starts
    assert sum(part.samples for part in parts) == 13
    np.testing.assert_array_equal(np.concatenate([part.data["x"] for part in parts]), data["x"])  # type: ignore[index,call-overload]


def test_shards_of_stacks_and_of_fixed_batches() -> None:
    stacks = shards_of("m", (), {"x": np.zeros((5, 4, 3))}, FREE, SETTINGS, 2)
    assert [(part.first_sample, part.samples) for part in stacks] == [(0, 8), (8, 12)]
    fixed = (InputSpec("x", "float32", (6, 3)),)
    rows = shards_of("m", (), {"x": np.zeros((18, 3))}, fixed, SETTINGS, 2)
    assert [(part.first_sample, part.samples) for part in rows] == [(0, 6), (6, 12)]


def test_shards_of_files_name_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", np.zeros((6, 3), np.float32))
    np.save(tmp_path / "b.npy", np.zeros((6, 3), np.float32))
    monkeypatch.chdir(tmp_path)
    (_, second) = shards_of("m", (), "a.npy", FREE, SETTINGS, 2)
    assert second.data == DataPart(str(tmp_path / "a.npy"), 4, 6)
    of_part = shards_of("m", (), DataPart("a.npy", 1, 6), FREE, SETTINGS, 2)
    assert [part.data for part in of_part] == [DataPart("a.npy", 1, 5), DataPart("a.npy", 5, 6)]
    (_, last) = shards_of("m", (), ["a.npy", "b.npy"], FREE, SETTINGS, 2)
    assert last.data == DataPart((str(tmp_path / "a.npy"), str(tmp_path / "b.npy")), 4, 12)
