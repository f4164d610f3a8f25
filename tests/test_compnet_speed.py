"""Algorithm 3 in both forms, and the tables of their costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.compnet_speed import algorithms, algorithms_table, draw, forms_table
from benchmarks.compnet_speed_forms import BATCH, CHANNELS, INPUTS, activations, direct, from_sums


def test_both_forms_give_the_same_coefficients() -> None:
    one, two = direct(600), from_sums(600)
    assert 0 < np.count_nonzero(one) < CHANNELS
    np.testing.assert_allclose(one, two, rtol=0, atol=1e-9)


def test_fewer_rows_are_the_first_of_more() -> None:
    few, many = (np.concatenate([read for read, _ in activations(rows)]) for rows in (BATCH + 5, 2 * BATCH))
    assert few.shape == (BATCH + 5, CHANNELS)
    np.testing.assert_array_equal(few[:BATCH], many[:BATCH])


def test_an_identity_has_one_width() -> None:
    assert "net2deeper" in algorithms(INPUTS)
    assert algorithms(INPUTS + 1) == ["compnet-1", "compnet-2", "compnet-3", "netmorph"]


def test_tables_and_plot(tmp_path: Path) -> None:
    rows = [
        {"rows": 3000, "sums_s": 0.5, "sums_mib": 60, "direct_s": 2.05, "direct_mib": 1198.4, "apart": 3e-15},
        {"rows": 1000, "sums_s": 0.375, "sums_mib": 59.4, "direct_s": 0.33, "direct_mib": 92, "apart": 5e-15},
    ]
    assert forms_table(rows).splitlines()[2:] == [
        "| 1,000 | 0.38 | 59 | 0.33 | 92 | 5e-15 |",
        "| 3,000 | 0.50 | 60 | 2.05 | 1,198 | 3e-15 |",
    ]
    row = {"algorithm": "compnet-2", "channels": 2048, "survivors": 45, "capture_s": 1.0, "solve_s": 0.654}
    assert algorithms_table([{**row, "explained": 0.55164}, {**row, "explained": None}]).splitlines()[2:] == [
        "| `compnet-2` | 2,048 | 45 | 0.5516 | 1.00 | 0.65 |",
        "| `compnet-2` | 2,048 | 45 |  | 1.00 | 0.65 |",
    ]
    draw(rows, tmp_path / "plots" / "speed.png")
    assert (tmp_path / "plots" / "speed.png").stat().st_size > 1_000
