"""Similarity and distribution of channels, and sums in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.activations.channel_similarity import ChannelSimilarity
from graphmorph.activations.histogram import Histogram
from graphmorph.activations.moments import CrossMoments, Moments
from graphmorph.activations.storage import load_sums, save_sums
from graphmorph.errors import UsageError

batches = st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3), min_size=1, max_size=12)


def test_similarity_is_the_mean_cosine_of_maps() -> None:
    rng = np.random.default_rng(0)
    maps = rng.standard_normal((5, 4, 3, 2))
    maps[2, 1] = 0
    similarity, rest = ChannelSimilarity(4), ChannelSimilarity(4)
    similarity.update(maps[:2])
    rest.update(maps[2:])
    similarity.merge(rest)
    expected = np.zeros((4, 4))
    for sample in maps.reshape(5, 4, 6):
        for i in range(4):
            for j in range(4):
                lengths = np.linalg.norm(sample[i]) * np.linalg.norm(sample[j])
                expected[i, j] += sample[i] @ sample[j] / lengths / 5 if lengths else 0
    np.testing.assert_allclose(similarity.mean, expected, atol=1e-12)
    assert similarity.mean[1, 1] == pytest.approx(0.8)


def test_similarity_of_tokens() -> None:
    tokens = np.random.default_rng(0).standard_normal((2, 5, 3))
    last, second = ChannelSimilarity(3, axis=-1), ChannelSimilarity(3)
    last.update(tokens)
    second.update(tokens.transpose(0, 2, 1))
    np.testing.assert_allclose(last.mean, second.mean)


@given(batches, st.integers(0, 12))
def test_histogram_does_not_depend_on_the_order(numbers: list[list[float]], split: int) -> None:
    rows = np.array(numbers)
    whole, first, second = (Histogram(3, bins=8) for _ in range(3))
    whole.update(rows)
    for row in rows[:split]:
        first.update(row[None])
    second.update(rows[split:])
    second.merge(first)
    assert second.edges.tolist() == whole.edges.tolist()
    assert second.counts.tolist() == whole.counts.tolist()


@given(batches)
def test_histogram_is_numpys(numbers: list[list[float]]) -> None:
    rows = np.array(numbers)
    histogram = Histogram(3, bins=8)
    histogram.update(rows)
    assert np.abs(rows).max() < histogram.edges[-1]
    assert histogram.edges[4] == 0
    for channel in range(3):
        assert histogram.counts[channel].tolist() == np.histogram(rows[:, channel], histogram.edges)[0].tolist()
    np.testing.assert_allclose(histogram.distribution.sum(axis=1), 1)


def test_bins_are_no_wider_than_needed() -> None:
    histogram = Histogram(1, bins=8)
    histogram.update(np.array([[3.0]]))
    assert histogram.edges.tolist() == [-4, -3, -2, -1, 0, 1, 2, 3, 4]
    assert Histogram(2).distribution.max() == 0


def test_sums_come_back_from_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    activation = rng.standard_normal((4, 3))
    sums = {"/a/b": Moments(3), "plain": Moments(3, gram=False), "pair": CrossMoments(3, 3)}
    sums["/a/b"].update(activation)
    sums["plain"].update(activation)
    sums["pair"].update(activation, activation)
    channels = {"similar": ChannelSimilarity(3, axis=-1), "spread": Histogram(3, bins=6)}
    for one in channels.values():
        one.update(activation)
    save_sums(tmp_path / "sums", {**sums, **channels})
    loaded = load_sums(tmp_path / "sums")
    assert list(loaded) == ["/a/b", "plain", "pair", "similar", "spread"]
    for name, one in {**sums, **channels}.items():
        assert type(loaded[name]) is type(one)
        assert loaded[name].arrays().keys() == one.arrays().keys()
        for field, array in one.arrays().items():
            assert loaded[name].arrays()[field].tolist() == array.tolist(), (name, field)
    loaded["similar"].update(activation)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"text"])
def test_files_that_hold_no_sums(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "sums.npz").write_bytes(content)
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    for name in ("sums.npz", "other.npz", "missing.npz"):
        with pytest.raises(UsageError, match="no file of sums"):
            load_sums(tmp_path / name)


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="even number of bins"):
        Histogram(3, bins=5)
    with pytest.raises(UsageError, match="do not add up"):
        Histogram(3).merge(Histogram(4))
    with pytest.raises(UsageError, match="do not add up"):
        ChannelSimilarity(3).merge(ChannelSimilarity(4))
    with pytest.raises(UsageError, match="no samples"):
        _ = ChannelSimilarity(3).mean
    for one in (Histogram(3), ChannelSimilarity(3)):
        with pytest.raises(UsageError, match="NaN"):
            one.update(np.full((1, 3), np.nan))
