"""Value numbers: equal exactly where operation and operands are."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.channels.values.numbering import Numbering
from graphmorph.channels.values.rows import equal_rows
from graphmorph.channels.values.table import Table

KEYS = st.lists(st.integers(0, 40), max_size=12)
OPERANDS = st.tuples(*[st.integers(0, 3)] * 3)


@given(st.lists(KEYS, max_size=12))
def test_a_table_is_a_dictionary(steps: list[list[int]]) -> None:
    table, expected = Table(), dict[int, int]()
    for step in steps:
        keys = np.unique(np.array(step, np.int64))
        found = table.find(keys)
        assert found.tolist() == [expected.get(key, 0) for key in keys.tolist()]
        new = keys[found == 0]
        values = np.arange(len(expected) + 1, len(expected) + 1 + new.size)
        table.add(new, values)
        expected.update(zip(new.tolist(), values.tolist(), strict=True))


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1)), max_size=6)
)
def test_combinations_are_numbered_by_what_they_are(steps: list[tuple[str, list[tuple[int, int, int]]]]) -> None:
    numbering, expected = Numbering(), dict[tuple[str, tuple[int, int, int]], int]()
    for tag, rows in steps:
        for row, number in zip(rows, numbering.combine(tag, *np.array(rows).T).tolist(), strict=True):
            assert expected.setdefault((tag, row), number) == number
    assert len(set(expected.values())) == len(expected)


@given(st.integers(1, 20), st.integers(0, 12), st.integers(0, 1000))
def test_rows_are_compared_as_a_whole(count: int, columns: int, seed: int) -> None:
    matrix = np.random.default_rng(seed).integers(0, 2, (count, columns)).astype(np.float32)
    labels = equal_rows(matrix).tolist()
    rows = [tuple(row) for row in matrix.tolist()]
    assert [[a == b for b in labels] for a in labels] == [[a == b for b in rows] for a in rows]


def test_zeros_have_no_sign() -> None:
    numbers = Numbering().of_constants(np.array([0.0, -0.0, 1.0]))
    assert numbers[0] == numbers[1] != numbers[2]
