"""Exit codes of `fuse`, and the one line that explains each."""

from __future__ import annotations

import pytest

from graphmorph.cli.outcome import NOT_IN_DEPLOY_FORM, outcome
from graphmorph.graph import Graph
from graphmorph.pipeline import FuseResult
from graphmorph.proof.report import Proof
from tests.cli import reports


def ended(proof: Proof | None, code: int, *, rolled_back: bool = False) -> FuseResult:
    return FuseResult(Graph(), reports.report(proof, rolled_back=rolled_back), code)


def test_proven() -> None:
    assert outcome(ended(reports.EQUAL, 0), check=False) == (0, "")


def test_certificates_stand_in_for_a_proof() -> None:
    assert outcome(ended(reports.INCONCLUSIVE, 0), check=False) == (0, "")


@pytest.mark.parametrize(("proof", "code"), [(reports.DIFFERENT, 1), (reports.INCONCLUSIVE, 2)])
def test_the_reason_of_the_proof(proof: Proof, code: int) -> None:
    assert outcome(ended(proof, code), check=False) == (code, proof.reason)


def test_a_rewrite_that_was_rolled_back_is_a_failure_although_the_rest_is_proven() -> None:
    code, complaint = outcome(ended(reports.EQUAL, 1, rolled_back=True), check=False)
    assert code == 1
    assert complaint == "the proof failed until 1 rewrite had been rolled back: fuse-branches at conv1_out"


def test_check_judges_the_model() -> None:
    result = ended(None, 0)
    assert outcome(result, check=True) == (
        NOT_IN_DEPLOY_FORM,
        "acnet[1].onnx is not in deploy form: 1 rewrite possible",
    )
    result.report.passes[1].rewrites.clear()
    assert outcome(result, check=True) == (0, "")
