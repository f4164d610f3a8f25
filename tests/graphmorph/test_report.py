"""The report as plain data, and the two questions it answers: was anything changed, and was there anything to do."""

from __future__ import annotations

import json
from dataclasses import replace

from graphmorph.affine.certificate import Certificate
from graphmorph.report import ModelSummary, PassReport, RefusalReport, Report, RewriteReport

BEFORE = ModelSummary(nodes=3, operators={"Conv": 2, "Add": 1}, parameters=20, weight_bytes=80, macs=100, branch_adds=1)
AFTER = ModelSummary(nodes=1, operators={"Conv": 1}, parameters=10, weight_bytes=40, macs=None, branch_adds=0)
REWRITE = RewriteReport("fuse-branches", "y", "2 Conv, Add -> 1 node", ["a", "b", "c"], ["a"], 20, 10, 8.0, 4.0)
REFUSAL = RefusalReport("fuse-branches", "d", "Add", "branches of x have strides (2, 2) and (1, 1)")


def report(*passes: PassReport) -> Report:
    return Report("model.onnx", BEFORE, AFTER, list(passes))


def test_nothing_to_do() -> None:
    one = report(PassReport("fuse-branches", "exact", refusals=[REFUSAL]))
    assert not one.changed
    assert one.deploy_form
    assert one.refusals == [REFUSAL]


def test_clean_up_changes_a_model_but_not_its_form() -> None:
    one = report(PassReport("fold-constants", "exact", cleanup=True, rewrites=[replace(REWRITE, pass_name="fold")]))
    assert one.changed
    assert one.deploy_form


def test_a_rewrite_means_that_it_was_not_in_deploy_form() -> None:
    one = report(PassReport("fuse-branches", "exact", rewrites=[REWRITE]))
    assert one.changed
    assert not one.deploy_form
    assert one.rewrites == [REWRITE]


def test_what_was_rolled_back_was_there_to_be_done() -> None:
    one = report(PassReport("fuse-branches", "exact"))
    one.rolled_back.append(REWRITE)
    assert not one.changed
    assert not one.deploy_form


def test_certificates_are_counted_by_verdict() -> None:
    equal, unsure = Certificate("y", "equal", ""), Certificate("y", "not certified", "too large")
    rewrites = [replace(REWRITE, certificate=c) for c in (equal, equal, unsure, None)]
    one = report(PassReport("fuse-branches", "exact", rewrites=rewrites))
    assert one.certificates == {"equal": 2, "not certified": 1}


def test_json() -> None:
    certified = replace(REWRITE, certificate=Certificate("y", "equal", "", shapes=({"x": (1, 4, 8, 8)},)))
    one = report(PassReport("fuse-branches", "exact", rewrites=[certified], refusals=[REFUSAL]))
    one.files.append("model.fused.onnx")
    data = json.loads(json.dumps(one.to_json()))
    assert data["changed"] is True
    assert data["deploy_form"] is False
    assert data["before"]["convolutions"] == 2
    assert data["after"]["macs"] is None
    assert data["proof"] is None
    assert data["files"] == ["model.fused.onnx"]
    written = data["passes"][0]
    assert written["refusals"] == [
        {"pass_name": "fuse-branches", "node": "d", "op": "Add", "reason": REFUSAL.reason},
    ]
    assert written["rewrites"][0]["nodes_before"] == ["a", "b", "c"]
    assert written["rewrites"][0]["certificate"]["shapes"] == [{"x": [1, 4, 8, 8]}]
