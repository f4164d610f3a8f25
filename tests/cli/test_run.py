"""`graphmorph run` from file to file: what is written, what is printed, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import click
import numpy as np
import pytest

from graphmorph.cli.main import group, run
from graphmorph.steps.kinds import PIPELINE_OPTIONS, kind_named
from tests.cli.channel_models import walled
from tests.graphmorph.steps.pipeline_models import classifier
from tests.graphmorph.wrong_passes import WrongFold, install

EXAMPLE = Path(__file__).parents[2] / "examples" / "deploy.toml"
TWO_STEPS = '[[step]]\nrun = "fuse"\n[[step]]\nrun = "prune"\nratio = 0.5\nlatency = false\n'


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return classifier(tmp_path / "model.onnx")


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(TWO_STEPS)
    return path


def test_a_pipeline_gives_what_its_commands_give_one_after_the_other(
    model: Path, pipeline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fused, pruned = model.with_name("fused.onnx"), model.with_name("pruned.onnx")
    assert run(["fuse", str(model), "-o", str(fused), "-q"]) == 0
    assert run(["prune", str(fused), "--ratio", "0.5", "--no-latency", "-o", str(pruned), "-q"]) == 0
    assert run(["run", str(pipeline), str(model)]) == 0
    out = model.with_name("model.small.onnx")
    assert out.read_bytes() == pruned.read_bytes()
    shown = capsys.readouterr()
    text = " ".join(shown.out.split())
    assert "1 fuse 2 prune ratio = 0.5, latency = false" in text
    assert "1 fuse 1 rewrite equal" in text
    assert "2 prune 16 of 40 units removed equal to the mask" in text
    assert "the whole against the original model" in text
    assert f"wrote {out.parent}" in shown.out.replace("\n", "")
    assert shown.err == ""


def test_the_example(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, junit = tmp_path / "out.onnx", tmp_path / "verdicts.xml"
    assert run(["run", str(EXAMPLE), str(model), "-o", str(out), "--json", "-", "--junit", str(junit)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["exit_code"] == 0
    assert found["files"] == [str(out)]
    assert [step["run"] for step in found["steps"]] == ["fuse", "prune", "prune"]
    assert [step["verdict"] for step in found["steps"]] == ["equal", "equal to the mask", "equal"]
    assert found["steps"][1]["asked"] == {"ratio": 0.5, "round-to": 8}
    assert found["steps"][1]["change"]["max_abs"] > 0
    assert {step["report"]["model"] for step in found["steps"]} == {str(model)}
    suites = {suite.get("name"): suite for suite in ElementTree.parse(junit).getroot()}
    assert {"step 1 (fuse): proof", "step 2 (prune): proof", "step 3 (prune): proof"} <= set(suites)
    assert all(suite.get("failures") == "0" for suite in suites.values())


def test_what_the_command_line_says_goes_before_the_file(tmp_path: Path, model: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.standard_normal((4, 3, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=images, classes=np.zeros(4, np.int64))
    path, report = tmp_path / "p.toml", tmp_path / "report.json"
    path.write_text('seed = 1\nverify = false\n[[step]]\nrun = "fuse"')
    given = ["--verify", "--inputs", str(tmp_path / "d.npz"), "--labels", "classes"]
    assert run(["run", str(path), str(model), "-q", "--dry-run", "--json", str(report), *given]) == 0
    whole = json.loads(report.read_text())["whole"]
    assert set(whole["accuracy"]) == {"before", "after"}
    assert not model.with_name("model.p.onnx").exists()


def test_verbose_shows_what_each_command_would(model: Path, pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", str(pipeline), str(model), "-v", "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "step 1: fuse" in text
    assert "fold-batchnorm n" in text
    assert "removal proven" in text


def test_a_step_that_fails_is_named_and_nothing_is_written(
    model: Path, pipeline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, WrongFold, wrong=("n",))
    junit = model.with_name("verdicts.xml")
    assert run(["run", str(pipeline), str(model), "--junit", str(junit)]) == 1
    shown = capsys.readouterr()
    assert "1 fuse 0 rewrites rolled back" in " ".join(shown.out.split())
    assert shown.err.startswith("graphmorph: error: step 1 (fuse): the proof failed until 1 rewrite had been rolled")
    assert shown.err.count("\n") == 1
    assert not model.with_name("model.small.onnx").exists()
    assert ElementTree.parse(junit).getroot().findall(".//failure")


def test_nothing_to_remove(tmp_path: Path, pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", str(pipeline), str(walled(tmp_path / "w.onnx")), "-q"]) == 2
    assert capsys.readouterr().err.startswith("graphmorph: error: step 2 (prune): ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[step]]\nrun = 'prune'\nrato = 0.5", "step 1 (prune) has no option rato: did you mean ratio?"),
        ("[[step]]\nrun = 'prune'\nratio = 'a'", "step 1 (prune): ratio = 'a': a number is wanted"),
        ("[[step]]\nrun = 'prun'", "step 1: no step is called prun; there are fuse, prune"),
        ("run = 'fuse'", "there is no step; each begins with [[step]]"),
        ("[[", "is not TOML"),
    ],
)
def test_bad_pipelines_are_one_line(text: str, said: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = model.with_name("bad.toml")
    path.write_text(text)
    assert run(["run", str(path), str(model)]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert (shown.err.count("\n"), shown.out) == (1, "")


def test_files_that_are_not_there(model: Path, pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "no.toml", str(model)]) == 2
    assert run(["run", str(pipeline), str(model.with_name("no.onnx"))]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "no.toml: cannot be read: No such file" in first
    assert "no.onnx" in second


def test_in_place_and_output_exclude_each_other(
    model: Path, pipeline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", str(pipeline), str(model), "--in-place", "-o", "x.onnx"]) == 2
    assert "--output and --in-place exclude each other" in capsys.readouterr().err


def test_the_list_of_steps_needs_no_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "--list"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert 'run = "prune" Remove the least important channels' in text
    assert "round_to a whole number 8" in text
    assert "calibration a file required" in text
    assert 'run = "fold-batchnorm" the pass alone: fold batch normalisation' in text


#: Options of commands that a step has under the name of the Python function: a value or a list takes a flag's place.
OTHER_NAMES = {
    "prune": {"global_scope": "scope"},
    "merge": {"group": "groups"},
    "widen": {"group": "groups", "unit": "masters"},
    "fuse": {"settings": "pass_options", "exact_prune": "only"},
}


@pytest.mark.parametrize("command", ["fuse", "prune", "merge", "widen", "expand"])
def test_a_step_has_what_its_command_has(command: str) -> None:
    of_files = {"model", "output", "in_place", "dry_run", "check", "json_file", "junit_file", "quiet", "verbose"}
    found = group.get_command(click.Context(group), command)
    assert found is not None
    names = {str(one.name) for one in found.params} - of_files - set(PIPELINE_OPTIONS) - {"plan_out", "picture"}
    step = kind_named(command).options
    assert {OTHER_NAMES.get(command, {}).get(name, name) for name in names} <= set(step)
