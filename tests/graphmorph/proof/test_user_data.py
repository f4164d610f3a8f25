"""The user's own inputs, in every form they come in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from graphmorph.errors import UsageError
from graphmorph.proof import verify
from graphmorph.proof.inputs import InputSpec
from graphmorph.proof.user_data import user_cases
from graphmorph.runtime import Runtime
from tests.graphmorph.proof.small_models import store

FREE = (InputSpec("x", "float32", ("N", 3)),)
PAIR = (InputSpec("a", "float32", (1, 3)), InputSpec("b", "int64", (1,)))


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with Runtime() as shared:
        yield shared


def shapes(data: object, specs: tuple[InputSpec, ...]) -> list[dict[str, tuple[int, ...]]]:
    return [case.shapes for case in user_cases(data, specs)]  # type: ignore[arg-type]


def test_npz_with_a_free_batch_is_run_in_parts(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.ones((150, 3), np.float32))
    assert shapes(tmp_path / "data.npz", FREE) == [{"x": (64, 3)}, {"x": (64, 3)}, {"x": (22, 3)}]


def test_one_axis_more_than_the_rank_is_the_samples() -> None:
    assert shapes({"x": np.ones((4, 2, 3), np.float32)}, FREE) == [{"x": (2, 3)}] * 4


def test_a_fixed_batch_cuts_the_rows() -> None:
    data = {"a": np.ones((5, 3)), "b": np.arange(5)}
    cases = user_cases(data, PAIR)
    assert len(cases) == 5
    assert [int(case.feeds()["b"][0]) for case in cases] == list(range(5))
    assert cases[0].feeds()["a"].dtype == np.float32


def test_folder_named_after_the_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((1, 3), np.float32))
    np.save(tmp_path / "b.npy", np.ones(1, np.int64))
    assert shapes(tmp_path, PAIR) == [{"a": (1, 3), "b": (1,)}]


def test_folder_of_samples(tmp_path: Path) -> None:
    for index in range(3):
        np.save(tmp_path / f"sample_{index}.npy", np.full((1, 3), index, np.float32))
    (case,) = user_cases(tmp_path, FREE)
    assert case.feeds()["x"][:, 0].tolist() == [0, 1, 2]


def test_iterable_of_feeds() -> None:
    data = ({"x": np.ones((size, 3), np.float32)} for size in (1, 5))
    assert shapes(data, FREE) == [{"x": (1, 3)}, {"x": (5, 3)}]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"y": np.ones((1, 3))}, "no array for input x"),
        ({"x": np.ones(3)}, "the input has rank 2"),
        ({"x": np.array([["a", "b", "c"]])}, "takes float32"),
        ([], "no sample"),
        (np.ones((1, 3)), "arrays by the names of the inputs"),
    ],
)
def test_data_that_does_not_fit(data: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        shapes(data, FREE)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 truncated")
    np.save(tmp_path / "pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "empty").mkdir()
    for name in ("bad.npz", "pickle.npy", "empty", "missing.npz"):
        with pytest.raises(UsageError, match="--inputs"):
            shapes(tmp_path / name, FREE)


def test_labels_give_the_accuracy(runtime: Runtime, tmp_path: Path) -> None:
    first = store(tmp_path, "a", "g (float[N,3] x) => (float[N,3] y) { y = Identity(x) }")
    second = store(tmp_path, "b", "g (float[N,3] x) => (float[N,3] y) { y = Neg(x) }")
    data = {"x": np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]}
    proof = verify(first, second, inputs=data, labels=[0, 1, 2, 1], runtime=runtime)
    assert proof.verdict == "different"
    assert proof.cases[0].source == "given"
    assert proof.accuracy is not None
    assert proof.accuracy["before"] == 0.75
    with pytest.raises(UsageError, match="3 labels were given for 4 rows"):
        verify(first, second, inputs=data, labels=[0, 1, 2], runtime=runtime)


def test_data_that_the_model_refuses(runtime: Runtime, tmp_path: Path) -> None:
    path = store(
        tmp_path,
        "a",
        "g (int64[N] x) => (float[N,2] y) { y = Gather(t, x) }",
        {"t": np.ones((3, 2), np.float32)},
    )
    proof = verify(path, path, inputs={"x": np.array([7])}, runtime=runtime)
    assert proof.verdict == "inconclusive"
    assert "out of" in proof.reason
