"""JUnit XML: what a CI server counts must be what the proof said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from graphmorph.cli.junit import fuse_suites, proof_suite, write_junit
from graphmorph.proof.report import Proof
from tests.cli import reports


def read_back(suites: list[Element], folder: Path) -> Element:
    file = folder / "junit.xml"
    write_junit(suites, file)
    root = ElementTree.parse(file).getroot()
    assert root.tag == "testsuites"
    return root


@pytest.mark.parametrize(
    ("proof", "tests", "failures", "errors"),
    [(reports.EQUAL, 4, 0, 0), (reports.DIFFERENT, 4, 2, 0), (reports.INCONCLUSIVE, 1, 0, 1)],
)
def test_the_totals_of_a_proof(proof: Proof, tests: int, failures: int, errors: int, tmp_path: Path) -> None:
    suite = read_back([proof_suite(proof)], tmp_path)[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == (
        str(tests),
        str(failures),
        str(errors),
    )
    assert len(suite.findall("testcase")) == tests


def test_a_failure_carries_its_numbers(tmp_path: Path) -> None:
    suite = read_back([proof_suite(reports.DIFFERENT)], tmp_path)[0]
    failed = [case for case in suite if case.find("failure") is not None]
    assert [case.get("name") for case in failed] == ["logits, as written", "logits, as deployed"]
    message = failed[0][0].get("message")
    assert message == "error 0.5 is above the tolerance; tolerance 3.2e-06, noise floor 4e-07, would pass at 0.5"
    assert failed[0].get("classname") == "proof.inputs 2 (drawn; x 1x3x64x64)"


def test_rewrites_and_refusals_of_a_run(tmp_path: Path) -> None:
    rewrites, proof = read_back(fuse_suites(reports.report(rolled_back=True)), tmp_path)
    assert rewrites.get("tests") == "6"
    assert rewrites.get("failures") == "1"
    assert rewrites.get("skipped") == "4"
    assert proof.get("name") == "proof"


def test_a_certificate_that_fails_is_a_failure(tmp_path: Path) -> None:
    report = reports.report(None)
    certificate = replace(reports.CERTIFICATE, verdict="different")
    report.passes[1].rewrites[0] = replace(report.passes[1].rewrites[0], certificate=certificate)
    (rewrites,) = read_back(fuse_suites(report), tmp_path)
    assert rewrites.get("failures") == "1"


def test_names_that_xml_cannot_write_are_replaced(tmp_path: Path) -> None:
    proof = replace(reports.EQUAL, cases=(reports.case(0.0, name="a\x00<&\x1b"),))
    suite = read_back([proof_suite(proof)], tmp_path)[0]
    assert suite[0].get("name") == "a\N{REPLACEMENT CHARACTER}<&\N{REPLACEMENT CHARACTER}, as written"


def test_a_proof_that_certificates_stand_in_for_is_skipped() -> None:
    proof = fuse_suites(reports.report(reports.INCONCLUSIVE))[1]
    assert (proof.get("errors"), proof.get("skipped")) == ("0", "1")
    proof = fuse_suites(reports.report(reports.INCONCLUSIVE), proven=False)[1]
    assert (proof.get("errors"), proof.get("skipped")) == ("1", "0")


def test_check_fails_on_a_model_in_training_form() -> None:
    report = reports.report(None)
    suite = fuse_suites(report, check=True)[-1]
    assert (suite.get("name"), suite.get("failures")) == ("deploy form", "1")
    report.passes[1].rewrites.clear()
    assert fuse_suites(report, check=True)[-1].get("failures") == "0"
