"""The verdict on arrays, apart from any model."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.proof.noise import noise_floor
from graphmorph.proof.report import CaseReport, OutputReport
from graphmorph.proof.verdict import Limits, judge_outputs, overall

REFERENCE = np.array([[1.0, 2.0, 3.0]], np.float32)


def judge(candidate: dict[str, np.ndarray], limits: Limits | None = None) -> tuple[OutputReport, ...]:
    floors = {"y": noise_floor(REFERENCE, None)}
    return judge_outputs({"y": REFERENCE}, candidate, floors, limits or Limits())


def case(*reports: OutputReport, as_deployed: tuple[OutputReport, ...] | None = None) -> CaseReport:
    return CaseReport({"x": (1, 3)}, "seeded", "normal", 0, 0, reports, as_deployed)


@pytest.mark.parametrize(
    ("candidate", "problem"),
    [
        ({}, "lacks this output"),
        ({"y": REFERENCE.astype(np.float64)}, "dtype float32 became float64"),
        ({"y": REFERENCE[:, :2]}, r"shape \(1, 3\) became \(1, 2\)"),
        ({"y": REFERENCE + np.float32(1e-3)}, "is above the tolerance"),
        (
            {"y": np.where(REFERENCE > 2, np.nan, REFERENCE).astype(np.float32)},
            "1 of 3 elements differ in NaN",
        ),
        ({"y": REFERENCE, "z": REFERENCE}, "only the candidate has this output"),
    ],
)
def test_what_fails(candidate: dict[str, np.ndarray], problem: str) -> None:
    (report,) = (report for report in judge(candidate) if not report.passed)
    assert report.problem is not None
    with pytest.raises(ValueError, match=problem):
        raise ValueError(report.problem)
    assert overall([case(report)], [])[0] == "different"


def test_the_tolerance_is_a_hard_line() -> None:
    limits = Limits(atol=0.5)
    assert judge({"y": REFERENCE + np.float32(0.5)}, limits)[0].passed
    assert not judge({"y": REFERENCE + np.float32(0.5001)}, limits)[0].passed


def test_a_failure_as_deployed_counts() -> None:
    (good,) = judge({"y": REFERENCE})
    (bad,) = judge({"y": REFERENCE + 1})
    verdict, reason = overall([case(good, as_deployed=(bad,))], [])
    assert verdict == "different"
    assert "as deployed" in reason


def test_blind_outputs_are_never_equal() -> None:
    (good,) = judge({"y": REFERENCE})
    assert overall([case(good)], [])[0] == "equal"
    assert overall([case(good)], ["y"])[0] == "inconclusive"
    assert overall([case()], [])[0] == "inconclusive"


def test_elements_that_noise_alone_makes_nan_are_not_judged() -> None:
    candidate = REFERENCE.copy()
    candidate[0, 1] = np.nan
    floors = {"y": noise_floor(REFERENCE, None)}
    unstable = {"y": np.array([[False, True, False]])}
    (report,) = judge_outputs({"y": REFERENCE}, {"y": candidate}, floors, Limits(), unstable=unstable)
    assert report.passed
