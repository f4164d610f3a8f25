"""The report on the terminal says what became what, what was left alone and why, and how it was proven."""

from __future__ import annotations

from graphmorph.cli.refusal_groups import group_refusals
from graphmorph.cli.render_report import render_report
from tests.cli import reports
from tests.cli.reports import shown


def test_what_became_what() -> None:
    lines = shown(render_report(reports.report())).splitlines()
    assert "acnet[1].onnx 1 rewrite" in lines
    assert "nodes 105 49 \N{MINUS SIGN}53 %" in lines
    assert "convolutions 54 20 \N{MINUS SIGN}63 %" in lines
    assert "batch normalizations 51 0 \N{MINUS SIGN}100 %" in lines
    assert "branch sums 34 0 \N{MINUS SIGN}100 %" in lines
    assert "parameters 19.9 M 11.7 M \N{MINUS SIGN}41 %" in lines
    assert "multiply-adds 3.02 G 1.81 G \N{MINUS SIGN}40 %" in lines
    assert "weights 76.2 MiB 44.6 MiB \N{MINUS SIGN}41 %" in lines
    assert "wrote acnet.fused.onnx" in lines


def test_the_passes_with_their_times() -> None:
    lines = shown(render_report(reports.report())).splitlines()
    assert "fold-batchnorm exact 0 1 0.12 s" in lines
    assert "fuse-branches exact 1 3 0.50 s" in lines


def test_refusals_are_grouped_by_reason() -> None:
    text = shown(render_report(reports.report()))
    assert "left alone 4 sites" in text
    assert "fuse-branches 3 pads of 'conv_1' do not contain those of 'conv_0' conv_1" in text
    assert "fold-batchnorm 1 its input is also read by [tanh] bn_7" in text
    assert "conv_2" not in text


def test_verbose_lists_every_refusal_and_rewrite() -> None:
    text = shown(render_report(reports.report(), verbose=True))
    assert "fuse-branches conv_2 (Conv): pads of 'conv_2' do not contain those of 'conv_0'" in text
    assert "fuse-branches conv1_out 3 Conv, 3 BatchNormalization and 2 Add became 1 Conv" in text


def test_proof_certificates_accuracy_and_notes() -> None:
    text = shown(render_report(reports.report()))
    assert "proof equal" in text
    assert "accuracy 98.25 % before, 98.25 % after" in text
    assert "certificates" in text
    assert "1 equal" in text
    assert "the model has a dynamic batch" in text


def test_a_rewrite_that_was_rolled_back_is_named() -> None:
    text = shown(render_report(reports.report(reports.DIFFERENT, rolled_back=True)))
    assert "rolled back" in text
    assert "3 Conv, 3 BatchNormalization and 2 Add became 1 Conv" in text


def test_nothing_to_do_is_said() -> None:
    report = reports.report()
    for one in report.passes:
        one.rewrites.clear()
    assert "acnet[1].onnx nothing to rewrite: already in deploy form" in shown(render_report(report))


def test_clean_up_alone_leaves_a_model_in_deploy_form() -> None:
    report = reports.report()
    report.passes[1].cleanup = True
    assert "acnet[1].onnx already in deploy form, 1 clean-up" in shown(render_report(report))


def test_exact_removal_with_clean_up_alone_says_what_there_is_not() -> None:
    report = reports.report()
    clean_up, removal = report.passes[:2]
    clean_up.cleanup = True
    clean_up.rewrites, removal.rewrites, removal.refusals = [reports.REWRITE], [], []
    removal.name = "remove-channels"
    report.passes = [clean_up, removal]
    assert "acnet[1].onnx 1 clean-up; no removable channel is unread, constant or duplicate" in shown(
        render_report(report)
    )


def test_eighty_columns_are_enough() -> None:
    text = shown(render_report(reports.report()), width=80)
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    assert "as deployed" in text


def test_groups_are_largest_first_and_differ_in_more_than_names() -> None:
    groups = group_refusals(reports.REFUSALS[::-1])
    assert [(group.pass_name, len(group.refusals)) for group in groups] == [
        ("fuse-branches", 3),
        ("fold-batchnorm", 1),
    ]
