"""`graphmorph prune` from file to file: what is written, what is printed, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from graphmorph.cli.main import run
from tests.cli import channel_models
from tests.cli.channel_models import widths


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return channel_models.classifier(tmp_path / "model.onnx")


def out_of(model: Path) -> Path:
    return model.with_name("model.pruned.onnx")


def first_widths(path: Path) -> list[int]:
    """Channels of the two convolutions."""
    found = [dims[0] for dims in widths(path).values() if len(dims) == 4]
    return sorted(found)


def test_half_of_the_channels_go_and_a_plan_comes_out(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = model.read_bytes()
    assert run(["prune", str(model), "--ratio", "0.5"]) == 0
    assert first_widths(out_of(model)) == [8, 16]  # 12 are rounded up to 16
    assert model.read_bytes() == before
    plan = json.loads(model.with_name("model.pruned.plan.json").read_text())
    assert plan["format"] == "graphmorph removal plan"
    shown = capsys.readouterr()
    text = " ".join(shown.out.split())
    assert "removal proven: equal to the original with the removed channels masked, within rounding" in text
    assert "12 channels rounded up to 16 (round_to 8)" in text
    assert "2 groups, 16 of 40 units removed" in text
    assert "latency" in text
    assert "its shape is part of what the model promises" in text
    assert "change against the original, on" in text
    assert "wrote" in text
    assert "model.pruned.plan.json" in text
    assert shown.err == ""


def test_a_plan_does_the_same_again(model: Path, tmp_path: Path) -> None:
    assert run(["prune", str(model), "--ratio", "0.5", "-q"]) == 0
    plan, again = tmp_path / "model.pruned.plan.json", tmp_path / "again.onnx"
    assert run(["prune", str(model), "--plan", str(plan), "-o", str(again), "-q"]) == 0
    assert again.read_bytes() == out_of(model).read_bytes()
    assert not (tmp_path / "again.plan.json").exists()


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--ratio", "0.5", "--round-to", "1"], [8, 12]),
        (["--ratio", "0.5", "--round-to", "4"], [8, 12]),
        (["--ratio", "1", "--round-to", "1", "--floor", "3"], [3, 3]),
        (["--ratio", "1", "--round-to", "1", "--floor-fraction", "0.75"], [12, 18]),
        (["--ratio", "0.5", "--round-to", "1", "--keep", "a"], [12, 16]),
        (["--ratio", "0.5", "--round-to", "1", "--criterion", "random", "--seed", "3"], [8, 12]),
        (["--ratio", "0.5", "--round-to", "1", "--members", "all", "--aggregation", "sum"], [8, 12]),
    ],
)
def test_what_stays(options: list[str], left: list[int], model: Path) -> None:
    assert run(["prune", str(model), "-q", "--no-verify", *options]) == 0
    assert first_widths(out_of(model)) == left


def test_global_takes_the_least_important_of_all(model: Path) -> None:
    assert run(["prune", str(model), "-q", "--ratio", "0.5", "--global", "--round-to", "1", "--no-verify"]) == 0
    assert sum(first_widths(out_of(model))) == 20


@pytest.mark.parametrize(("option", "key"), [("--target-macs", "macs_left"), ("--target-params", "parameters_left")])
def test_targets_are_met(option: str, key: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prune", str(model), option, "0.4", "--round-to", "1", "--json", "-", "--no-verify"]) == 0
    assert 0.2 < json.loads(capsys.readouterr().out)[key] <= 0.4


def test_an_allowed_error_is_kept(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prune", str(model), "--max-error", "0.5", "--round-to", "1", "--json", "-"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert 0 < report["change"]["relative_error"] <= 0.5
    assert report["parameters_left"] < 1


def test_output_in_place_and_dry_run(model: Path, tmp_path: Path) -> None:
    half = ["--ratio", "0.5", "-q", "--no-verify"]
    assert run(["prune", str(model), *half, "--dry-run"]) == 0
    assert list(tmp_path.iterdir()) == [model]
    assert run(["prune", str(model), *half, "--dry-run", "--plan-out", str(tmp_path / "plan.json")]) == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.onnx", "plan.json"]
    (tmp_path / "out").mkdir()
    assert run(["prune", str(model), *half, "-o", str(tmp_path / "out")]) == 0
    written = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert written == ["model.pruned.onnx", "model.pruned.plan.json"]
    assert run(["prune", str(model), *half, "--in-place"]) == 0
    assert first_widths(model) == [8, 16]
    assert (tmp_path / "model.plan.json").exists()


def test_calibration_repair_and_labels(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(channel_models.samples(tmp_path / "data.npz"))
    options = ["--criterion", "mean-activation", "--calibration", data, "--repair", "--inputs", data]
    assert run(["prune", str(model), "--ratio", "0.5", "--labels", "labels", *options]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "repaired" in text
    assert "after, on 32 samples" in text
    assert "of given inputs" in text


@pytest.mark.parametrize("criterion", ["apoz", "reconstruction", "mean-activation"])
def test_criteria_that_need_data(criterion: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prune", str(model), "--ratio", "0.5", "--criterion", criterion]) == 2
    assert "calibration" in capsys.readouterr().err


def test_a_model_of_walls_is_an_error_that_names_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = channel_models.walled(tmp_path / "model.onnx")
    junit = tmp_path / "r.xml"
    assert run(["prune", str(model), "--ratio", "0.5", "--junit", str(junit)]) == 2
    shown = capsys.readouterr()
    assert "nothing can be removed from this model" in shown.err
    assert "its shape is part of what the model promises" in shown.err
    assert shown.err.count("\n") == 1
    assert "must stay whole 1 layer" in " ".join(shown.out.split())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.onnx", "r.xml"]
    assert ElementTree.parse(junit).getroot()[0].get("errors") == "1"


def test_limits_that_keep_everything_are_an_error(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prune", str(model), "--ratio", "0.05"]) == 2
    shown = capsys.readouterr()
    assert "nothing was removed" in shown.err
    assert "round_to 8" in shown.err
    assert not out_of(model).exists()


def test_a_target_out_of_reach(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prune", str(model), "--target-macs", "0.01", "-q"]) == 2
    assert "cannot reach target_macs 0.01" in capsys.readouterr().err


def test_an_impossible_tolerance_fails_the_proof(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prune", str(model), "--ratio", "0.5", "--atol", "0", "--rtol", "0", "--no-latency"]) == 1
    shown = capsys.readouterr()
    assert "the smaller model is not the masked original" in shown.err
    assert shown.err.count("\n") == 1
    assert "removal not proven" in shown.out
    assert not out_of(model).exists()
    assert not model.with_name("model.pruned.plan.json").exists()


def test_no_verify(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prune", str(model), "--ratio", "0.5", "--no-verify"]) == 0
    assert "removal not proven: --no-verify" in capsys.readouterr().out
    assert first_widths(out_of(model)) == [8, 16]


def test_json_and_junit(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    junit = tmp_path / "r.xml"
    assert run(["prune", str(model), "--ratio", "0.5", "--json", "-", "--junit", str(junit)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["exit_code"] == 0
    assert report["removal"]["verdict"] == "equal"
    assert [group["removed"] for group in report["groups"]] == [8, 8]
    assert report["latency"]["before_ms"] > 0
    assert report["files"] == [str(out_of(model)), str(model.with_name("model.pruned.plan.json"))]
    suites = ElementTree.parse(junit).getroot()
    assert [suite.get("name") for suite in suites] == [f"groups of {model}", "proof"]
    assert [suite.get("failures") for suite in suites] == ["0", "0"]


@pytest.mark.parametrize(("name", "start"), [("widths.png", b"\x89PNG"), ("widths.svg", b"<?xml")])
def test_picture(name: str, start: bytes, model: Path, tmp_path: Path) -> None:
    picture = tmp_path / name
    assert (
        run(["prune", str(model), "--ratio", "0.5", "--dry-run", "-q", "--no-verify", "--picture", str(picture)]) == 0
    )
    assert picture.read_bytes().startswith(start)


def test_a_picture_of_another_format(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prune", str(model), "--ratio", "0.5", "--picture", "widths.gif"]) == 2
    assert "must end in .png or .svg" in capsys.readouterr().err
    assert not out_of(model).exists()


def test_a_glob_that_keeps_nothing(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prune", str(model), "--ratio", "0.5", "--keep", "head*"]) == 2
    assert "keep head*: no node has such a name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "say how much is to go: --ratio"),
        (["--ratio", "0.5", "--target-macs", "0.4"], "--ratio and --target-macs exclude each other"),
        (["--ratio", "0.5", "--exact"], "--ratio and --exact exclude each other"),
        (["--ratio", "1.5"], "1.5 is not in the range"),
        (["--exact", "--criterion", "l1"], "--criterion: means nothing with --exact"),
        (["--exact", "--repair", "--picture", "p.png"], "means nothing with --exact"),
        (["--plan", "plan.json", "--round-to", "4"], "--round-to: means nothing with --plan"),
        (["--plan", "plan.json", "--keep", "a", "--global"], "means nothing with --plan"),
        (["--plan", "nowhere.json"], "nowhere.json: No such file"),
        (["--ratio", "0.5", "--repair"], "give calibration data"),
        (["--ratio", "0.5", "--dry-run", "--in-place"], "exclude each other"),
        (["--ratio", "0.5", "--criterion", "l3"], "'l3' is not one of"),
    ],
)
def test_wrong_usage(options: list[str], message: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prune", str(model), *options]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert list(model.parent.iterdir()) == [model]


def test_a_file_that_is_no_plan(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("", "[]", "{}", '{"format": "graphmorph removal plan", "version": 99}'):
        (tmp_path / "plan.json").write_text(text)
        assert run(["prune", str(model), "--plan", str(tmp_path / "plan.json")]) == 2
        message = capsys.readouterr().err
        assert "plan.json" in message
        assert "internal error" not in message


def test_a_bad_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"this is no model\n")
    assert run(["prune", str(tmp_path / "bad.onnx"), "--ratio", "0.5"]) == 2
    message = capsys.readouterr().err
    assert "bad.onnx" in message
    assert "internal error" not in message
