"""The ACNet experiment on MNIST: its reader, its statistics, and one trial in the small."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks import mnist
from benchmarks.acnet_curves import CURVES, RATIOS, pruning_curves
from benchmarks.acnet_summary import lines, paired, summarise
from benchmarks.acnet_trial import Schedule, baseline, run_trial
from benchmarks.mnist import DataError, Part

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
LABELS = np.arange(40, dtype=np.uint8) % 10


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, count in (("train", 40), ("t10k", 20)):
        (tmp_path / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(PIXELS[:count])))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(idx(LABELS[:count]))
    return tmp_path


def test_images_and_labels(source: Path) -> None:
    part = mnist.training_part(source)
    assert part.images.shape == (40, 1, 28, 28)
    assert part.images.dtype == np.float32
    np.testing.assert_allclose(part.images[3, 0] * 0.3081 + 0.1307, PIXELS[3] / 255, atol=1e-6)
    assert part.labels.tolist() == LABELS.tolist()
    assert len(mnist.test_part(source).labels) == 20


def test_where_the_files_are(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHMORPH_DATA", str(source))
    assert mnist.folder() == source
    inside = tmp_path / "data" / "mnist"
    inside.mkdir(parents=True)
    for file in source.glob("*ubyte*"):
        file.rename(inside / file.name)
    monkeypatch.setenv("GRAPHMORPH_DATA", str(inside.parent))
    assert mnist.folder() == inside
    monkeypatch.setenv("GRAPHMORPH_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"no MNIST in .*nowhere.*: set GRAPHMORPH_DATA to a folder with train-images"):
        mnist.folder()


def test_damaged_files(source: Path) -> None:
    images, labels = source / "t10k-images-idx3-ubyte.gz", source / "t10k-labels-idx1-ubyte"
    whole = images.read_bytes()
    for damaged, message in (
        (whole[:-100], "is damaged"),
        (gzip.compress(idx(PIXELS[:20])[:-1]), "has 15679 bytes for 20 x 28 x 28 elements"),
        (gzip.compress(idx(LABELS)), "is no IDX file of unsigned bytes in 3 dimensions"),
        (gzip.compress(b"\0"), "is damaged"),
    ):
        images.write_bytes(damaged)
        with pytest.raises(DataError, match=message):
            mnist.test_part(source)
    images.write_bytes(whole)
    labels.write_bytes(idx(LABELS[:19]))
    with pytest.raises(DataError, match="20 t10k images, but 19 labels"):
        mnist.test_part(source)
    labels.unlink()
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz is missing"):
        mnist.test_part(source)


def test_the_interval_is_that_of_the_paired_test() -> None:
    before, after = np.array([0.97, 0.972, 0.968, 0.975]), np.array([0.973, 0.971, 0.974, 0.979])
    found = paired((after - before).tolist())
    test = stats.ttest_rel(after, before)
    low, high = test.confidence_interval(0.95)
    np.testing.assert_allclose(found["interval"], [low, high])
    assert found["p_value"] == pytest.approx(test.pvalue)
    assert found["std"] == pytest.approx((after - before).std(ddof=1))


def test_one_trial_or_equal_ones_give_no_interval() -> None:
    assert paired([0.01]) == {"mean": 0.01, "std": None, "interval": None, "p_value": None}
    assert paired([0.25, 0.25])["interval"] is None


def test_a_trial_in_the_small(source: Path) -> None:
    schedule = Schedule(width=2, samples=32, epochs=1, batch=16)
    trials = [run_trial(seed, schedule, source, 0) for seed in (0, 1)]
    for trial in trials:
        plain, acnet = trial["baseline"], trial["acnet"]
        assert (plain["convolutions"], acnet["convolutions"]) == (6, 18)
        assert plain["convolutions_fused"] == acnet["convolutions_fused"] == 6
        assert plain["parameters_fused"] == acnet["parameters_fused"]
        for network in (plain, acnet):
            assert network["disagreements"] == 0
            assert network["largest_difference"] < 1e-5
            assert np.shape(network["kernels"]) == (3, 3)
        assert np.max(acnet["kernels"]) <= 1
    summary = summarise(trials)
    assert summary["acnet"]["decisions"] == 40
    mean = np.mean([trial["acnet"]["accuracy"] for trial in trials])
    assert summary["acnet"]["accuracy"]["mean"] == pytest.approx(mean)
    assert "fusion changed 0 of 40 decisions" in next(iter(lines(summary)))


def test_curves_start_at_the_unpruned_network() -> None:
    part = Part(np.random.default_rng(1).normal(size=(8, 1, 28, 28)).astype(np.float32), np.arange(8))
    curves = pruning_curves(baseline(1).eval(), part, 1)
    assert list(curves) == list(CURVES)
    assert all(np.shape(rows) == (len(RATIOS), 1) for rows in curves.values())
    assert len({rows[0][0] for rows in curves.values()}) == 1
    assert pruning_curves(baseline(1), part, 0) == {}
