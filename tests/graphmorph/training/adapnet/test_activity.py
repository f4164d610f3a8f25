"""RFMDist and FMDist, by equation 1, through changes of the structure."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from graphmorph.errors import UsageError
from graphmorph.journal import NEW
from graphmorph.training.adapnet.activity import Activity

RAW = np.array([[8.0, 1.0, 0.0, 4.0], [0.0, 3.0, 2.0, 4.0], [0.0, 0.0, 6.0, 4.0]])


def activity(concepts: list[int]) -> Activity:
    made = Activity(3)
    made.add_clusters(4)
    owners, clusters = np.nonzero(RAW)
    times = RAW[owners, clusters].astype(int)
    made.count(np.repeat(owners, times), np.repeat(clusters, times))
    made.is_concept[concepts] = True
    return made


def test_counts() -> None:
    assert np.array_equal(activity([]).raw, RAW)


def test_equation_1_and_distributions() -> None:
    found = activity([0, 2])
    probabilities, distributions = found.probabilities, found.distributions
    for i in range(3):
        for place, j in enumerate([0, 2]):
            assert probabilities[i, place] == RAW[i, j] / sum(RAW[k, j] for k in range(3))
    assert distributions == pytest.approx(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    assert activity([]).distributions.shape == (3, 0)


def test_a_filter_or_concept_without_counts_has_zeros() -> None:
    made = Activity(2)
    made.add_clusters(2)
    made.is_concept[:] = True
    assert not made.probabilities.any()
    assert not made.distributions.any()


@given(st.integers(0, 999))
def test_a_filter_is_uniform_exactly_if_its_row_of_p_is_flat(seed: int) -> None:
    made = Activity(4)
    made.add_clusters(3)
    made.is_concept[:] = True
    made.raw = np.random.default_rng(seed).integers(1, 40, size=(4, 3)).astype(float)
    made.raw[0] = made.raw[1:].sum(axis=0) * 2
    assert np.ptp(made.probabilities[0]) == pytest.approx(0.0)
    assert made.filter_uniformity()[0] == pytest.approx(1.0)
    # The terms of all rows are those of Pearson's test of the whole table.
    expected = chi2_contingency(made.raw).expected_freq
    from scipy.stats import chi2

    direct = chi2.sf(((made.raw - expected) ** 2 / expected).sum(axis=1), 2)
    np.testing.assert_allclose(made.filter_uniformity(), direct, atol=1e-9)
    columns = chi2.sf(((made.raw - expected) ** 2 / expected).sum(axis=0), 3)
    np.testing.assert_allclose(made.cluster_uniformity(), columns, atol=1e-9)


def test_a_filter_that_fires_in_no_concept_cannot_be_told_and_a_silent_one_is_uniform() -> None:
    made = activity([1, 2])
    made.raw[0] = [9.0, 0.0, 0.0, 0.0]
    made.raw[1] = 0.0
    found = made.filter_uniformity()
    assert np.isnan(found[0])
    assert found[1] == 1.0
    assert found[2] == 1.0  # all that is in concepts is its own: they are one column
    assert made.distributions.shape == (3, 2)


def test_uniform_columns_are_dropped_at_the_end_of_an_epoch() -> None:
    made = activity([0, 3])
    assert made.drop_useless(0.9) == []
    assert made.drop_useless(0.3) == [3]
    assert made.is_concept.tolist() == [True, False, False, False]
    assert np.array_equal(made.raw, RAW)


def test_rows_follow_removal_insertion_and_merging() -> None:
    made = activity([0])
    made.merge(0, 2)
    made.follow([0, 1])
    assert made.raw.tolist() == [[4.0, 0.5, 3.0, 4.0], [0.0, 3.0, 2.0, 4.0]]
    made.follow([NEW, 1, 0, NEW])
    assert made.raw.tolist() == [[0.0] * 4, [0.0, 3.0, 2.0, 4.0], [4.0, 0.5, 3.0, 4.0], [0.0] * 4]
    with pytest.raises(UsageError, match=re.escape("filters [4] are to be taken of 4")):
        made.follow([4])


def test_new_columns() -> None:
    made = activity([1])
    made.add_clusters(6)
    assert made.raw.shape == (3, 6)
    assert made.is_concept.tolist() == [False, True, False, False, False, False]
    assert np.array_equal(made.raw[:, :4], RAW)


def test_state() -> None:
    made = activity([1, 2])
    saved = made.state()
    made.count(np.array([0]), np.array([0]))
    made.is_concept[1] = False
    again = Activity.from_state(saved)
    assert np.array_equal(again.raw, RAW)
    assert again.is_concept.tolist() == [False, True, True, False]
