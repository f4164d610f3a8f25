"""The proof on the terminal: the worst case, both ways of running, and what to do when it fails."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Group

from graphmorph.cli.render_proof import OUTPUTS_SHOWN, render_proof
from graphmorph.proof.report import Proof
from tests.cli import reports
from tests.cli.reports import shown


def text_of(proof: Proof, *, verbose: bool = False) -> str:
    return shown(Group(*render_proof(proof, verbose=verbose)))


def test_the_worst_case_of_each_output_is_shown_as_written_and_as_deployed() -> None:
    lines = text_of(reports.EQUAL).splitlines()
    assert "proof equal 2 sets of inputs, 0.42 s" in lines
    assert "logits as written 1.6e-06 4.0e-07 3.2e-06 50 % equal" in lines
    assert "logits as deployed 1.6e-06 4.0e-07 3.2e-06 50 % equal" in lines
    assert not any("8.0e-07" in line for line in lines)


def test_verbose_shows_every_case_with_its_inputs() -> None:
    lines = text_of(reports.EQUAL, verbose=True).splitlines()
    assert "logits as written 8.0e-07 4.0e-07 3.2e-06 25 % equal 4.0e-07 1.000000000 drawn x 1x3x32x32" in lines
    assert "logits as written 1.6e-06 4.0e-07 3.2e-06 50 % equal 4.0e-07 1.000000000 drawn x 1x3x64x64" in lines


def test_a_failure_says_why_where_and_what_would_pass() -> None:
    text = text_of(reports.DIFFERENT)
    assert "proof different" in text
    assert reports.DIFFERENT.reason in text
    assert "logits as written 5.0e-01 4.0e-07 3.2e-06 2e+05 x different" in text
    assert "an absolute tolerance of 0.5 would pass: --atol" in text
    assert "the models part at conv1_out" in text


def test_failures_come_first_when_there_are_many_outputs() -> None:
    cases = tuple(reports.case(8e-7, name=f"out{index}") for index in range(2 * OUTPUTS_SHOWN))
    proof = replace(reports.DIFFERENT, cases=(*cases, reports.case(0.5, name="bad")))
    lines = text_of(proof).splitlines()
    rows = [line for line in lines if " as written " in line or " as deployed " in line]
    assert rows[0].startswith("bad as written")
    assert len([row for row in rows if row.endswith(("equal", "different"))]) == OUTPUTS_SHOWN
    assert f"and {2 * (2 * OUTPUTS_SHOWN + 1) - OUTPUTS_SHOWN} rows more: --verbose lists all" in lines


def test_inconclusive_gives_the_option_to_paste() -> None:
    text = text_of(reports.INCONCLUSIVE)
    assert "proof inconclusive" in text
    assert "--shape x:1,3,224,224" in text


def test_an_output_without_metrics_has_dashes() -> None:
    missing = replace(reports.output(0.0), passed=False, problem="the candidate lacks this output", metrics=None)
    case = replace(reports.case(0.0), as_written=(missing,), as_deployed=None)
    assert "logits as written - - - - different" in text_of(replace(reports.DIFFERENT, cases=(case,)))


def test_errors_against_float64_are_shown() -> None:
    proof = replace(reports.EQUAL, float64_error={"logits": {"reference": 4e-7, "candidate": 3e-7}})
    assert "logits 4.0e-07 3.0e-07" in text_of(proof)
