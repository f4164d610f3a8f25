"""The report of `prune` on the terminal: the verdict first, and slower said in words."""

from __future__ import annotations

from dataclasses import replace

from graphmorph.channels.costs import Cost
from graphmorph.channels.elements import Reason
from graphmorph.channels.walls import Wall
from graphmorph.cli.render_prune import render_prune
from graphmorph.proof import Proof
from graphmorph.pruning.change import Accuracy, Change, Latency, OutputChange
from graphmorph.pruning.report import GroupReport, PruneReport, RepairReport
from tests.cli import reports
from tests.cli.reports import shown

MINUS = "\N{MINUS SIGN}"
WALLS = [
    Wall("/head/Gemm", "Gemm", 1000, (Reason("y", "output", "its shape is part of what the model promises"),)),
    Wall("/loc/Conv", "Conv", 4, (Reason("boxes", "output", "its shape is part of what the model promises"),)),
    Wall("/lstm/LSTM", "LSTM", 64, (Reason("/lstm/LSTM_out", "LSTM", "no rule for it"),)),
]


def report(removal: Proof | None = reports.EQUAL) -> PruneReport:
    """Two groups of three lost half of their units."""
    return PruneReport(
        model="net[1].onnx",
        before=reports.BEFORE,
        after=reports.AFTER,
        cost_before=Cost(20_000_000, 3_000_000_000),
        cost_after=Cost(5_000_000, 750_000_000),
        groups=[
            GroupReport("conv1", 64, 1, 32, None),
            GroupReport("attention", 12, 64, 6, None),
            GroupReport("conv3", 16, 1, 0, "kept by 'conv3'"),
        ],
        walls=WALLS,
        passes=[],
        removal=removal,
        change=Change((OutputChange("y", 0.125, 3.0, 0.99, 0.75),), "given", 4, Accuracy(0.9825, 0.97, 400)),
        latency=Latency(20.0, 8.0, 2),
        repairs=[RepairReport("conv2", 0.5, 0.875)],
        files=["net.pruned.onnx"],
        notes=["group conv3: no criterion"],
        seconds={"proof": 1.0, "removal": 0.5},
    )


def test_the_verdict_comes_first_and_then_the_sizes() -> None:
    lines = shown(render_prune(report())).splitlines()
    proven = "removal proven: equal to the original with the removed channels masked, within rounding"
    assert lines[0] == f"net[1].onnx {proven}"
    assert f"parameters 20 M 5 M {MINUS}75 % 25.00 %" in lines
    assert f"multiply-adds 3 G 750 M {MINUS}75 % 25.00 %" in lines
    assert f"latency 20.00 ms 8.00 ms {MINUS}60 % 40.00 %" in lines
    assert not any(line.startswith("slower") for line in lines)


def test_groups_change_repairs_and_files() -> None:
    lines = shown(render_prune(report())).splitlines()
    assert "groups 3 groups, 38 of 92 units removed" in lines
    assert "conv1 32 64 1 50.00 %" in lines
    assert "attention 6 12 64 50.00 %" in lines
    assert "conv3 16 16 1 100.00 % kept by 'conv3'" in lines
    assert "change against the original, on 4 sets of given inputs" in lines
    assert "y 1.2e-01 3.0e+00 0.9900 75.00 %" in lines
    assert "accuracy 98.25 % before, 97.00 % after, on 400 samples" in lines
    assert "conv2 0.5000 0.8750" in lines
    assert "group conv3: no criterion" in lines
    assert lines[-1] == "wrote net.pruned.onnx"


def test_the_accuracy_of_the_proof_is_not_shown() -> None:
    # Both of its models lack the channels: only that of the change says what the removal cost.
    assert shown(render_prune(report())).count("accuracy") == 1


def test_walls_by_reason_and_each_of_them() -> None:
    lines = shown(render_prune(report())).splitlines()
    assert "must stay whole 3 layers" in lines
    assert "2 output y its shape is part of what the model promises /head/Gemm (1,000)" in lines
    assert "1 LSTM /lstm/LSTM_out no rule for it /lstm/LSTM (64)" in lines
    lines = shown(render_prune(report(), verbose=True)).splitlines()
    assert "Conv /loc/Conv (4): output boxes: its shape is part of what the model promises" in lines
    assert "proof 1.00 s" in lines


def test_slower_is_said_in_words() -> None:
    slow = replace(report(), latency=Latency(8.0, 20.0, 2))
    text = shown(render_prune(slow))
    assert "slower: a run takes 150 % longer, although there are fewer multiply-adds" in text
    assert "--round-to" in text
    same = replace(slow, cost_after=slow.cost_before)
    assert "slower: a run takes 150 % longer\n" in shown(render_prune(same))


def test_the_other_verdicts() -> None:
    different = shown(render_prune(report(reports.DIFFERENT))).splitlines()
    masked = "the original with the removed channels masked"
    assert different[0] == f"net[1].onnx removal not proven: not equal to {masked}"
    assert "output logits, as written: error 0.5 is above the tolerance" in different
    inconclusive = shown(render_prune(report(reports.INCONCLUSIVE))).splitlines()
    assert inconclusive[0] == f"net[1].onnx removal not proven: could not be compared with {masked}"
    assert shown(render_prune(report(None))).startswith("net[1].onnx removal not proven: --no-verify")


def test_where_nothing_was_removed_the_limits_and_walls_say_why() -> None:
    text = shown(render_prune(replace(report(), nothing="nothing was removed: floor of 64", files=[])))
    assert text.startswith("net[1].onnx nothing was removed: floor of 64")
    assert "kept by 'conv3'" in text
    assert "no rule for it" in text
    assert "multiply-adds" not in text
    assert "proof" not in text


def test_many_groups_are_cut() -> None:
    many = replace(report(), groups=[GroupReport(f"layer{number}", 8, 1, 4, None) for number in range(50)])
    text = shown(render_prune(many))
    assert "layer39" in text
    assert "layer40" not in text
    assert "and 10 groups more: --verbose lists all" in text
    assert "layer49" in shown(render_prune(many, verbose=True))


def test_eighty_columns_are_enough() -> None:
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown(render_prune(report()), width=80)
