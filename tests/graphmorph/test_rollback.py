"""Which rewrites a failed proof is due to: found by halves, taken back alone, and the rest kept."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import onnx
import pytest

import graphmorph
from graphmorph.graph import Graph
from graphmorph.journal import Journal
from graphmorph.manager import RunResult, SiteKey
from graphmorph.proof import Proof
from graphmorph.rollback import Attempt, find_guilty
from graphmorph.testing import assert_equivalent
from tests.graphmorph.wrong_passes import FOUR, STAGES, WrongCleanUp, WrongFold, install

SITES: tuple[SiteKey, ...] = tuple(("fold", f"t{place}") for place in range(16))
ROLLED_BACK = "rolled back: the proof failed with it"


def attempts(bad: Iterable[SiteKey], log: list[int | None], always: bool = False) -> Attempt:
    """Runs of 16 rewrites of which the bad ones make the proof fail; `always`: it fails without any of them, too."""

    def attempt(without: Iterable[SiteKey], limit: int | None) -> tuple[RunResult, Proof]:
        log.append(limit)
        applied = [site for site in SITES if site not in set(without)][:limit]
        wrong = always or any(site in applied for site in bad)
        return RunResult(Graph(), [], Journal(), applied=applied), Proof("different" if wrong else "equal", "")

    return attempt


@pytest.mark.parametrize("place", [0, 1, 7, 15])
def test_one_guilty_rewrite_is_found_by_halves(place: int) -> None:
    log: list[int | None] = []
    found = find_guilty(SITES, None, attempts([SITES[place]], log))
    assert found is not None
    assert found.guilty == (SITES[place],)
    assert found.proof.verdict == "equal"
    assert len(found.result.applied) == 15
    assert len(log) <= 7


def test_the_first_tensor_that_differs_is_tried_first() -> None:
    log: list[int | None] = []
    found = find_guilty(SITES, "t9", attempts([SITES[9]], log))
    assert found is not None
    assert found.guilty == (SITES[9],)
    assert log == [None]


def test_a_first_difference_that_misleads_is_not_taken_back() -> None:
    found = find_guilty(SITES, "t3", attempts([SITES[9]], []))
    assert found is not None
    assert found.guilty == (SITES[9],)


@pytest.mark.parametrize("first", [None, "t2"])
def test_several_guilty_rewrites(first: str | None) -> None:
    bad = [SITES[2], SITES[5], SITES[11]]
    found = find_guilty(SITES, first, attempts(bad, []))
    assert found is not None
    assert sorted(found.guilty) == sorted(bad)
    assert len(found.result.applied) == 13


def test_it_gives_up_where_nothing_explains_the_failure() -> None:
    assert find_guilty(SITES, None, attempts([], [], always=True)) is None
    assert find_guilty(SITES, None, attempts(SITES[:8], [])) is None


@pytest.mark.parametrize("wrong", [("n1",), ("n0", "n3")])
@pytest.mark.parametrize("most", [None, 4])
def test_a_wrong_rewrite_is_taken_back_and_the_rest_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: tuple[str, ...], most: int | None
) -> None:
    install(monkeypatch, WrongFold, wrong=wrong)
    target = tmp_path / "fused.onnx"
    result = graphmorph.fuse(FOUR, target, max_rewrites=most)
    report = result.report
    assert result.exit_code == 1
    assert not result.ok
    assert sorted(rewrite.root for rewrite in report.rolled_back) == sorted(wrong)
    assert report.proof is not None
    assert report.proof.verdict == "equal"
    kept = sorted(set(STAGES) - set(wrong))
    assert sorted(rewrite.root for rewrite in report.passes[2].rewrites) == kept
    assert {(refusal.node, refusal.reason) for refusal in report.refusals} == {(name, ROLLED_BACK) for name in wrong}
    assert report.files == [str(target)]
    operators = [node.op_type for node in onnx.load(target).graph.node]
    assert operators.count("BatchNormalization") == len(wrong)
    assert_equivalent(FOUR, target)


def test_a_wrong_clean_up_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, WrongCleanUp)
    target = tmp_path / "fused.onnx"
    result = graphmorph.fuse(FOUR, target)
    assert result.exit_code == 1
    assert result.report.proof is not None
    assert result.report.proof.verdict == "different"
    assert result.report.rolled_back == []
    assert result.report.files == []
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_clean_up_leaves_the_model_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, WrongCleanUp)
    path = tmp_path / "model.onnx"
    onnx.save(FOUR, path)
    before = path.read_bytes()
    assert graphmorph.fuse(path, in_place=True).exit_code == 1
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
