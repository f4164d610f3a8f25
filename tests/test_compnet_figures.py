"""Tables of CompNet's experiments in docs/experiments.md are those of the kept results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.compnet_mnist import RESULTS as MNIST
from benchmarks.compnet_options import figure_of
from benchmarks.compnet_speed import RESULTS as SPEED
from benchmarks.compnet_speed import algorithms_table, forms_table
from benchmarks.compnet_table import TARGET, markdown
from benchmarks.compnet_vgg import RESULTS as VGG

DOCS = Path(__file__).resolve().parent.parent / "docs" / "experiments.md"


def kept(path: Path) -> dict[str, object]:
    if not path.is_file():
        pytest.skip(f"{path.name} is not kept")
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(
    ("path", "target"), [(MNIST, TARGET), (VGG, None)], ids=lambda value: getattr(value, "stem", "")
)
def test_tables_and_figures_of_the_networks(path: Path, target: float | None) -> None:
    docs, runs = DOCS.read_text(encoding="utf-8"), kept(path)["runs"]
    assert isinstance(runs, list)
    for run in runs:
        assert markdown(run, target) in docs
        assert f"../benchmarks/results/{figure_of(path, run).name}" in docs
        assert figure_of(path, run).is_file()


def test_tables_and_figure_of_the_costs() -> None:
    docs, results = DOCS.read_text(encoding="utf-8"), kept(SPEED)
    for rows, table in ((results["forms"], forms_table), (results["algorithms"], algorithms_table)):
        assert isinstance(rows, list)
        assert table(rows) in docs
    assert f"../benchmarks/results/{SPEED.stem}.png" in docs
    assert SPEED.with_suffix(".png").is_file()
