"""`graphmorph insert` from file to file: what is written, what is printed, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest

from graphmorph.cli.main import run
from tests.cli import channel_models
from tests.graphmorph.layer_insertion import networks
from tests.graphmorph.layer_insertion.networks import outputs


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return networks.saved(tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "data.npz"
    np.savez(path, x=networks.images()["x"], labels=np.arange(40) % 3)
    return str(path)


def out_of(model: Path) -> Path:
    return model.with_name("model.deeper.onnx")


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_a_layer_is_inserted_and_measured(model: Path, data: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = model.read_bytes()
    options = ["--channels", "12", "--survivors", "5", "--kernel", "3", "--activation", "tanh", "--calibration", data]
    assert run(["insert", str(model), "--after", "a", *options]) == 0
    text = shown(capsys)
    assert "3x3 convolution, 12 -> 5 channels, tanh (compnet-3) behind a (4 channels), read by Conv d" in text
    assert "R2 of 6 outputs of the next layer, 400 rows of calibration data" in text
    assert "latency" in text
    assert "change against the original" in text
    assert "wrote" in text
    assert model.read_bytes() == before
    weights = {tensor.name: list(tensor.dims) for tensor in onnx.load(out_of(model)).graph.initializer}
    assert weights["a_inserted.weight"] == [5, 4, 3, 3]
    assert outputs(out_of(model), networks.images(2)).shape == (2, 3)


@pytest.mark.parametrize("algorithm", ["compnet-1", "compnet-2", "compnet-3", "netmorph", "net2deeper"])
def test_every_algorithm_reports_itself(
    algorithm: str, model: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--algorithm", algorithm, "--calibration", data, "--no-latency", "--json", "-", "--after", "a"]
    assert run(["insert", str(model), *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["layer"]["algorithm"] == algorithm
    assert report["layer"]["kernel"] == [3, 3]
    assert 0 < report["layer"]["explained_least"] <= report["layer"]["explained_mean"] <= 1
    assert report["latency"] is None
    assert report["files"] == [str(out_of(model))]
    assert (report["proof"] is not None) == (algorithm == "net2deeper")
    assert report["peak_bytes"] > 0
    assert report["seconds"]["solving"] > 0


def test_a_share_to_explain_and_windows_of_two_sizes(
    model: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--explained", "0.8", "--channels", "24", "--kernel", "1x3", "--calibration", data, "--json", "-"]
    assert run(["insert", str(model), "--after", "p", "--no-latency", *options]) == 0
    layer = json.loads(capsys.readouterr().out)["layer"]
    assert layer["kernel"] == [1, 3]
    assert layer["kept"] < 24
    assert layer["explained_mean"] >= 0.8


def test_a_dry_run_writes_nothing_and_in_place_writes_over(model: Path, data: str, tmp_path: Path) -> None:
    options = ["--after", "a", "--calibration", data, "--no-latency", "-q"]
    before = sorted(file.name for file in tmp_path.iterdir())
    assert run(["insert", str(model), *options, "--dry-run"]) == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == before
    old = model.read_bytes()
    assert run(["insert", str(model), *options, "--in-place"]) == 0
    assert model.read_bytes() != old
    assert sorted(file.name for file in tmp_path.iterdir()) == before


def test_labels(model: Path, data: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--after", "a", "--calibration", data, "--inputs", data, "--labels", "labels", "--no-latency"]
    assert run(["insert", str(model), *options]) == 0
    assert "after, on 40 samples" in shown(capsys)


def test_more_change_than_allowed_ends_with_1(model: Path, data: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--channels", "4", "--survivors", "1", "--max-error", "0.0001"]
    assert run(["insert", str(model), "--after", "a", "--calibration", data, "--no-latency", *options]) == 1
    assert "more than --max-error allows; nothing was written" in capsys.readouterr().err
    assert not out_of(model).exists()


@pytest.mark.parametrize(("allowed", "failures"), [("1", "0"), ("1e-9", "1")])
def test_junit_has_the_layer_and_its_failure(
    model: Path, data: str, tmp_path: Path, allowed: str, failures: str
) -> None:
    options = ["--survivors", "3", "--calibration", data, "--max-error", allowed, "--junit", str(tmp_path / "j.xml")]
    assert run(["insert", str(model), "--after", "a", *options]) == int(failures)
    (suite,) = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("1", failures)


def test_who_keeps_all_channels_is_told_of_the_options(
    model: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--algorithm", "compnet-1", "--alpha", "0", "--calibration", data, "--no-latency"]
    assert run(["insert", str(model), "--after", "a", *options]) == 0
    text = shown(capsys)
    assert "compnet-1 kept all 8 channels" in text
    assert "--survivors" in text
    assert "--explained" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "say with --after behind which node the layer goes"),
        (["--after", "nothing"], "no node or tensor nothing"),
        (["--after", ""], "no node or tensor"),
        (["--after", "a", "--kernel", "3x"], "3x is no size of a kernel: give 3, or 3x5"),
        (["--after", "a", "--kernel", "0"], "0 is no size of a kernel"),
        (["--after", "a", "--kernel", "-3"], "-3 is no size of a kernel"),
        (["--after", "a", "--kernel", "3x3x3"], "has 2 spatial axes"),
        (["--after", "a", "--survivors", "0"], "--survivors"),
        (["--after", "a", "--survivors", "100"], "survivors is 100, but there are 8 channels"),
        (["--after", "a", "--survivors", "2", "--explained", "0.5"], "give one of them"),
        (["--after", "a", "--explained", "0"], "--explained"),
        (["--after", "a", "--slope", "nan"], "slope nan"),
        (["--after", "a", "--algorithm", "best"], "--algorithm"),
        (["--after", "y"], "nothing reads it"),
        (["--after", "d", "--algorithm", "net2deeper"], "d may be negative"),
    ],
)
def test_what_does_not_fit_ends_with_2(
    options: list[str], message: str, model: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["insert", str(model), "--calibration", data, *options]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not out_of(model).exists()


@pytest.mark.parametrize("algorithm", ["compnet-1", "compnet-2", "compnet-3"])
def test_no_data_end_with_2(algorithm: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["insert", str(model), "--after", "a", "--algorithm", algorithm]) == 2
    assert f"{algorithm} looks at activations: give calibration data" in capsys.readouterr().err


def test_places_as_a_table(model: Path, data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["insert", str(model), "--suggest"]) == 0
    text = shown(capsys)
    assert "9 places, by cost; with --calibration, by R2" in text
    assert "MaxPool" in text
    assert run(["insert", str(model), "--suggest", "--calibration", data]) == 0
    assert "by how much of the next layer a random layer keeps" in shown(capsys)


def test_places_as_json(model: Path, data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["insert", str(model), "--suggest", "--calibration", data, "--json", "-"]) == 0
    places = json.loads(capsys.readouterr().out)["places"]
    assert len(places) == 9
    explained = [one["explained"] for one in places]
    assert explained == sorted(explained, reverse=True)
    best = places[0]
    again = ["--after", best["after"], "--before", best["before"], "--calibration", data, "--no-latency", "-q"]
    assert run(["insert", str(model), *again]) == 0


def test_a_model_without_places_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    walled = channel_models.walled(tmp_path / "walled.onnx")
    assert run(["insert", str(walled), "--suggest"]) == 1
    assert "there is no place for a layer" in capsys.readouterr().err
