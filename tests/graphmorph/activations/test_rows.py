"""Rows of tensors against torch's unfold, and sampling that does not depend on batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import graphmorph.activations.rows as rows_module
from graphmorph.activations.moments import CrossMoments, Moments
from graphmorph.activations.row_stream import RowStream
from graphmorph.activations.rows import ChannelRows, PatchRows, RowMaker, Sampling, all_rows, sampled_rows
from graphmorph.errors import UsageError

seeds = st.integers(0, 2**32 - 1)


def every_row(maker: RowMaker, activation: np.ndarray) -> np.ndarray:
    return np.concatenate([rows for (rows,) in all_rows([maker.view(activation)], [maker])])


@pytest.mark.parametrize(
    ("shape", "axis"), [((4, 3), 1), ((2, 3, 5, 4), 1), ((2, 7, 3), -1), ((2, 5, 4, 3), 3), ((3, 5), 0), ((3,), 0)]
)
@pytest.mark.parametrize("block", [1, 20, 1 << 20])
def test_channel_rows(shape: tuple[int, ...], axis: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "_BLOCK", block)
    activation = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    found = every_row(ChannelRows(axis), activation)
    assert found.dtype == np.float64
    assert found.tolist() == np.moveaxis(activation, axis, -1).reshape(-1, 3).tolist()


@given(
    seeds,
    st.tuples(*[st.integers(1, 3)] * 2),
    st.tuples(*[st.integers(1, 3)] * 2),
    st.tuples(*[st.integers(0, 2)] * 2),
    st.tuples(*[st.integers(1, 2)] * 2),
)
def test_patches_are_torchs_unfold(
    seed: int, kernel: tuple[int, int], strides: tuple[int, int], pads: tuple[int, int], dilations: tuple[int, int]
) -> None:
    activation = np.random.default_rng(seed).standard_normal((2, 3, 6, 7))
    maker = PatchRows(kernel, strides, (*pads, *pads), dilations)
    unfolded = torch.nn.functional.unfold(torch.from_numpy(activation), kernel, dilations, pads, strides)
    expected = unfolded.numpy().transpose(0, 2, 1).reshape(-1, 3 * kernel[0] * kernel[1])
    assert every_row(maker, activation).tolist() == expected.tolist()


def test_patches_times_a_weight_are_the_convolution() -> None:
    """One dimension, uneven pads, and one group of two."""
    rng = np.random.default_rng(0)
    activation, weight = rng.standard_normal((2, 4, 9)), rng.standard_normal((6, 2, 3))
    padded = torch.nn.functional.pad(torch.from_numpy(activation), (2, 1))
    expected = torch.nn.functional.conv1d(padded, torch.from_numpy(weight), stride=2, groups=2).numpy()
    for group in (0, 1):
        maker = PatchRows((3,), (2,), (2, 1), channels=(2 * group, 2 * group + 2))
        found = every_row(maker, activation) @ weight[3 * group : 3 * group + 3].reshape(3, -1).T
        np.testing.assert_allclose(found, expected[:, 3 * group : 3 * group + 3].transpose(0, 2, 1).reshape(-1, 3))


def test_sampled_rows_are_rows_of_the_sample() -> None:
    activation = np.arange(2 * 3 * 4 * 5, dtype=np.float64).reshape(2, 3, 4, 5)
    maker, sampling = ChannelRows(), Sampling(6, seed=3)
    (rows,) = next(iter(sampled_rows([maker.view(activation)], [maker], sampling, 0)))
    everything = every_row(maker, activation)
    expected = np.concatenate([sampling.positions(0, 20), 20 + sampling.positions(1, 20)])
    assert rows.tolist() == everything[expected].tolist()
    assert len(np.unique(expected)) == 12
    assert sampling.positions(0, 20).tolist() != sampling.positions(1, 20).tolist()


def test_few_positions_are_all_taken() -> None:
    assert Sampling(6).positions(0, 4).tolist() == [0, 1, 2, 3]
    stream = RowStream(Moments(3), sampling=Sampling(2))
    stream.update(np.ones((4, 3)))
    assert stream.sums.count == 4


@given(st.lists(st.integers(1, 7), min_size=1, max_size=3), st.integers(1, 12))
def test_sampling_does_not_depend_on_batches(sizes: list[int], count: int) -> None:
    activation = np.random.default_rng(0).standard_normal((sum(sizes), 3, 4, 2))
    whole = RowStream(Moments(3), sampling=Sampling(count, seed=1))
    whole.update(activation)
    start, workers = 0, Moments(3)
    one_by_one = RowStream(Moments(3), sampling=Sampling(count, seed=1))
    for size in sizes:
        one_by_one.update(activation[start : start + size])
        part = RowStream(Moments(3), sampling=Sampling(count, seed=1), first_sample=start)
        part.update(activation[start : start + size])
        workers.merge(part.sums)
        start += size
    np.testing.assert_allclose(workers.gram, whole.sums.gram, atol=1e-12)
    np.testing.assert_allclose(one_by_one.sums.gram, whole.sums.gram, atol=1e-12)
    assert whole.sums.count == sum(sizes) * min(count, 8)


@pytest.mark.parametrize("sampling", [None, Sampling(5, seed=2)])
def test_a_convolutions_inputs_and_outputs_are_paired(sampling: Sampling | None) -> None:
    """Least squares on the pairs gives the convolution's own weight."""
    rng = np.random.default_rng(0)
    activation, weight = rng.standard_normal((40, 2, 6, 5)), rng.standard_normal((3, 2, 3, 3))
    options = {"stride": 2, "padding": 1}
    output = torch.nn.functional.conv2d(torch.from_numpy(activation), torch.from_numpy(weight), **options).numpy()
    sums = CrossMoments(18, 3)
    stream = RowStream(sums, (PatchRows((3, 3), (2, 2), (1, 1, 1, 1)), ChannelRows()), sampling=sampling)
    for start in range(0, 40, 7):
        stream.update(activation[start : start + 7], output[start : start + 7])
    found = np.linalg.solve(sums.inputs.gram, sums.cross)
    np.testing.assert_allclose(found.T, weight.reshape(3, -1), atol=1e-9)


def test_tensors_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match="no axis 2"):
        ChannelRows(2).view(np.ones((2, 3)))
    with pytest.raises(UsageError, match="does not fit an activation"):
        PatchRows((3, 3)).view(np.ones((2, 3, 4)))
    with pytest.raises(UsageError, match="larger than the activation"):
        PatchRows((3, 3)).view(np.ones((2, 3, 4, 2)))
    with pytest.raises(UsageError, match="rows of 1 tensors, not of 2"):
        RowStream(Moments(3), (ChannelRows(), ChannelRows()))
    with pytest.raises(UsageError, match="positions differ"):
        RowStream(CrossMoments(3, 3), (ChannelRows(), ChannelRows())).update(np.ones((2, 3, 4)), np.ones((2, 3, 5)))
