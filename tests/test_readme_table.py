"""The README's table comes from the benchmark's results, whole and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.readme_table import BEGIN, END, RESULTS, table, with_table

README = Path(__file__).resolve().parent.parent / "README.md"
RUN = {"model": "a", "tool": "ours", "convolutions": 20, "nodes": 49, "seconds": 1.234, "peak_mib": 180.4}
RESULT = {
    "machine": "2 cores",
    "versions": {"ours": "1", "other": "2"},
    "runs": [RUN, {**RUN, "tool": "other"}],
}


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    text = with_table(f"head\n{BEGIN}\nold\n{END}\ntail\n", RESULT)
    assert text.startswith(f"head\n{BEGIN}\n|")
    assert text.endswith(f"\n{END}\ntail\n")
    assert "old" not in text
    assert with_table(text, RESULT) == text


def test_a_missing_number_is_a_dash_and_a_model_is_named_once() -> None:
    rows = table(RESULT).splitlines()
    assert rows[2] == "| a | ours | 20 | 49 | - | 1.23 | 180 |"
    assert rows[3] == "|  | other | 20 | 49 | - | 1.23 | 180 |"
    assert rows[-1] == "Measured on 2 cores with ours 1, other 2."


def test_the_readme_has_the_markers() -> None:
    text = README.read_text()
    assert text.count(BEGIN) == 1
    assert text.count(END) == 1


@pytest.mark.skipif(not RESULTS.exists(), reason="the benchmark has not been run")
def test_the_readme_shows_the_results_that_are_there() -> None:
    assert with_table(README.read_text(), json.loads(RESULTS.read_text())) == README.read_text()
