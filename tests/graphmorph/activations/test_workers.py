"""Two workers give the sums of one, on every engine, also where a worker dies on the way."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphmorph.activations.capture_sums import capture_sums
from graphmorph.activations.rows import ChannelRows, PatchRows
from graphmorph.activations.shards import Shard
from graphmorph.activations.watches import SumsByTensor, Tensors
from graphmorph.activations.workers import Executor, LocalWorkers
from graphmorph.errors import ModelRunError, RuntimeCrashError, UsageError
from graphmorph.proof.images import Images
from tests.graphmorph.activations.sums import assert_same
from tests.graphmorph.proof.small_models import convnet, store

WANTED: Tensors = {"r1": ChannelRows(), ("r1", "y"): (PatchRows((3, 3), pads=(1, 1, 1, 1)), ChannelRows())}


def stored(folder: Path, count: int = 37) -> tuple[Path, Path]:
    """A model, and a file of data for it."""
    x = np.random.default_rng(0).standard_normal((count, 3, 8, 6)).astype(np.float32)
    np.savez_compressed(folder / "data.npz", x=x)
    return convnet(folder), folder / "data.npz"


def dying(function: Callable[[Any], Any], marks: str, shard: Shard) -> Any:
    """Does the work, and dies before it is handed over, if it is the first to come to the third shard."""
    made = function(shard)
    if shard.first_sample == 8:
        try:
            Path(marks, "died").touch(exist_ok=False)
        except FileExistsError:
            return made
        os.kill(os.getpid(), signal.SIGKILL)
    return made


class Dying:
    """An engine, one worker of which dies."""

    def __init__(self, engine: Executor, marks: Path) -> None:
        self._engine, self._marks = engine, marks

    def map(self, function: Callable[[Any], Any], shards: Iterable[Any]) -> Iterable[Any]:
        return self._engine.map(partial(dying, function, str(self._marks)), shards)


@pytest.fixture(scope="module")
def dask_engine() -> Iterator[Executor]:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:
        yield client.get_executor()


@pytest.fixture(params=["joblib", "concurrent.futures"])
def engine(request: pytest.FixtureRequest) -> Iterator[Executor]:
    if request.param == "joblib":
        yield LocalWorkers(2)
        return
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


def one_by_one(path: Path, data: Path) -> SumsByTensor:
    return capture_sums(path, WANTED, data, positions=7, seed=3, batch=4)


def test_two_workers_give_the_sums_of_one(tmp_path: Path, engine: Executor) -> None:
    path, data = stored(tmp_path)
    seen: list[tuple[int, int | None]] = []
    found = capture_sums(
        path,
        WANTED,
        data,
        positions=7,
        seed=3,
        batch=4,
        executor=engine,
        shards=4,
        progress=lambda *step: seen.append(step),
    )
    assert_same(found, one_by_one(path, data))
    assert seen == [(8, 37), (20, 37), (28, 37), (37, 37)]
    x = np.load(data)["x"]
    in_memory = capture_sums(path, ["r1"], {"x": x}, executor=engine, shards=2, batch=8)
    assert in_memory["r1"].count == 37 * 48  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["joblib", "dask"])
def test_a_worker_that_dies_is_replaced_and_nothing_counts_twice(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    path, data = stored(tmp_path)
    inner: Executor = LocalWorkers(2) if kind == "joblib" else request.getfixturevalue("dask_engine")
    engine = Dying(inner, tmp_path)
    found = capture_sums(path, WANTED, data, positions=7, seed=3, batch=4, executor=engine, shards=10)
    assert (tmp_path / "died").exists()
    assert_same(found, one_by_one(path, data))


def always_dying(shard: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_workers_that_keep_dying_end_the_run() -> None:
    with pytest.raises(RuntimeCrashError, match="3 worker processes died"):
        list(LocalWorkers(2).map(always_dying, [1, 2]))


def test_without_joblib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, data = stored(tmp_path, 4)
    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(UsageError, match=r"pip install 'graphmorph\[distributed\]'"):
        capture_sums(path, WANTED, data, workers=2)


def test_an_error_in_a_worker_is_the_users(tmp_path: Path) -> None:
    path = convnet(tmp_path)
    with pytest.raises(ModelRunError):
        capture_sums(path, ["y"], {"x": np.ones((4, 5, 8, 6), np.float32)}, workers=2)
    with pytest.raises(UsageError, match="no tensor nowhere"):
        capture_sums(path, ["nowhere"], {"x": np.ones((4, 3, 8, 6), np.float32)}, workers=2)


def test_an_engine_that_gives_promises_is_refused(tmp_path: Path) -> None:
    class Promising:
        def map(self, function: Callable[[Any], Any], shards: Iterable[Any]) -> list[object]:
            return [object() for _ in shards]

    path, data = stored(tmp_path, 4)
    with pytest.raises(UsageError, match=r"client\.get_executor"):
        capture_sums(path, WANTED, data, executor=Promising())


def test_images_are_shared_between_workers(tmp_path: Path) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (9, 4, 6, 3), np.uint8)
    (tmp_path / "images").mkdir()
    for index, one in enumerate(pixels):
        Image.fromarray(one).save(tmp_path / "images" / f"{index}.png")
    path = store(tmp_path, "relu", "g (float[N,3,4,6] x) => (float[N,3,4,6] y) { y = Relu(x) }")
    data = Images(tmp_path / "images", mean=(0.5, 0.5, 0.5))
    assert_same(capture_sums(path, ["y"], data, workers=2, batch=2), capture_sums(path, ["y"], data, batch=2))
