"""Algorithm 2, for single layers and for tied ones."""

from __future__ import annotations

import re

import numpy as np
import pytest

from graphmorph.errors import UsageError
from graphmorph.training.adapnet.decisions import Pruning
from graphmorph.training.adapnet.evidence import LayerEvidence
from graphmorph.training.adapnet.pruning import prunings

ALL = np.ones(4, np.bool_)


def layer(*uniformity: float, concepts: int = 3) -> LayerEvidence:
    filters = len(uniformity)
    return LayerEvidence(np.array(uniformity), np.ones((filters, concepts)) / max(concepts, 1), np.eye(filters))


def chosen(
    members: list[LayerEvidence], kse: list[list[float]], eligible: np.ndarray = ALL, least: int = 1
) -> list[int]:
    table = np.array(kse).reshape(-1, members[0].filters)
    found = prunings(members, table, eligible, beta=0.5, threshold=0.6, least=least)
    return [one.filter for one in found]


def test_uniform_and_of_little_use_to_the_next_layer() -> None:
    members = [layer(0.9, 0.9, 0.2, 0.5)]
    assert chosen(members, [[0.4, 0.8, 0.4, 0.4]]) == [0]
    found = prunings(members, np.array([[0.4, 0.8, 0.4, 0.4]]), ALL, beta=0.5, threshold=0.6, least=1)
    assert found == [Pruning(0, (0.9,), 0.5, 0.4, 0.6)]


def test_the_most_uniform_come_first_and_some_are_left() -> None:
    members = [layer(0.7, 0.9, 0.8, 0.8)]
    kse = [[0.4, 0.4, 0.5, 0.4]]
    assert chosen(members, kse) == [1, 3, 2]
    assert chosen(members, kse, least=3) == [1]
    assert chosen(members, kse, least=4) == []
    assert chosen(members, kse, least=9) == []


def test_whoever_needs_a_filter_keeps_it() -> None:
    members = [layer(0.9, 0.9, 0.9, 0.1), layer(0.9, 0.3, 0.9, 0.9)]
    assert chosen(members, [[0.4] * 4, [0.4, 0.4, 0.7, 0.4]]) == [0]


def test_protected_and_frozen_filters_are_passed_over() -> None:
    assert chosen([layer(*[0.9] * 4)], [[0.4] * 4], np.array([False, True, False, True])) == [1, 3]


def test_where_nobody_can_tell_a_filter_stays() -> None:
    unknown = layer(0.9, float("nan"), 0.9, 0.1)
    assert chosen([unknown], [[0.4] * 4]) == [0, 2]
    assert chosen([layer(0.9, 0.9, 0.1, 0.9), unknown], [[0.4] * 4]) == [0]


@pytest.mark.parametrize("concepts", [0, 1])
def test_layers_with_less_than_two_concepts_have_no_say(concepts: int) -> None:
    silent = layer(1.0, 1.0, 1.0, 1.0, concepts=concepts)
    assert chosen([silent], [[0.4] * 4]) == []
    assert chosen([silent, layer(0.9, 0.1, 0.1, 0.1)], [[0.4] * 4]) == [0]


def test_without_readers_nothing_is_known_of_their_use() -> None:
    assert chosen([layer(*[0.9] * 4)], []) == []


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match=re.escape("a group of layers with [4, 3] filters")):
        chosen([layer(*[0.9] * 4), layer(*[0.9] * 3)], [[0.4] * 4])
    with pytest.raises(UsageError, match=re.escape("kse (2, 4) and eligible (3,) of 4 filters")):
        chosen([layer(*[0.9] * 4)], [[0.4] * 4] * 2, ALL[:3])
