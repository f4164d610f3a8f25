"""How much an approximate rewrite changed is shown as measures, without a verdict."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Group

from graphmorph.cli.render_change import render_change
from graphmorph.cli.render_report import render_report
from tests.cli import reports
from tests.cli.reports import shown

CHANGED = replace(reports.DIFFERENT, accuracy={"before": 0.5, "after": 0.25}, notes=("a note",))


def test_the_largest_change_of_each_output() -> None:
    lines = shown(Group(*render_change(CHANGED))).splitlines()
    assert "change of the outputs over 2 sets of inputs, 0.00 s" in lines
    assert "logits 5.0e-01 4.0e-07 1.0000 100.00 % x 1x3x64x64" in lines
    assert sum(line.startswith("logits") for line in lines) == 1
    assert "accuracy 50.00 % before, 25.00 % after" in lines
    assert "a note" in lines


def test_verbose_shows_every_case() -> None:
    lines = shown(Group(*render_change(CHANGED, verbose=True))).splitlines()
    assert sum(line.startswith("logits") for line in lines) == 2


def test_what_could_not_be_measured_says_why() -> None:
    assert "no size works" in shown(Group(*render_change(reports.INCONCLUSIVE)))


def test_an_output_without_numbers() -> None:
    lost = replace(reports.output(0.5), metrics=None, problem="shape (1, 10) became (1, 5)")
    proof = replace(CHANGED, cases=(replace(CHANGED.cases[0], as_written=(lost,)),))
    assert "logits shape (1, 10) became (1, 5) - - -" in shown(Group(*render_change(proof)))


def test_the_report_of_an_approximate_pass_measures() -> None:
    report = reports.report(reports.DIFFERENT)
    report.passes[1].kind = "approximate"
    text = shown(render_report(report))
    assert "change of the outputs" in text
    assert "proof different" not in text
